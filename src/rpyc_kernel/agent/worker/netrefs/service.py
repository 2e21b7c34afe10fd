"""The service that the kernel reaches in a live connection: RPyC's classic one, on the session's namespace.

Imports rpyc: only `live` imports this, when the first connection is opened. Any rpyc from 4.1 on.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading

import rpyc
from rpyc.core import brine, consts
from rpyc.core.netref import LOCAL_ATTRS, BaseNetref
from rpyc.core.protocol import Connection
from rpyc.core.service import SlaveService

from ... import values, wire_errors, wire_live
from ...wire import MessageTooLong
from ..cell_frames import is_ours
from ..source_lines import source_lines
from . import errors, proxies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, Dict, Optional, Tuple, Union

    from ..transfers import Transfers
    from .channel import LiveChannel

    Peer = Tuple[Tuple[str, str], ...]
    #: a packed value, or the name of an offer and the bytes of its buffers
    Copy = Union[Tuple[bytes, ...], Tuple[str, Tuple[int, ...]]]

VERSION = ".".join(map(str, rpyc.version.version))  # a tuple in all of them; rpyc.__version__ is not
IS_OLD = int(rpyc.version.version[0]) < 6  # numbers up to 5.x, texts since
INTERNALS = (os.path.dirname(os.path.abspath(rpyc.__file__)) + os.sep,)
MAX_COPY_BYTES = 64 << 10  #: of a value that is an answer of its own
_MAX_TEXTS = 100  #: texts whose lines tracebacks can show


class SessionService(SlaveService):
    """RPyC's classic service; the code that it runs sees the variables of the cells."""

    def __init__(self, namespace: Dict[str, Any], transfers: Callable[[], Transfers]) -> None:
        super().__init__()
        self.namespace = namespace
        self._transfers = transfers
        self._count = 0

    def execute(self, text: str) -> None:
        """Run code."""
        exec(self._compile(text, "exec"), self.namespace)

    def eval(self, text: str) -> Any:
        """The value of an expression."""
        return eval(self._compile(text, "eval"), self.namespace)

    def value(self, wanted: str, peer: Peer) -> Copy:
        """A copy of the value of an expression, for a kernel with packages of those versions."""
        return self._copy(self.eval(wanted), wanted if len(wanted) < 80 else "the value", peer)

    def value_of(self, wanted: Any, peer: Peer) -> Copy:
        """A copy of an object."""
        return self._copy(wanted, "the value", peer)

    def array(self, wanted: Any, peer: Peer) -> Copy:
        """A copy of what numpy makes an array of."""
        import numpy as np

        return self._copy(np.asarray(wanted), "the array", peer)

    def _copy(self, value: Any, name: str, peer: Peer) -> Copy:
        """A value, packed (see `values`): as it is, or where that is much as an offer, for a direct connection."""
        packed = values.pack(value, name, peer=dict(peer))
        if packed.nbytes <= MAX_COPY_BYTES:
            return packed.copied()
        held = self._transfers().hold([[memoryview(packed.text), *packed.buffers]])
        return held["offer"], tuple(held["sizes"][0])

    def delivered(self, packed: Tuple[bytes, ...]) -> Any:
        """Make a copy of something of the kernel's: packed, or a pickle."""
        if len(packed) > 1 or packed[0][:1] != b"\x80":  # which no JSON text begins with
            return values.unpack(packed[0], packed[1:])
        import pickle

        return pickle.loads(packed[0])  # noqa: S301 - the kernel may run anything here

    def taken(self, draft: str, described: Tuple[Any, ...]) -> Any:
        """Make a copy of what the kernel has brought to a draft."""
        (value,) = self._transfers().take(draft, described).values()
        return value

    def assign(self, draft: str, described: Tuple[Any, ...]) -> None:
        """Assign what the kernel has brought to a draft to variables, all of it or nothing."""
        self.namespace.update(self._transfers().take(draft, described))

    def told(self, error: BaseException) -> Any:
        """Describe an exception as if it had been raised."""
        return self._conn.errors.dump(error, None)

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
        linecache.cache.pop("<remote %d>" % (self._count - _MAX_TEXTS), None)
        self._count += 1
        code = compile(text, name, mode)
        linecache.cache[name] = (len(text), None, source_lines(text), name)
        return code


class SessionConnection(Connection):
    """RPyC's connection. A result that can't be sent is an error of its request, and the connection goes on.

    Exceptions are what they are at both ends, numpy gets copies, and tracebacks leave our own frames out.
    """

    def __init__(self, *args: Any) -> None:
        self.errors = errors.Errors()
        super().__init__(*args)

    # --- out

    def _send(self, msg: int, seq: int, args: Any) -> None:
        if msg == consts.MSG_REQUEST:
            wire_live.check(args)
        super()._send(msg, seq, args)
        if msg == consts.MSG_REQUEST:
            self._channel.raise_stop()

    # --- boxes

    def _box(self, obj: Any) -> Any:
        kind = type(obj)
        if brine.dumpable(obj):
            return consts.LABEL_VALUE, obj
        if kind is tuple:
            return consts.LABEL_TUPLE, tuple([self._box(item) for item in obj])
        if issubclass(kind, BaseNetref):
            if obj.____conn__ is self:
                return consts.LABEL_LOCAL_REF, obj.____id_pack__
            pack = obj.____id_pack__
        else:
            pack = wire_live.id_pack(obj)
        self._local_objects.add(pack, obj)
        return consts.LABEL_REMOTE_REF, pack

    def _unbox(self, package: Any) -> Any:
        label, value = package
        if label == wire_live.ERROR:
            return self._unbox_exc(value)
        if label == wire_live.ERROR_CLASS:
            return self.errors.find(value)
        if label >= wire_live.NAMED:
            return proxies.of_kernel(label, value)
        return super()._unbox(package)

    def _unbox_exc(self, raw: Any) -> Any:
        box = wire_errors.find_returned(raw)
        return self.errors.load(raw) if box is None else StopIteration(self._unbox(box))

    def _netref_factory(self, id_pack: Any) -> Any:
        made = self._netref_classes_cache.get(id_pack) if id_pack[2] == 0 else None
        if made is None:
            made = proxies.factory(self, id_pack)
            if id_pack[2] == 0:
                self._netref_classes_cache[id_pack] = made
        return made(self, id_pack)

    # --- requests

    def _dispatch_request(self, seq: int, raw_args: Any) -> None:
        serving, thread = self._channel.serving, threading.current_thread()
        if thread in serving:  # a request within an answer to a callback
            self._answer(seq, raw_args)
            return
        serving.add(thread)
        try:
            self._answer(seq, raw_args)
        finally:
            serving.discard(thread)

    def _answer(self, seq: int, request: Any) -> None:
        """Do what a request says, and answer it: with an exception if anything fails before the answer is packed.

        What is answered lives until it is sent: the other end would hear first that a reference to what is its own was
        dropped, and could let go of it.
        """
        result: Any = None
        try:
            if seq == self._channel.given_up:  # before it had begun
                raise KeyboardInterrupt
            handler, boxed = request
            if handler == consts.HANDLE_DEL:  # by its id: what it is known by may have changed since
                (_label, pack), (_value, count) = boxed[1]
                self._local_objects.decref(pack, count)
                return
            result = self._HANDLERS[handler](self, *self._unbox(boxed))
            kind, answer = consts.MSG_REPLY, self._box(result)
            wire_live.check(answer)
        except BaseException as error:
            self._last_traceback = error.__traceback__
            result = error.value if type(error) is StopIteration else None
            kind, answer = consts.MSG_EXCEPTION, self._told(error)
        if seq < 0:  # a dropped reference needs no answer
            return
        try:
            self._send(kind, seq, answer)
        except MessageTooLong as error:
            self._send(consts.MSG_EXCEPTION, seq, self._told(ValueError(str(error))))

    def _told(self, error: BaseException) -> Any:
        try:
            returned = wire_errors.returned(error, self._box)
            return returned or self.errors.dump(error, _of_user(error.__traceback__))
        except RecursionError:  # at the end of the stack even that is too much
            return ("builtins", "RecursionError"), ("maximum recursion depth exceeded",), (), ""

    def _handle_inspect(self, id_pack: Any) -> Any:
        obj = self._local_objects[id_pack]
        if issubclass(type(obj), BaseNetref):
            return super()._handle_inspect(id_pack)
        told = tuple([pair for pair in wire_live.methods_of(obj) if pair[0] not in LOCAL_ATTRS])
        if issubclass(type(obj), type) and issubclass(obj, BaseException):
            told = (*told, (wire_errors.CLASS, self.errors.describe(obj)))
        return told

    def _handle_cmp(self, obj: Any, other: Any, op: str = "__cmp__") -> Any:
        return super()._handle_cmp(obj, proxies.operand(other), op)

    def _handle_callattr(self, obj: Any, name: str, args: Any, kwargs: Any = ()) -> Any:
        if name in proxies.OPERATORS:
            args = tuple(map(proxies.operand, args))
        return super()._handle_callattr(obj, name, args, kwargs)

    def _handle_ctxexit(self, obj: Any, exc: Any) -> Any:
        if not isinstance(exc, BaseException):
            return super()._handle_ctxexit(obj, exc)
        try:
            raise exc
        except BaseException:  # so that code there finds it in sys.exc_info() too
            return self._handle_getattr(obj, "__exit__")(type(exc), exc, exc.__traceback__)

    def serve(self, *args: Any, **options: Any) -> Any:
        """As RPyC's, which from 5.3 on keeps its lock for ever where an interrupt ends the waiting."""
        try:
            served = super().serve(*args, **options)
            self._channel.raise_stop()
            return served
        except KeyboardInterrupt:
            owned = getattr(self._recvlock, "_is_owned", None)
            while owned is not None and owned():
                self._recvlock.release()
            with self._recv_event:
                self._recv_event.notify_all()
            raise

    #: the code that answers a request, and the code that takes locks of RPyC's, which an interrupt would leave taken
    ANSWERS, LOCKS = _dispatch_request.__code__, frozenset([_send.__code__, serve.__code__])


def _of_user(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback without the frames of RPyC and of our own code; None if there are no others."""
    frames = []
    while tb is not None:
        frame = tb.tb_frame
        if not (is_ours(frame) or frame.f_code.co_filename.startswith(INTERNALS)):
            frames.append(tb)
        tb = tb.tb_next
    following: Optional[TracebackType] = None
    for each in reversed(frames):
        following = type(each)(following, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return following


def connect(
    channel: LiveChannel, namespace: Dict[str, Any], timeout: Optional[float], transfers: Callable[[], Transfers]
) -> SessionConnection:
    """Make RPyC's connection of a live connection.

    Args:
        channel: Carries the frames.
        namespace: The variables of the cells.
        timeout: Seconds that a callback to the kernel's side may take; None: for ever.
        transfers: Gives what carries values.
    """
    service = SessionService(namespace, transfers)
    config: Dict[str, Any] = {"sync_request_timeout": timeout, "bind_threads": False}
    config["propagate_KeyboardInterrupt_locally"] = False
    connection = SessionConnection(service, channel, config)
    service.on_connect(connection)
    return connection
