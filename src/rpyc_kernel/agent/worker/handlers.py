"""Handlers of signals that the user's code sets: what they raise and print comes between its lines, never inside ours.

A timeout by ``SIGALRM`` may come at any moment. Raised inside of our code, it would leave locks held and lines torn, or
take from the event loop the step that ends a cell.
"""

from __future__ import annotations

import functools
import os
import signal

from ..own_imports import PACKAGE, STDLIB
from .cell_frames import is_our_module, module_of
from .main_loop import MACHINERY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Optional

    from .interrupts import Interrupts

    Handler = Callable[[int, Optional[FrameType]], Any]

DRIVER = PACKAGE + ".worker.main"  #: below it no code is the user's


class Guarded:
    """Stands for a handler of the user's. While the main thread must not be interrupted, it waits.

    Args:
        handler: The user's handler.
        interrupts: Says when the main thread must not be interrupted.
        caught: Called with what the handler has raised where no code of the user's runs.
    """

    def __init__(self, handler: Handler, interrupts: Interrupts, caught: Callable[[BaseException], None]) -> None:
        self.handler = handler
        self._interrupts = interrupts
        self._caught = caught

    def __call__(self, number: int, frame: Optional[FrameType]) -> None:
        if self._interrupts.depth:
            self._interrupts.postponed.append(functools.partial(self, number))
        elif _arrives(frame):
            self.handler(number, frame)
        else:
            try:
                self.handler(number, frame)
            except BaseException as error:
                self._caught(error)


def guard(interrupts: Interrupts, caught: Callable[[BaseException], None]) -> None:
    """Guard all handlers that are set from now on; the user's code sees nothing of it.

    Args:
        interrupts: Says when the main thread must not be interrupted.
        caught: Called with what a handler has raised where no code of the user's runs.
    """
    set_handler, get_handler = signal.signal, signal.getsignal

    @functools.wraps(set_handler)
    def set_guarded(signalnum: int, handler: Any) -> Any:
        if callable(handler) and not is_our_module(str(getattr(handler, "__module__", ""))):
            handler = Guarded(handler, interrupts, caught)
        return _users(set_handler(signalnum, handler))

    @functools.wraps(get_handler)
    def get_users(signalnum: int) -> Any:
        return _users(get_handler(signalnum))

    signal.signal, signal.getsignal = set_guarded, get_users


def _users(handler: Any) -> Any:
    return handler.handler if isinstance(handler, Guarded) else handler


def _arrives(frame: Optional[FrameType]) -> bool:
    """Whether what is raised at that frame comes to code of the user's, before it comes to ours or the event loop."""
    while frame is not None:
        module = module_of(frame)
        if module == DRIVER:
            return False
        if not (is_our_module(module) or module.split(".", maxsplit=1)[0] in MACHINERY or _is_pythons(frame)):
            return True
        frame = frame.f_back
    return False


def _is_pythons(frame: FrameType) -> bool:
    """Whether that is code of the standard library: who has called it tells whose it is."""
    file = frame.f_code.co_filename
    return file.startswith((STDLIB + os.sep, "<frozen ")) and "-packages" not in file
