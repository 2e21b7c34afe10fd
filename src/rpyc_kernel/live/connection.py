"""RPyC's ``Connection``, for a side that doesn't trust the other: bounded, refusing, and interruptible.

Netrefs, boxing and the kinds of requests are RPyC 6's. The rest is ours: a bounded brine reads the frames, `guard`
checks their content, `exceptions` makes the exceptions, a dropped reference costs no message of its own, the stop
button ends a wait, and closing doesn't wait for the other side.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any

from rpyc.core import brine, consts
from rpyc.core.async_ import AsyncResult, AsyncResultTimeout
from rpyc.lib import Timeout

from rpyc_kernel.agent import wire_errors, wire_live
from rpyc_kernel.errors import ProtocolError, RpycKernelError
from rpyc_kernel.link.threads import Uninterrupted
from rpyc_kernel.live import exceptions, exposed, netrefs
from rpyc_kernel.live.guard import GuardedConnection
from rpyc_kernel.live.tracebacks import without_internals
from rpyc_kernel.transport.deadline import STOP_POLL_INTERVAL_S, Deadline
from rpyc_kernel.transport.rpyc_wire.brine import LABEL_VALUE, MSG_EXCEPTION, MSG_REQUEST, RPYC_6, BrineError, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_TIMEOUT_S = 600.0  # the default of ``connection._config["sync_request_timeout"]``
MAX_ITEMS = 2_000_000  # values in one message

MAX_NESTED_CALLS = 50  # calls from there within calls from here: each takes a dozen frames of Python's stack
MANY_ROUND_TRIPS = 1_000  # in one cell; more of them call for a hint


class _PlainAnswer(AsyncResult):
    """An answer that must be plain data: an object in it would lead to further questions without end."""

    __slots__ = ()


_PLAIN = (consts.HANDLE_INSPECT, consts.HANDLE_DIR)


class LiveConnection(GuardedConnection):
    """One RPyC connection over a channel.

    Args:
        channel: The frames: a `SessionChannel` or a `SocketChannel`.
        where: The other machine, for messages to the user.
        dialect: The other side's version of RPyC's protocol.
        first: The number of the first request.
        config: RPyC's options of a connection.

    Attributes:
        trips: The number of round trips so far.
        on_many: Called with the connection once, after `MANY_ROUND_TRIPS` round trips.
    """

    def __init__(self, channel: Any, where: str, *, dialect: Dialect = RPYC_6, first: int = 0, **config: Any) -> None:
        self._closed: bool
        self.dialect = dialect
        self.trips = 0
        self.on_many: Callable[[LiveConnection], None] | None = None
        self._dropped: deque[tuple[Any, int]] = deque()  # references that are no longer used here
        self._depth = 0  # requests of the other side that are being served
        self._raised: tuple[BaseException, Any] | None = None  # the last exception of a callback, and its description
        self._asked = self._abandoned = -1  # numbers of the last request, and of the last given up
        options = {
            "sync_request_timeout": REQUEST_TIMEOUT_S,
            "bind_threads": False,
            "propagate_KeyboardInterrupt_locally": False,
        }
        super().__init__(channel, where, {**options, **config})
        self._seqcounter = itertools.count(first)
        self._no_answer = itertools.count(-1, -1)

    # --- out

    def sync_request(self, handler: int, *args: Any) -> Any:
        """Send a request and wait for its answer.

        Raises:
            AsyncResultTimeout: No answer came in time.
            RpycKernelError: The connection has ended.
            BaseException: The other side raised it.
        """
        if handler == consts.HANDLE_PICKLE:
            raise TypeError(
                f"Nothing that {self.where} sends is unpickled here. A copy of plain data is brought by "
                'remote.value("expression"); numpy arrays are plain data too.'
            )
        if handler in (consts.HANDLE_GETATTR, consts.HANDLE_CALLATTR) and args[1] in netrefs.UNASKED:
            return netrefs.unasked(handler, *args)
        self.trips += 1
        if self.trips == MANY_ROUND_TRIPS + 1 and self.on_many is not None:
            self.on_many(self)
        timeout = self._config["sync_request_timeout"]
        try:
            return self.async_request(handler, *args, timeout=timeout).value
        except KeyboardInterrupt:  # before the waiting has begun, but perhaps the request is there already
            self._abandon()
            raise
        except (TypeError, AttributeError) as error:
            self.explain(error, args)
            raise
        except AsyncResultTimeout:
            raise AsyncResultTimeout(
                f"{self.where} did not answer within {timeout:g} s; what was asked of it goes on there. The time is "
                'that of the connection: remote._config["sync_request_timeout"], in seconds, None for no end.'
            ) from None

    def async_request(self, handler: int, *args: Any, timeout: float | None = None) -> Any:
        """Send a request without waiting. Dropped references are reported with the next request."""
        if handler == consts.HANDLE_DEL:  # from `__del__`, hence at any moment, even while a frame is being sent
            self._dropped.append((args[0].____id_pack__, args[1]))
            return None
        answer = _PlainAnswer(self) if handler in _PLAIN else AsyncResult(self)
        self._async_request(handler, args, answer)
        if timeout is not None:
            answer.set_expiry(timeout)
        return answer

    def flush(self) -> None:
        """Report the dropped references."""
        if self._dropped and not self._closed:
            with contextlib.suppress(EOFError, RpycKernelError):
                self._send_frames()

    def _get_seq_id(self) -> int:
        self._asked = next(self._seqcounter)
        return self._asked

    def _send(self, msg: int, seq: int, args: Any) -> None:
        self._send_packed(self._pack(msg, seq, args))

    def _send_packed(self, frame: bytes) -> None:
        self._send_queue.append(frame)
        self._send_frames()

    def _send_frames(self) -> None:
        """Send the waiting frames in order, or leave them to a thread that is sending already."""
        with Uninterrupted() as uninterrupted:
            while self._send_queue or self._dropped:
                if not self._sendlock.acquire(blocking=False):
                    return
                try:
                    self._send_next(uninterrupted)
                finally:
                    self._sendlock.release()

    def _send_next(self, uninterrupted: Uninterrupted) -> None:
        if self._send_queue:  # first: a frame may name a reference that is dropped by now
            frame = self._send_queue.pop(0)
        elif self._dropped:
            request = exposed.dropped(*self._dropped.popleft())
            frame = self._pack(consts.MSG_REQUEST, next(self._no_answer), request)
        else:  # another thread has sent it
            return
        with uninterrupted.suspended():
            self._channel.send(frame)

    def _pack(self, kind: int, seq: int, args: Any) -> bytes:
        wire_live.check(args)
        data: bytes = brine.dump((seq, args) if self.dialect.kind_first else (kind, seq, args))
        if self.dialect.kind_first:
            data = bytes((kind,)) + data
        return self.dialect.head + data

    # --- in

    def serve(self, timeout: Any = 1, wait_for_lock: bool = True, waiting: Callable[[], bool] = lambda: True) -> bool:
        """Serve one request or take one reply, if one comes within `timeout` seconds.

        Returns:
            Whether one came.

        Raises:
            RpycKernelError: The connection has ended, for this reason.
        """
        try:
            return self._serve(Deadline(Timeout(timeout).timeleft()), wait_for_lock, waiting)
        except KeyboardInterrupt:
            self._abandon()
            raise

    def _serve(self, deadline: Deadline, wait_for_lock: bool, waiting: Callable[[], bool]) -> bool:
        with Uninterrupted() as uninterrupted:
            with self._recv_event:
                if not self._recvlock.acquire(blocking=False):
                    if wait_for_lock and waiting():  # another thread may have read this one's reply
                        self._recv_event.wait(deadline.slice(STOP_POLL_INTERVAL_S))
                    return False
            try:
                if not (waiting() and self._poll(deadline, uninterrupted)):
                    return False
                kind, seq, args = self._read()
                if kind != MSG_REQUEST:  # before the lock is free, or another thread might miss its reply
                    self._take_reply(kind, seq, args)
                    return True
            finally:
                self._recvlock.release()
                with self._recv_event:
                    self._recv_event.notify_all()
            self._dispatch_request(seq, args, uninterrupted)
            return True

    def _poll(self, deadline: Deadline, uninterrupted: Uninterrupted) -> bool:
        try:
            with uninterrupted.suspended():
                return bool(self._channel.poll(deadline))
        except (EOFError, RpycKernelError):
            self._cleanup()
            raise

    def _abandon(self) -> None:
        """Give up the last request and the requests around it; the other side hears of it once."""
        if self._abandoned != self._asked:
            self._abandoned = self._asked
            with contextlib.suppress(EOFError, RpycKernelError):
                self._channel.abandon(self._asked)

    def _read(self) -> tuple[int, int, Any]:
        try:
            return self.dialect.load(self._channel.recv(), max_items=MAX_ITEMS, frozensets=True)
        except BrineError as error:
            raise self._wrong(error) from None

    def _take_reply(self, kind: int, seq: int, raw: Any) -> None:
        answer = self._request_callbacks.get(seq)
        if answer is None:  # nobody waits any more
            return
        failed = kind == MSG_EXCEPTION
        try:
            if failed:
                found = self._unbox_exc(raw)
            elif isinstance(answer, _PlainAnswer) and not (isinstance(raw, tuple) and raw[:1] == (LABEL_VALUE,)):
                raise BrineError("objects where plain data belongs")
            else:
                found = self._unbox(raw)
                self._raised = None  # the exception stopped there
        except (BrineError, exposed.RefusedError) as error:
            raise self._wrong(error) from None
        except Exception as error:
            if self._closed:
                raise
            failed, found = True, error  # unboxing asks for methods: it belongs to the request, not to this thread
        self._seq_request_callback(kind, seq, failed, found)

    def _unbox_exc(self, raw: Any) -> Any:
        box = wire_errors.find_returned(raw)
        error: BaseException | type[BaseException]
        if box is None:
            error = exceptions.load(raw, self.where, self.exception_classes)
        else:
            error = StopIteration(self._unbox(box))
        raised, self._raised = self._raised, None
        if raised is not None and exceptions.is_same(raw, raised[1]):  # a callback here raised it
            if not isinstance(raised[0], Exception):
                return raised[0]
            if isinstance(error, BaseException):
                raised[0].__traceback__ = without_internals(raised[0].__traceback__)
                error = exceptions.as_raised(error, raised[0])
                error.__cause__ = raised[0]
        return error

    def _told(self, error: BaseException) -> Any:
        """Describe an exception of this side for the other side."""
        returned = wire_errors.returned(error, self._box) if self.by_value else None
        return returned or exceptions.dump(error, more=self.by_value)

    def _wrong(self, error: Exception) -> ProtocolError:
        wrong = ProtocolError(self.where, str(error) or type(error).__name__)
        self._channel.fail(wrong)
        self._cleanup()
        return wrong

    # --- what the other side may do here

    def _dispatch_request(self, seq: int, request: Any, uninterrupted: Uninterrupted) -> None:
        self._depth += 1
        try:
            if self._depth > MAX_NESTED_CALLS:  # an overflow of the stack elsewhere would lose an answer
                raise RecursionError(f"more than {MAX_NESTED_CALLS} calls within calls")
            with uninterrupted.suspended():
                result = self._do(request)  # kept until it is sent: a netref in it would be dropped before
            reply = self._pack(consts.MSG_REPLY, seq, self._box(result))
        except BrineError as error:
            raise self._wrong(error) from None
        except BaseException as error:
            if self._closed:
                raise
            told = self._told(error)
            if not isinstance(error, exposed.RefusedError):
                self._raised = error, told
            if isinstance(error, KeyboardInterrupt):  # the stop button ends the wait, whichever side is busy
                self._abandon()
            self._send(consts.MSG_EXCEPTION, seq, told)
            if isinstance(error, KeyboardInterrupt):
                raise
        else:
            if not self._closed:
                self._send_packed(reply)
        finally:
            self._depth -= 1

    # --- the end

    def close(self) -> None:
        """Close at once. RPyC's own ``close`` would wait for the running request."""
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
        if not getattr(self, "_closed", True):  # ``__init__`` may have failed
            self.close()
