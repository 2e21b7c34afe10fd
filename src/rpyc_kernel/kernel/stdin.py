"""``input()`` of another machine: asks the front end that runs the cell, without blocking the kernel meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from jupyter_client.session import Session

POLL = 0.02  # seconds; somebody is typing


async def ask(session: Session, socket: Any, prompt: str, *, password: bool, parent: dict[str, Any], ident: Any) -> str:
    """The line that the client *ident*, whose request *parent* is, gives to the prompt. Cancel it to stop asking."""
    while True:  # replies to a question that was given up
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            break
    session.send(socket, "input_request", {"prompt": prompt, "password": password}, parent, ident=ident)
    while True:
        _ident, reply = session.recv(socket, zmq.NOBLOCK)
        if reply is not None:
            return str(reply["content"].get("value", ""))
        await asyncio.sleep(POLL)
