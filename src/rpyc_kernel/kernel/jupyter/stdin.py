"""Asks the front end for a line, for ``input()`` of another machine, without blocking the kernel meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from jupyter_client.session import Session

POLL_INTERVAL_S = 0.02  # somebody is typing


async def ask(
    session: Session, socket: zmq.Socket[bytes], prompt: str, *, password: bool, parent: dict[str, Any], ident: Any
) -> str:
    """Ask a client for a line. Cancel it to stop asking.

    A ROUTER drops a message to a client whose stdin channel isn't connected yet, or not again; this asks such a client
    once it is.

    Args:
        session: The kernel's, which signs messages.
        socket: The kernel's stdin socket, a ROUTER.
        prompt: The text before the line.
        password: Whether the line is not to be seen.
        parent: The request of the cell that asks.
        ident: The ZeroMQ identity of the client that has sent the request.

    Returns:
        The line, without its end.
    """
    while True:  # drop the replies to a question that was given up
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            break
    while (asked := _send(session, socket, {"prompt": prompt, "password": password}, parent, ident)) is None:  # noqa: ASYNC110
        await asyncio.sleep(POLL_INTERVAL_S)
    while True:
        _ident, reply = session.recv(socket, zmq.NOBLOCK)
        if reply is not None and _answers(reply, asked):
            return str(reply["content"].get("value", ""))
        if reply is None:
            await asyncio.sleep(POLL_INTERVAL_S)


def _answers(reply: dict[str, Any], asked: str) -> bool:
    """Return whether a reply is to that question.

    JupyterLab leaves the field of a question that was given up, and what is written into it names that question as its
    parent. Clients that name none, as jupyter_client's, have one question at a time.
    """
    parent = reply["parent_header"]
    return bool(parent.get("msg_type") != "input_request" or parent.get("msg_id") == asked)


def _send(
    session: Session, socket: zmq.Socket[bytes], content: dict[str, Any], parent: dict[str, Any], ident: Any
) -> str | None:
    """Send the question and return its id, or None if that client isn't connected to the socket just now."""
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # not for all of ipykernel's own questions, which don't expect its error
    try:
        sent = session.send(socket, "input_request", content, parent, ident=ident)
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        return None
    finally:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 0)
    assert sent is not None
    return str(sent["header"]["msg_id"])
