"""The ``comm`` package (https://github.com/ipython/comm) as far as libraries use it, where it is not installed."""

from __future__ import annotations

import sys
import uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional


class BaseComm:
    """One end of a connection between this Python and the front end. A subclass says how messages are published."""

    def __init__(
        self,
        target_name: str = "comm",
        data: Any = None,
        metadata: Any = None,
        buffers: Any = None,
        comm_id: Optional[str] = None,
        primary: bool = True,
        target_module: Optional[str] = None,
        topic: Optional[bytes] = None,
        **_more: Any,
    ) -> None:
        self.comm_id = comm_id or uuid.uuid4().hex
        self.primary = primary
        self.target_name = target_name
        self.target_module = target_module
        self.topic = topic or ("comm-%s" % self.comm_id).encode()
        self._msg_callback: Optional[Callable[[Any], Any]] = None
        self._close_callback: Optional[Callable[[Any], Any]] = None
        self._closed = primary
        if primary:
            self.open(data, metadata, buffers)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        """Send a message to the front end."""
        raise NotImplementedError

    def open(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        """Open the other end."""
        manager = _manager()
        manager.register_comm(self)
        try:
            target = {"target_name": self.target_name, "target_module": self.target_module}
            self.publish_msg("comm_open", data, metadata, buffers, **target)
        except Exception:
            manager.unregister_comm(self)
            raise
        self._closed = False

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        """Send data to the other end."""
        self.publish_msg("comm_msg", data, metadata, buffers)

    def close(self, data: Any = None, metadata: Any = None, buffers: Any = None, deleting: bool = False) -> None:
        """Close the other end, once."""
        if self._closed:
            return
        self._closed = True
        self.publish_msg("comm_close", data, metadata, buffers)
        if not deleting:
            _manager().unregister_comm(self)

    def __del__(self) -> None:
        try:
            self.close(deleting=True)
        except Exception:  # at the end of the interpreter
            pass

    def on_msg(self, callback: Optional[Callable[[Any], Any]]) -> None:
        """Call a function with each message that comes; with None, no more."""
        self._msg_callback = callback

    def on_close(self, callback: Optional[Callable[[Any], Any]]) -> None:
        """Call a function with the message by which the other end closes; with None, no more."""
        self._close_callback = callback

    def handle_msg(self, msg: Any) -> None:
        """Call who listens, with the hooks around it that cells have."""
        if self._msg_callback is None:
            return
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell:
            shell.events.trigger("pre_execute")
        self._msg_callback(msg)
        if shell:
            shell.events.trigger("post_execute")

    def handle_close(self, msg: Any) -> None:
        """Call who listens."""
        if self._close_callback is not None:
            self._close_callback(msg)


class CommManager:
    """Knows the comms that are open, and who takes those that the front end opens."""

    def __init__(self) -> None:
        self.comms: Dict[str, Any] = {}
        self.targets: Dict[str, Callable[[Any, Any], Any]] = {}

    def register_target(self, target_name: str, f: Any) -> None:
        """Call a function, or one that is named ``package.module.function``, with a comm and its ``comm_open``."""
        if isinstance(f, str):
            module, _, name = f.rpartition(".")
            f = getattr(__import__(module, fromlist=[name]), name)
        self.targets[target_name] = f

    def unregister_target(self, target_name: str, f: Any) -> Any:
        """Call it no more."""
        return self.targets.pop(target_name)

    def register_comm(self, comm: Any) -> str:
        """Know a comm."""
        self.comms[comm.comm_id] = comm
        return str(comm.comm_id)

    def unregister_comm(self, comm: Any) -> None:
        """Forget a comm. Raises KeyError if it isn't known."""
        del self.comms[comm.comm_id]

    def get_comm(self, comm_id: str) -> Any:
        """The comm of that id, or None."""
        return self.comms.get(comm_id)

    def comm_open(self, stream: Any, ident: Any, msg: Any) -> None:
        """Call the target with a new comm; close it if there is none, or it fails."""
        content = msg["content"]
        made = sys.modules["comm"].create_comm(
            comm_id=content["comm_id"], primary=False, target_name=content["target_name"]
        )
        self.register_comm(made)
        target = self.targets.get(content["target_name"])
        if target is None:
            made.close()
            return
        try:
            target(made, msg)
        except Exception:
            _show_error("opening a comm of the target %s" % content["target_name"])
            made.close()

    def comm_msg(self, stream: Any, ident: Any, msg: Any) -> None:
        """Give a message to its comm."""
        comm = self.comms.get(msg["content"]["comm_id"])
        if comm is not None:
            try:
                comm.handle_msg(msg)
            except Exception:
                _show_error("handling a message of a comm")

    def comm_close(self, stream: Any, ident: Any, msg: Any) -> None:
        """The other end has closed."""
        comm = self.comms.pop(msg["content"]["comm_id"], None)
        if comm is not None:
            comm._closed = True
            try:
                comm.handle_close(msg)
            except Exception:
                _show_error("handling the end of a comm")


def _manager() -> Any:
    return sys.modules["comm"].get_comm_manager()


def _show_error(doing: str) -> None:
    import logging

    logging.getLogger("Comm").error("Exception while %s", doing, exc_info=sys.exc_info())
