"""Comms (https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages) by the ``comm`` package.

Widgets and other libraries make their comms through that package, or through ipykernel's own class where they are
older; what they would have sent over ZMQ goes through the `Frontend`. Where the package isn't installed, `comm_shim`
takes its place.
"""

from __future__ import annotations

import sys

from .import_hooks import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

    from ..wire import Message
    from .frontend import Frontend


class Comms:
    """Receives comm messages from the front end, and sends those of this process.

    Attributes:
        handlers: What is called for a message by its type, as a kernel's ``shell_handlers``.
        kernel: The `KernelShim`, which a comm has as ipykernel's do: anywidget sends nothing by one without.
    """

    kernel: object = None

    def __init__(self, frontend: Frontend) -> None:
        self.handlers = {each: self._handler(each) for each in ("comm_open", "comm_msg", "comm_close")}
        self._create: Any = None
        self._manager: Any = None  # the CommManager, once the package is imported
        self._frontend = frontend
        sys.meta_path.append(CommFinder())
        when_imported("comm", self._set_up)
        when_imported("ipykernel.ipkernel", self._take_back)

    def _set_up(self, comm: Any) -> None:
        from comm.base_comm import BaseComm, CommManager

        frontend = self._frontend

        class FrontendComm(BaseComm):
            """A comm whose messages the `Frontend` publishes."""

            kernel = self.kernel

            def publish_msg(
                self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
            ) -> None:
                content = dict(data={} if data is None else data, comm_id=self.comm_id, **keys)
                frontend.publish(msg_type, content, metadata or {}, [bytes(buffer) for buffer in buffers or ()])

            def handle_msg(self, msg: Any) -> None:
                """Call whoever listens. (BaseComm's own needs IPython.)"""
                if "IPython" in sys.modules:
                    super().handle_msg(msg)
                elif self._msg_callback:
                    self._msg_callback(msg)

        def create_comm(*args: Any, **kwargs: Any) -> Any:
            """A comm; for what the front end opens one of ipykernel's, if a library wants these."""
            ipykernel = sys.modules.get("ipykernel.comm")
            if ipykernel is None or kwargs.get("primary", True):
                return FrontendComm(*args, **kwargs)
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is deprecated
                return ipykernel.Comm(*args, **kwargs)

        self._create, self._manager = create_comm, CommManager()
        self._take_back(comm)

    def _take_back(self, _imported: Any) -> None:
        """Be asked for comms; ``ipykernel.ipkernel`` sets itself in our place when it is imported."""
        comm = sys.modules["comm"]
        comm.create_comm = self._create  # type: ignore[attr-defined]
        comm.get_comm_manager = lambda: self._manager  # type: ignore[attr-defined]

    @property
    def manager(self) -> Any:
        """The CommManager of this process."""
        if self._manager is None:
            import comm  # noqa: F401
        return self._manager

    def targets(self) -> Dict[str, str]:
        """The target's name of each comm that is open, by its id (from any thread)."""
        comms = self._manager.comms if self._manager is not None else {}
        return {str(comm_id): str(comm.target_name) for comm_id, comm in list(comms.items())}

    def _handler(self, msg_type: str) -> Callable[..., Any]:
        def handle(stream: Any, ident: Any, message: Any) -> None:
            getattr(self.manager, msg_type)(stream, ident, message)

        return handle

    def handle(self, message: Message) -> None:
        """Give a ``comm_open``, ``comm_msg`` or ``comm_close`` to whom it concerns."""
        envelope = {
            "header": {"msg_type": message.type, "msg_id": message.parent},
            "parent_header": {},
            "content": message.content,
            "metadata": message.metadata,
            "buffers": [memoryview(bytes(buffer)) for buffer in message.buffers],
        }
        self.handlers[message.type](None, None, envelope)


class CommFinder:
    """A meta path finder, the last one, that gives `comm_shim` to who imports ``comm`` where it isn't installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of ``comm`` or ``comm.base_comm``."""
        if fullname not in ("comm", "comm.base_comm"):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(fullname, self, is_package=fullname == "comm")  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> Any:
        """Python's own way."""

    def exec_module(self, module: Any) -> None:
        """Fill a module with what the package has."""
        from . import comm_shim

        module.BaseComm, module.CommManager = comm_shim.BaseComm, comm_shim.CommManager
        module.__doc__, module.__version__ = comm_shim.__doc__, "0.2.3"
