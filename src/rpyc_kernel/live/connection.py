"""RPyC's ``Connection``, for a side that doesn't trust the other: bounded, refusing, and interruptible.

What it has from RPyC 6 are netrefs, boxing and the kinds of requests. Its own are: frames are read by our bounded
brine; requests are served by the rules in `exposed`; exceptions are made by `exceptions`; a reference that is dropped
costs no message of its own; waiting can be interrupted, and closing asks nobody.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import types
from collections import deque
from typing import TYPE_CHECKING, Any

from rpyc.core import brine, consts, netref
from rpyc.core.async_ import AsyncResultTimeout
from rpyc.core.protocol import Connection
from rpyc.core.service import VoidService
from rpyc.lib import Timeout

from rpyc_kernel.errors import ProtocolError, RpycKernelError
from rpyc_kernel.live import exceptions, exposed
from rpyc_kernel.live.tracebacks import without_internals
from rpyc_kernel.transport.brine import BrineError
from rpyc_kernel.transport.dialect import MSG_EXCEPTION, MSG_REPLY, MSG_REQUEST, RPYC_6, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 600.0  # seconds that a request may take, unless ``connection._config["sync_request_timeout"]`` says otherwise
MAX_ITEMS = 2_000_000  # values in one message
MAX_METHODS = 5_000  # of a class of theirs
GLANCE = 0.2  # seconds until a thread looks again whether another one has read its reply
MANY = 1_000  # round trips in a cell, above which a hint is due


class LiveConnection(Connection):
    """One RPyC connection to *where* (for messages), over a channel. *first*: the number of its first request.

    :ivar trips: how many answers were waited for; once they are more than MANY, *on_many* is called with their number
    """

    def __init__(self, channel: Any, where: str, *, dialect: Dialect = RPYC_6, first: int = 0, **config: Any) -> None:
        self._closed: bool
        self.where = where
        self.dialect = dialect
        self.trips = 0
        self.on_many: Callable[[LiveConnection], None] | None = None
        self._dropped: deque[tuple[Any, int]] = deque()  # references that nobody here has any more
        self._raised: BaseException | None = None  # what a callback raised last
        options = {"sync_request_timeout": TIMEOUT, "bind_threads": False, "propagate_KeyboardInterrupt_locally": False}
        super().__init__(VoidService(), channel, {**options, **config})
        self._seqcounter = itertools.count(first)
        self._no_answer = itertools.count(-1, -1)

    # --- out

    def sync_request(self, handler: int, *args: Any) -> Any:
        """Ask, and wait for the answer. Raises what was raised there, or the error for which no answer will come."""
        if handler == consts.HANDLE_PICKLE:
            raise TypeError(
                f"Nothing that {self.where} sends is unpickled here. A copy of plain data is brought by "
                'remote.value("expression"); numpy arrays are plain data too.'
            )
        self.trips += 1
        if self.trips == MANY + 1 and self.on_many is not None:
            self.on_many(self)
        timeout = self._config["sync_request_timeout"]
        try:
            return self.async_request(handler, *args, timeout=timeout).value
        except AsyncResultTimeout:
            raise AsyncResultTimeout(
                f"{self.where} did not answer within {timeout:g} s; what was asked of it goes on there. The time is "
                'that of the connection: remote._config["sync_request_timeout"], in seconds, None for no end.'
            ) from None

    def async_request(self, handler: int, *args: Any, **options: Any) -> Any:
        """Ask without waiting. References that are dropped are told with the next request."""
        if handler == consts.HANDLE_DEL:  # from `__del__`, hence at any moment, also while something else is sent
            self._dropped.append((args[0].____id_pack__, args[1]))
            return None
        return super().async_request(handler, *args, **options)

    def flush(self) -> None:
        """Tell which references were dropped."""
        if self._dropped and not self._closed:
            with contextlib.suppress(EOFError, RpycKernelError):
                self._send_frames()

    def _send(self, msg: int, seq: int, args: Any) -> None:
        self._send_queue.append((msg, seq, args))
        self._send_frames()

    def _send_frames(self) -> None:
        """Send what waits, in order; where another thread does so just now, it is left to it."""
        while self._send_queue or self._dropped:
            if not self._sendlock.acquire(blocking=False):
                return
            try:
                while self._dropped:
                    request = exposed.dropped(*self._dropped.popleft())
                    self._channel.send(self._pack(consts.MSG_REQUEST, next(self._no_answer), request))
                if self._send_queue:
                    self._channel.send(self._pack(*self._send_queue.pop(0)))
            finally:
                self._sendlock.release()

    def _pack(self, kind: int, seq: int, args: Any) -> bytes:
        data: bytes = brine.dump((seq, args) if self.dialect.kind_first else (kind, seq, args))
        if self.dialect.kind_first:
            data = bytes((kind,)) + data
        return self.dialect.head + data

    # --- in

    def serve(self, timeout: Any = 1, wait_for_lock: bool = True, waiting: Callable[[], bool] = lambda: True) -> bool:
        """Serve one request, or take one reply, that comes within so many seconds; whether one came.

        Raises the error for which nothing will come any more.
        """
        timeout = Timeout(timeout)
        with self._recv_event:
            if not self._recvlock.acquire(blocking=False):
                if wait_for_lock and waiting():
                    left = timeout.timeleft()
                    self._recv_event.wait(GLANCE if left is None else min(left, GLANCE))
                return False
        try:
            if not (waiting() and self._poll(timeout)):
                return False
            kind, seq, args = self._read()
            if kind != MSG_REQUEST:  # while others still wait for the lock, or they might miss that it is theirs
                self._take_reply(kind, seq, args)
                return True
        finally:
            self._recvlock.release()
            with self._recv_event:
                self._recv_event.notify_all()
        self._dispatch_request(seq, args)
        return True

    def _poll(self, timeout: Any) -> bool:
        try:
            return bool(self._channel.poll(timeout))
        except KeyboardInterrupt:
            self._channel.abandon()
            raise
        except (EOFError, RpycKernelError):
            self._cleanup()
            raise

    def _read(self) -> tuple[int, int, Any]:
        try:
            return self.dialect.load(self._channel.recv(), max_items=MAX_ITEMS, frozensets=True)
        except BrineError as error:
            raise self._wrong(error) from None

    def _take_reply(self, kind: int, seq: int, args: Any) -> None:
        if seq not in self._request_callbacks:  # nobody waits any more
            return
        try:
            found = self._unbox(args) if kind == MSG_REPLY else self._unbox_exc(args)
        except (BrineError, TypeError, ValueError, LookupError, RecursionError) as error:
            raise self._wrong(error) from None
        self._seq_request_callback(kind, seq, kind == MSG_EXCEPTION, found)

    def _unbox_exc(self, raw: Any) -> Any:
        error = exceptions.load(raw, self.where)
        raised, self._raised = self._raised, None
        if raised is not None and isinstance(error, type(raised)) and error.args == raised.args:
            raised.__traceback__ = without_internals(raised.__traceback__)
            error.__cause__ = raised  # it began in a callback, here
        return error

    def _wrong(self, error: Exception) -> ProtocolError:
        wrong = ProtocolError(self.where, str(error) or type(error).__name__)
        self._channel.fail(wrong)
        self._cleanup()
        return wrong

    # --- what the other side may do here

    def _dispatch_request(self, seq: int, raw_args: Any) -> None:
        try:
            handler, boxed = raw_args
            exposed.check(handler, boxed)
            result = self._box(self._HANDLERS[handler](self, *self._unbox(boxed)))
        except BaseException as error:
            if self._closed:
                raise
            if not isinstance(error, exposed.RefusedError):
                self._raised = error
            self._send(consts.MSG_EXCEPTION, seq, self._box_exc(type(error), error, None))
        else:
            if not self._closed:
                self._send(consts.MSG_REPLY, seq, result)

    def _handle_getattr(self, obj: Any, name: Any) -> Any:
        return exposed.get(obj, name)

    def _handle_cmp(self, obj: Any, other: Any, op: Any = "__eq__") -> Any:
        if op not in exposed.COMPARISONS:
            raise exposed.RefusedError(f"{op!r} is no comparison")
        return getattr(type(obj), op)(obj, other)

    def _handle_dir(self, obj: Any) -> tuple[str, ...]:
        return exposed.names(obj)

    def _handle_inspect(self, id_pack: Any) -> Any:
        obj = self._local_objects[id_pack]
        return tuple((name, doc) for name, doc in super()._handle_inspect(id_pack) if exposed.is_open(obj, str(name)))

    def _handle_buffiter(self, obj: Any, count: Any) -> tuple[Any, ...]:
        if not (isinstance(count, int) and 0 <= count <= exposed.MAX_ITERATED):
            raise exposed.RefusedError(f"at most {exposed.MAX_ITERATED} items at once")
        return tuple(itertools.islice(obj, count))

    def _handle_close(self) -> None:
        self._cleanup()

    # --- references

    def _unbox(self, package: Any) -> Any:
        if package[0] == consts.LABEL_REMOTE_REF:
            name, type_id, object_id = package[1]
            if not (isinstance(name, str) and type(type_id) is int and type(object_id) is int):
                raise ValueError("a reference that is none")
        return super()._unbox(package)

    def _netref_factory(self, id_pack: tuple[str, int, int]) -> Any:
        """A proxy for an object of theirs. Its ``__class__`` is a class of ours only if that is loaded here already."""
        if id_pack[0] in netref.builtin_classes_cache or (id_pack[2] == 0 and id_pack in self._netref_classes_cache):
            return super()._netref_factory(id_pack)
        methods = self.sync_request(consts.HANDLE_INSPECT, id_pack)
        named = [(name, doc) for name, doc in itertools.islice(methods, MAX_METHODS) if str(name).isidentifier()]
        known = _is_loaded(id_pack[0])
        cls = netref.class_factory(id_pack if known else ("<theirs> " + id_pack[0][:200], *id_pack[1:]), named)
        cls.__name__ = id_pack[0][:200]
        if id_pack[2] == 0:
            self._netref_classes_cache[id_pack] = cls
        return cls(self, id_pack)

    # --- the end

    def close(self) -> None:
        """Close it, without asking or waiting: RPyC's own waits behind whatever runs there."""
        if not self._closed:
            self._cleanup()

    def _cleanup(self, _anyway: bool = True) -> None:
        if self._closed:
            return
        self._closed = True
        self._channel.close()
        self._request_callbacks.clear()
        self._local_objects.clear()
        self._proxy_cache.clear()
        self._netref_classes_cache.clear()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):  # it may never have begun
            self.close()


def _is_loaded(name: str) -> bool:
    """Whether it names a module that is loaded here, or a class in one; nothing is imported, no code of it runs."""
    module, _, attribute = name.rpartition(".")
    if type(sys.modules.get(name)) is types.ModuleType:
        return True
    home = sys.modules.get(module)
    return type(home) is types.ModuleType and isinstance(vars(home).get(attribute), type)
