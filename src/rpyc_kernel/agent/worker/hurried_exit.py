"""The end of a worker: what the user's names hold is let go, and exit functions run even if there is little time."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_begun = False  # whether Python runs the exit functions itself


def release(namespace: Dict[str, Any]) -> None:
    """Have Python let go the user's variables at the end, after the exit functions of cells, so that finalizers run.

    At its end Python does the same, but not where a thread of ours still holds the shell.
    """

    def clear() -> None:
        finalizers = getattr(sys.modules.get("weakref"), "finalize", None)
        if finalizers is not None:
            finalizers._exitfunc()  # now, while there is what they use; it may have been registered before this
        _flush_files()  # of a cycle, Python may close the file before it writes what is held back
        for name in list(namespace):
            if name != "__builtins__":
                namespace.pop(name, None)
        _forget_errors()
        gc.collect()

    atexit.register(clear)


def _forget_errors() -> None:
    """Let go the local variables of code that has failed: the shell holds its last error."""
    error = getattr(sys, "last_value", None)
    seen = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        trace = error.__traceback__
        while trace is not None:
            try:
                trace.tb_frame.clear()
                _ = trace.tb_frame.f_locals  # who has looked at them has left a copy in the frame; now it is made anew
            except RuntimeError:  # it still runs
                pass
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


def prepare() -> None:
    """Note when exit functions begin to run; registered last, this is the first of them."""

    def begin() -> None:
        global _begun
        _begun = True

    atexit.register(begin)


def hurry() -> None:
    """Run the exit functions and write what open files hold back, on this thread, then end the process.

    For a main thread that a cell or a thread of the user's never lets go. Where Python runs them already, or a handler
    of SIGTERM is there, which comes next, nothing is done.
    """
    if _begun or callable(signal.getsignal(signal.SIGTERM)):
        return
    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        print("%s in atexit: %s" % (type(error).__name__, error), file=sys.stderr)
    _flush_files()
    os._exit(0)


def _flush_files() -> None:
    import io

    gc.unfreeze()
    kinds = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    # by its type: `isinstance` would ask a proxy, as a netref is, for its class, and wait for the answer
    for each in [each for each in gc.get_objects() if issubclass(type(each), kinds)]:
        try:
            each.flush()
        except Exception:
            pass  # it is closed, or cannot be written
