"""``GET /rpyc-kernel/hosts``: the saved machines, how they are, and the sessions on them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.hosts import ask, file


def cards() -> list[dict[str, Any]]:
    """Ask the saved machines, all at once, for at most `ask.TIMEOUT_S`. It blocks. Raises HostsFileError."""
    states = ask.ask(file.load().values())
    return [{**state.described(), "sessions": [asdict(entry) for entry in state.entries]} for state in states]


class HostsHandler(APIHandler):
    """Answers who is logged in to the Jupyter server, and may use its kernels."""

    auth_resource = "kernels"
    _asking: asyncio.Task[list[dict[str, Any]]] | None = None

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the saved machines. Several pages that ask at once are answered by one asking."""
        asking = HostsHandler._asking
        if asking is None or asking.done():
            asking = HostsHandler._asking = asyncio.create_task(asyncio.to_thread(cards))
        try:
            answer: dict[str, Any] = {"hosts": await asyncio.shield(asking)}
        except RpycKernelError as error:
            self.set_status(500)
            answer = {"message": str(error)}
        self.finish(json.dumps(answer))
