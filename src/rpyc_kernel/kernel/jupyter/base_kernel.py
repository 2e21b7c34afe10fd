"""This kernel answers some requests otherwise than ipykernel's, beside Jupyter's ``do_…`` methods and interrupts.

`RpycKernel` overrides the ``do_…`` methods, `do_usage`, `do_comm_info` and `do_comm` among them, and no handler of a
message. ``tests/unit/kernel/jupyter/test_ipykernel.py`` names what is used here of ipykernel's internals.
"""

from __future__ import annotations

import re
from typing import Any

from traitlets import Type

from rpyc_kernel.kernel.jupyter import usage
from rpyc_kernel.kernel.jupyter.interrupt import InterruptibleKernel
from rpyc_kernel.kernel.jupyter.iopub import IOPubBackpressure, Publisher
from rpyc_kernel.kernel.jupyter.local_shell import LocalShell
from rpyc_kernel.kernel.jupyter.page_comms import TARGET, PageComms
from rpyc_kernel.kernel.sessions.widget_states import CONTROL

EXECUTE_SLEEP_S = 0.0005  # ipykernel's default
COMM_TYPES = ("comm_open", "comm_msg", "comm_close")


class BaseKernel(InterruptibleKernel):
    """Answers what front ends ask about a kernel whose cells run elsewhere, and runs those that run here.

    Attributes:
        count: The number of the next cell, one count for whatever machine it runs on.
        pages: The comms of pages that show how the notebook is connected.
    """

    shell_class = Type(LocalShell)
    count = 1

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell_handlers.update(dict.fromkeys(COMM_TYPES, self._comm_request))
        self.pages = PageComms(self.session, self.iopub_socket, self._topic)

    # --- for a subclass to override

    def python_version(self) -> str:
        """Return the version of the Python that runs the cells, "" as long as it isn't known."""
        return ""

    async def do_usage(self) -> tuple[dict[str, Any], str]:
        """Return what the session and its machine use, and the reason where that isn't known."""
        return {}, ""

    async def do_debug(self, request: dict[str, Any], parent: dict[str, Any]) -> dict[str, Any]:
        """Do a request of the Debug Adapter Protocol; return its response. *parent* is the message that has it."""
        raise NotImplementedError

    def do_comm_info(self) -> dict[str, str]:
        """Return the target's name by the id of each comm that is open on the other machine."""
        return {}

    async def do_comm(self, message: dict[str, Any]) -> bool:
        """Carry a comm message to the other machine. Return whether there is one to take it."""
        return False

    # --- for a subclass to use

    def make_publisher(self, *, paced: bool) -> Publisher:
        """Return what publishes for this kernel. *paced*: no faster than a Jupyter server passes on."""
        backpressure = IOPubBackpressure(self.iopub_socket.io_thread)
        return Publisher(self.session, self.iopub_socket, self._topic, backpressure=backpressure, paced=paced)

    async def execute_locally(self, code: str, count: int, **options: Any) -> dict[str, Any]:
        """Run code in the local IPython, where KeyboardInterrupt stops it.

        Args:
            code: The code of the cell, or of a part of it.
            count: The number that its result has.
            options: More arguments of ``do_execute``.

        Returns:
            The content of the ``execute_reply``.
        """
        shell = self.shell  # its displayhook counts from execution_count or from one less, by IPython's version
        shell.execution_count = count + shell.execution_count - shell.displayhook.prompt_count
        self._execute_sleep = EXECUTE_SLEEP_S
        with self._local_cell():
            reply: dict[str, Any] = await super().do_execute(code, store_history=False, **options)
        return reply

    # --- ipykernel's

    @property
    def execution_count(self) -> int:
        """The number of the next cell."""
        return self.count

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        """Ignore ipykernel's counting; `count` is set by whoever runs the cells."""

    @property
    def kernel_info(self) -> dict[str, Any]:
        """The content of a ``kernel_info_reply``: the other machine's Python once it is known."""
        info: dict[str, Any] = dict(super().kernel_info, supported_features=["debugger"], rpyc_kernel={"comm": TARGET})
        if version := self.python_version():
            info["language_info"] = dict(info["language_info"], version=version)
            info["help_links"] = _links_for(version, info["help_links"])
        return info

    async def comm_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Tell the comms of both sides."""
        target = parent["content"].get("target_name") or None
        known = {comm_id: comm.target_name for comm_id, comm in self.comm_manager.comms.items()}
        known.update(self.do_comm_info())
        comms = {comm_id: {"target_name": name} for comm_id, name in known.items() if target in (None, name)}
        self.session.send(stream, "comm_info_reply", {"status": "ok", "comms": comms}, parent, ident)

    async def _comm_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Give a comm message of the front end to the page's or local comm of that id, else to the other machine.

        A page that asks for all widgets (`CONTROL`) asks those of both.
        """
        content, manager = parent["content"], self.comm_manager
        if self.pages.take(parent["header"]["msg_type"], content, str(parent["header"].get("session", ""))):
            return
        target = content.get("target_name")
        local = content.get("comm_id") in manager.comms or (target in manager.targets and target != CONTROL)
        if local or not await self.do_comm(parent):
            getattr(manager, parent["header"]["msg_type"])(stream, ident, parent)

    async def usage_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Tell what the session and its machine use; on the control channel's thread, also while a cell runs."""
        answer, reason = await self.do_usage()
        self.session.send(stream, "usage_reply", usage.content(answer, reason), parent, ident)

    async def debug_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Have the cells debugged where they run; on the control channel's thread, also while a cell runs."""
        self.set_parent(ident, parent, channel="control")
        content = await self.do_debug(parent["content"], parent)
        self.session.send(stream, "debug_reply", content, parent, ident)

    async def poll_stopped_queue(self) -> None:
        """Wait for nothing: ipykernel's debugger is left out."""

    async def create_subshell_request(self, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Refuse: the other machine runs cells one after the other."""
        self._refuse_subshell("create_subshell_reply", socket, ident, parent)

    async def delete_subshell_request(self, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Refuse: there is none."""
        self._refuse_subshell("delete_subshell_reply", socket, ident, parent)

    async def list_subshell_request(self, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Tell that there is none."""
        self.session.send(socket, "list_subshell_reply", {"status": "ok", "subshell_id": []}, parent, ident)

    def _refuse_subshell(self, msg_type: str, socket: Any, ident: Any, parent: dict[str, Any]) -> None:
        content = {"status": "error", "ename": "NotSupported", "evalue": "no subshells here", "traceback": []}
        self.session.send(socket, msg_type, content, parent, ident)


def _links_for(version: str, links: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the links of the help menu, with Python's to the reference of that version."""
    found = re.match(r"\d+\.\d+", version)
    url = f"https://docs.python.org/{found[0] if found else 3}"
    return [dict(link, url=url) if "docs.python.org" in link["url"] else link for link in links]
