"""The state of all widgets of a Python, as a page asks for it: comms with the target ``jupyter.widget.control``.

ipywidgets answers one ``request_states`` there with the state of every widget (8, and 7.7). JupyterLab asks so whenever
it connects to a kernel, and gives up after 4 s.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpyc_kernel.agent.wire import Bytes
    from rpyc_kernel.kernel.sessions.comm_table import CommOwner, CommTable

CONTROL = "jupyter.widget.control"
CONTROL_METADATA = {"version": "1.0.0"}
WIDGET_METADATA = {"version": "2.1.0"}  # of ipywidgets' protocol
REQUEST = {"method": "request_states"}


@dataclass
class WidgetStates:
    """The content of an ``update_states``.

    Attributes:
        states: By each widget's id its ``state``, ``model_name``, ``model_module`` and ``model_module_version``.
        buffer_paths: Where each buffer belongs: a widget's id, and keys of its state.
        buffers: The buffers.
    """

    states: dict[str, Any] = field(default_factory=dict)
    buffer_paths: list[list[Any]] = field(default_factory=list)
    buffers: list[Bytes] = field(default_factory=list)

    @classmethod
    def read(cls, data: object, buffers: Iterable[Bytes]) -> WidgetStates | None:
        """Return what a message says; None if it is no ``update_states``."""
        if not isinstance(data, dict) or data.get("method") != "update_states":
            return None
        states, paths, buffers = data.get("states"), data.get("buffer_paths", []), list(buffers)
        if not isinstance(states, dict) or not all(isinstance(each, dict) for each in states.values()):
            return None
        if not isinstance(paths, list) or len(paths) != len(buffers):
            return None
        if not all(isinstance(path, list) and path for path in paths):
            return None
        return cls({str(key): each for key, each in states.items()}, paths, buffers)

    def add(self, other: WidgetStates) -> None:
        """Add the widgets of another Python."""
        self.states.update(other.states)
        self.buffer_paths += other.buffer_paths
        self.buffers += other.buffers

    @property
    def data(self) -> dict[str, Any]:
        """The ``data`` of the message that a page gets."""
        return {"method": "update_states", "states": self.states, "buffer_paths": self.buffer_paths}

    def opening(self, comm_id: str) -> Message:
        """Return the ``comm_open`` by which a page gets to know that widget."""
        placed = zip(self.buffer_paths, self.buffers, strict=True)
        paths = [(path[2:], buffer) for path, buffer in placed if path[:2] == [comm_id, "state"]]
        data = {"state": self.states[comm_id].get("state", {}), "buffer_paths": [path for path, _ in paths]}
        content = {"comm_id": comm_id, "target_name": "jupyter.widget", "target_module": None, "data": data}
        return Message("comm_open", content, "", dict(WIDGET_METADATA), [buffer for _, buffer in paths])


async def ask_session(session: CommOwner, comms: CommTable) -> WidgetStates | None:
    """Return the state of a session's widgets once its Python has time; None if its ipywidgets doesn't tell it.

    Raises:
        RpycKernelError: There will be no answer.
    """
    comm = {"comm_id": uuid.uuid4().hex, "data": {}}
    with comms.asking() as (opening, refused), comms.asking() as (asking, answers), comms.asking() as (closing, _):
        await session.request(Message("comm_open", {**comm, "target_name": CONTROL}, opening, dict(CONTROL_METADATA)))
        if any(each.type == "comm_close" for each in refused):
            return None
        await session.request(Message("comm_msg", {**comm, "data": dict(REQUEST)}, asking))
        await session.request(Message("comm_close", comm, closing))
    read = [WidgetStates.read(each.content.get("data"), each.buffers) for each in answers if each.type == "comm_msg"]
    return next((each for each in read if each is not None), None)


def ask_here(target: Any) -> WidgetStates | None:
    """Return the state of this process's own widgets, by what ipywidgets has registered for `CONTROL`."""
    page = _Page()
    target(page, {"content": {"comm_id": "", "data": {}}, "metadata": dict(CONTROL_METADATA)})
    page.callback({"content": {"data": dict(REQUEST)}})
    return WidgetStates.read(page.data, page.buffers)


class _Page:
    """Stands for the comm of a page that asks."""

    def __init__(self) -> None:
        self.callback: Any = None
        self.data: object = None
        self.buffers: list[Bytes] = []

    def on_msg(self, callback: Any) -> None:
        """Take who wants the request."""
        self.callback = callback

    def send(self, data: object = None, _metadata: object = None, buffers: Iterable[Bytes] | None = None) -> None:
        """Take the answer."""
        self.data, self.buffers = data, list(buffers or ())
