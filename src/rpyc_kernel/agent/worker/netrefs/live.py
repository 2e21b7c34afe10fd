"""RPyC's own connection to this session's namespace, whose frames travel inside the session's messages.

The kernel opens it with ``rpyc_open`` and speaks with it in ``rpyc_msg``, both ways, until ``rpyc_close``; each names
it by the id that the kernel gave it (`channel`). A direct connection may carry its frames instead for a while
(`carry`), until either end notices that it is lost; the kernel then says ``rpyc_lost``.

A thread of its own serves a connection, also while a cell runs. rpyc is imported with the first one.
"""

from __future__ import annotations

import sys
import threading

from ...direct import live_frames, sequence, shortcut
from ..frontend import Frontend
from ..io.keeper_channel import FrameWriter
from ..own_thread import OwnThread
from ..request_context import current
from .channel import LiveChannel, say_closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Callable, Dict, Optional

    from ...wire import Json, Message
    from ..shells.protocol import Shell
    from ..transfers import Transfers

#: seconds; in RPyC before 6 a thread may overlook its reply when another has read it, until it looks again
REPLY_POLL_INTERVAL_S = 0.2
#: modules in which an interrupt tears a frame
GIVES_OUT = frozenset(
    [Frontend.__module__, FrameWriter.__module__, live_frames.__name__, sequence.__name__, shortcut.__name__]
)


class Live:
    """The connections of this session, by their ids. `take` is called on the sorter's thread.

    Args:
        frontend: Sends what they send.
        shell: Has the namespace that they see.
        transfers: Gives what carries values.
    """

    def __init__(self, frontend: Frontend, shell: Shell, transfers: Callable[[], Transfers]) -> None:
        self._frontend = frontend
        self._shell = shell
        self._transfers = transfers
        self._served: Dict[str, Served] = {}

    def take(self, number: int, message: Message) -> None:
        """Take a message for a connection, without waiting."""
        name = str(message.content.get("connection", ""))
        self._frontend.remember(number, message.parent)
        if message.type == "rpyc_open":
            served = self._served[name] = Served(self._frontend, name, message.content, self._shell, self._transfers)
            served.start(number)
            return
        known = self._served.get(name)
        if known is None:
            if message.type == "rpyc_msg":
                say_closed(self._frontend, name, "it is not known there")
        elif message.type == "rpyc_msg":
            known.channel.put(number, message)
        elif message.type == "rpyc_abandon":
            known.abandon(number, message.content.get("request"))
        elif message.type == "rpyc_lost":
            known.channel.lose()
        else:
            del self._served[name]
            known.channel.close()

    def carry(self, name: str, sock: socket.socket) -> None:
        """Have a direct connection carry the frames of a connection, until it is lost."""
        known = self._served.get(name)
        if known is not None:
            known.channel.carry(sock)

    def close(self) -> None:
        """Close all of them."""
        for served in list(self._served.values()):
            served.channel.close()
        self._served.clear()


class Served:
    """One connection, and its threads: one serves it, others run requests that their makers have given up."""

    def __init__(
        self, frontend: Frontend, name: str, content: Json, shell: Shell, transfers: Callable[[], Transfers]
    ) -> None:
        self.channel = LiveChannel(frontend, name)
        self._frontend = frontend
        self._name = name
        self._timeout = content.get("timeout")
        self._shell = shell
        self._transfers = transfers
        self._connection: Any = None
        self._thread: Optional[threading.Thread] = None

    def start(self, number: int) -> None:
        """Let a new thread serve it from now on."""
        self._thread = OwnThread(self._serve, "rpyc-kernel-live", (number,))
        self._thread.start()

    def abandon(self, number: int, request: Optional[int]) -> None:
        """Interrupt what runs now, which nobody waits for, and serve what comes next on another thread.

        Args:
            number: The number of the session's request that says so.
            request: RPyC's number of the request that was given up. If it hasn't begun, it never will.
        """
        before = self._thread
        self.channel.given_up = request  # before the look at `serving`: a request that begins looks the other way round
        if before is not None and before in self.channel.serving:
            self.start(number)
            interrupt(before, self.channel, self._connection)

    def _serve(self, number: int) -> None:
        current.set(number)
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection, thread = self._connection, threading.current_thread()
            while self._thread is thread and not connection.closed:
                connection.serve(self.channel.patience)
        except EOFError:
            pass
        except KeyboardInterrupt:  # ours, which came a moment too late
            if self._thread is threading.current_thread():
                self.start(number)
        except BaseException as error:
            say_closed(self._frontend, self._name, "%s: %s" % (type(error).__name__, error))
        finally:
            self.channel.forget(threading.current_thread())

    def _connect(self) -> Any:
        try:
            from . import service
        except ImportError as error:
            text = "rpyc cannot be imported by %s there (%s); install it for that Python" % (sys.executable, error)
            raise RuntimeError(text) from None
        self.channel.old = service.IS_OLD
        if self.channel.old:
            self.channel.patience = REPLY_POLL_INTERVAL_S
        return service.connect(self.channel, self._shell.facade.user_ns, self._timeout, self._transfers)


def interrupt(thread: threading.Thread, waits_at: LiveChannel, connection: Any) -> None:
    """Raise KeyboardInterrupt in a thread, at its next step in Python, or where it waits for the answer to a callback.

    A thread that is giving something out, or is in RPyC's code that has locks, gets it when that ends or waits next: it
    would tear a frame, or keep a lock. A sleep, or other C code, ends first.
    """
    try:
        from ctypes import c_ulong, py_object, pythonapi
    except ImportError:  # a Python without it: what runs there goes on
        return
    ident = thread.ident or 0
    frame = sys._current_frames().get(ident)
    while frame is not None and frame.f_code is not connection.ANSWERS:
        if frame.f_code in connection.LOCKS or frame.f_globals.get("__name__") in GIVES_OUT:
            waits_at.stop(thread)
            return
        frame = frame.f_back
    pythonapi.PyThreadState_SetAsyncExc(c_ulong(ident), py_object(KeyboardInterrupt))
