"""``input()`` of another machine: asks the front end that runs the cell, without blocking the kernel meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from jupyter_client.session import Session

POLL = 0.02  # seconds; somebody is typing


async def ask(session: Session, socket: Any, prompt: str, *, password: bool, parent: dict[str, Any], ident: Any) -> str:
    """The line that the client *ident*, whose request *parent* is, gives to the prompt. Cancel it to stop asking.

    A ROUTER drops what is for a client whose stdin channel isn't connected yet, or not again; such a client is asked
    once it is.
    """
    while True:  # replies to a question that was given up
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            break
    while not _send(session, socket, {"prompt": prompt, "password": password}, parent, ident):  # noqa: ASYNC110
        await asyncio.sleep(POLL)
    while True:
        _ident, reply = session.recv(socket, zmq.NOBLOCK)
        if reply is not None:
            return str(reply["content"].get("value", ""))
        await asyncio.sleep(POLL)


def _send(session: Session, socket: Any, content: dict[str, Any], parent: dict[str, Any], ident: Any) -> bool:
    """Send the question; False if that client isn't connected to the socket just now."""
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # not for all of ipykernel's own questions, which don't expect its error
    try:
        session.send(socket, "input_request", content, parent, ident=ident)
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:
            raise
        return False
    finally:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 0)
    return True
