"""What the kernel reaches in a live connection: RPyC's classic service, on the session's own namespace.

Imports rpyc: only `live` imports this, when the first connection is opened. Any rpyc from 4.1 on.
"""

from __future__ import annotations

import linecache
import os
import sys

import rpyc
from rpyc.core import consts
from rpyc.core.protocol import Connection
from rpyc.core.service import SlaveService

from ..wire import MessageTooLong
from . import plain_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Optional, Tuple

    from .live import Frames

VERSION = ".".join(map(str, rpyc.version.version))  # a tuple in all of them; rpyc.__version__ is not
IS_OLD = int(rpyc.version.version[0]) < 6  # numbers up to 5.x, texts since
INTERNALS = (os.path.dirname(os.path.abspath(rpyc.__file__)) + os.sep,)
OURS = __name__.rpartition(".")[0] + "."
_LINES = 100  #: texts whose lines tracebacks can show


class SessionService(SlaveService):
    """RPyC's classic service; what it runs sees the variables of the cells."""

    def __init__(self, namespace: Dict[str, Any]) -> None:
        super().__init__()
        self.namespace = namespace
        self._count = 0

    def execute(self, text: str) -> None:
        """Run code."""
        exec(self._compile(text, "exec"), self.namespace)

    def eval(self, text: str) -> Any:
        """The value of an expression."""
        return eval(self._compile(text, "eval"), self.namespace)

    def value(self, wanted: str) -> Tuple[bytes, ...]:
        """A copy of plain data, packed (see `plain_data`): of the value of an expression."""
        return plain_data.pack(self.eval(wanted), wanted if len(wanted) < 80 else "the value")

    def value_of(self, wanted: Any) -> Tuple[bytes, ...]:
        """The same of an object."""
        return plain_data.pack(wanted, "the value")

    def define(self, name: str, text: str, defaults: Any, kwdefaults: Any) -> Any:
        """Define a function by its source; returns it."""
        exec(self._compile(text, "exec"), self.namespace)
        function = self.namespace[name]
        function.__defaults__ = defaults
        function.__kwdefaults__ = dict(kwdefaults) if kwdefaults else None
        return function

    def about(self) -> Tuple[str, str, bytes]:
        """Versions of Python and rpyc, and what marks the bytecode of this Python."""
        from importlib.util import MAGIC_NUMBER

        return sys.version.split()[0], VERSION, MAGIC_NUMBER

    def _compile(self, text: str, mode: str) -> Any:
        """Compile so that tracebacks show the lines."""
        name = "<remote %d>" % self._count
        linecache.cache.pop("<remote %d>" % (self._count - _LINES), None)
        self._count += 1
        code = compile(text, name, mode)
        lines = [line + "\n" for line in text.splitlines()]
        linecache.cache[name] = (len(text), None, lines, name)
        return code


class SessionConnection(Connection):
    """RPyC's connection, with tracebacks that leave its own frames out, and no answer where none is wanted."""

    def _box_exc(self, typ: Any, val: Any, tb: Optional[TracebackType]) -> Any:
        if typ.__qualname__.endswith("<locals>.Derived"):  # came from the kernel's side
            typ.__qualname__ = typ.__name__
        return super()._box_exc(typ, val, _of_user(tb))

    def _send(self, msg: int, seq: int, args: Any) -> None:
        if seq < 0 and msg != consts.MSG_REQUEST:  # a dropped reference needs no answer
            return
        try:
            super()._send(msg, seq, args)
        except MessageTooLong as error:
            if msg == consts.MSG_REQUEST:
                raise
            super()._send(consts.MSG_EXCEPTION, seq, self._box_exc(ValueError, ValueError(str(error)), None))

    def serve(self, *args: Any, **options: Any) -> Any:
        """As RPyC's, which from 5.3 on keeps its lock for ever where an interrupt ends the waiting."""
        try:
            return super().serve(*args, **options)
        except KeyboardInterrupt:
            owned = getattr(self._recvlock, "_is_owned", None)
            while owned is not None and owned():
                self._recvlock.release()
            with self._recv_event:
                self._recv_event.notify_all()
            raise

    def _dispatch_request(self, seq: int, raw_args: Any) -> None:
        outer, self._channel.serving = self._channel.serving, True
        try:
            super()._dispatch_request(seq, raw_args)
        finally:
            self._channel.serving = outer


def _of_user(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback without the frames of RPyC and of our own code; None if there are no others."""
    frames = []
    while tb is not None:
        frame = tb.tb_frame
        ours = frame.f_globals.get("__name__", "").startswith(OURS)
        if not (ours or frame.f_code.co_filename.startswith(INTERNALS)):
            frames.append(tb)
        tb = tb.tb_next
    following: Optional[TracebackType] = None
    for each in reversed(frames):
        following = type(each)(following, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return following


def connect(frames: Frames, namespace: Dict[str, Any], timeout: Optional[float]) -> SessionConnection:
    """A connection over these frames.

    :param timeout: seconds that a callback to the kernel's side may take
    """
    service = SessionService(namespace)
    config: Dict[str, Any] = {"sync_request_timeout": timeout, "bind_threads": False}
    config["propagate_KeyboardInterrupt_locally"] = False
    connection = SessionConnection(service, frames, config)
    service.on_connect(connection)
    return connection
