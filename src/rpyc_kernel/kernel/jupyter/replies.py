"""Every request gets a reply, on the channel on which it came: also one that ipykernel can't read, or fails to do."""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel

from rpyc_kernel.agent.wire import reply_type
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.jupyter.contents import check, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmq.eventloop.zmqstream import ZMQStream


class ReplyStream:
    """Stands for the stream of a channel where a handler sends its reply, on the thread to which that stream belongs.

    Attributes:
        used: Whether a reply was sent.
    """

    def __init__(self, stream: ZMQStream, *, of_other_thread: bool) -> None:
        self._stream = stream
        self._of_other_thread = of_other_thread
        self.used = False

    def send_multipart(self, frames: list[Any], **options: Any) -> None:
        """Send a message as a ``ZMQStream`` does."""
        self.used = True
        send = partial(self._stream.send_multipart, frames, **options)
        if self._of_other_thread:
            self._stream.io_loop.add_callback(send)
        else:
            send()


class ReplyingKernel(IPythonKernel):
    """An ``IPythonKernel`` that answers every request, on the shell channel also those of the control channel."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._handed_on_by: ContextVar[ZMQStream | None] = ContextVar("handed_on_by", default=None)

    def start(self) -> None:
        """Start as ipykernel does, with `_handle` around each handler."""
        super().start()
        for msg_type, each in self.control_handlers.items():
            self.shell_handlers.setdefault(msg_type, each)
        for handlers in (self.shell_handlers, self.control_handlers):
            handlers.update({msg_type: partial(self._handle, each) for msg_type, each in handlers.items()})

    async def _handle(self, handler: Callable[..., Any], stream: ZMQStream, ident: Any, parent: dict[str, Any]) -> None:
        """Have a request handled. Where its handler sends no reply, the reply says why."""
        msg_type = parent["header"]["msg_type"]
        reply = self._reply_stream(stream)
        error: BaseException | None = None
        try:
            check(msg_type, parent)
            result = handler(reply, ident, parent)
            if inspect.isawaitable(result):
                await result
        except (Exception, KeyboardInterrupt) as raised:  # somebody waits for a reply
            if not isinstance(raised, RpycKernelError):
                self.log.exception("a %s could not be handled", msg_type)
            error = raised
        if not reply.used and msg_type.endswith("_request"):
            self.session.send(reply, reply_type(msg_type), failure(msg_type, error), parent, ident)

    def _reply_stream(self, stream: ZMQStream) -> ReplyStream:
        control = self._handed_on_by.get()
        return ReplyStream(control or stream, of_other_thread=control is not None)

    def _send_abort_reply(self, stream: ZMQStream | ReplyStream, msg: dict[str, Any], idents: Any) -> None:
        """Send the reply as ipykernel does, with the count that Jupyter's protocol asks for: 0, that of no cell."""
        self.log.info("Aborting %s", msg["header"]["msg_id"])
        content = {"status": "aborted", "execution_count": 0}
        metadata = dict(self.init_metadata(msg), status="aborted")  # `finish_metadata` is for replies of cells that ran
        reply = stream if isinstance(stream, ReplyStream) else self._reply_stream(stream)
        self.session.send(reply, "execute_reply", content, msg, idents, metadata=metadata)
