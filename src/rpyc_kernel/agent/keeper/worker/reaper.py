"""A process that outlives the keeper by a moment: where the keeper is killed, it ends what is left of the session.

The worker itself can't be relied on: it may be stopped, or in C code that holds the GIL, and it would have to look for
the processes that it has started in groups of their own. A forked copy of the keeper would do, and cost 1.8 MiB of
memory; this shell costs 0.1. (``PR_SET_PDEATHSIG``, or ``F_SETSIG`` with SIGKILL on a pipe, reach the worker alone.)
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

SHELL = "/bin/sh"

# The stdin of the shell ends when the keeper does, however that was. In /proc/PID/stat (man 5 proc) the session is the
# fourth field behind the name. The shell looks twice, as a process may just have forked.
_SCRIPT = """\
read -r _
cd /proc || exit
for _ in 1 2; do
  for pid in [0-9]*; do
    read -r line <$pid/stat && set -- ${line##*) } && [ "$4" = "$0" ] && kill -9 $pid
  done
done
"""


class Reaper:
    """Starts that shell (Linux; elsewhere there is none, and the worker looks after itself)."""

    def __init__(self) -> None:
        self._fd: Optional[int] = None
        if sys.platform != "linux" or not os.access(SHELL, os.X_OK):
            return
        session = str(os.getsid(0))
        reader, self._fd = os.pipe()
        if os.fork() == 0:
            try:
                _become_reaper(reader, session)
            finally:
                os._exit(127)
        os.close(reader)

    def close(self) -> None:
        """Close the pipe: in a forked process, which must not keep it open."""
        if self._fd is not None:
            os.close(self._fd)


def _become_reaper(reader: int, session: str) -> None:
    os.setsid()  # or it would end together with the session
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # which all processes of a service get; the shell ends with the keeper
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd, target in ((reader, 0), (nothing, 1), (nothing, 2)):
        os.dup2(fd, target)
    os.execv(SHELL, [SHELL, "-c", _SCRIPT, session])
