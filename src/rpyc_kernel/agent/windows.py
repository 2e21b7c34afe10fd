"""Windows' own ways to end processes and to write text; imported there only. See ``docs/platforms.md``."""

from __future__ import annotations

import codecs
import struct
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

END_TIMEOUT_S = 5.0  #: for Windows to end processes
_LIMITS = 9  # JobObjectExtendedLimitInformation
_LIMITS_BYTES = 144 if struct.calcsize("P") == 8 else 112  # of JOBOBJECT_EXTENDED_LIMIT_INFORMATION
_FLAGS_AT = 16  # where its LimitFlags are, behind two times
_KILL_ON_JOB_CLOSE = 0x2000
_BREAKAWAY_OK = 0x0800


class Job:
    """A job object: a process and all its descendants. They end with the last handle of the job, at the latest.

    A program that is meant to stay is started with ``subprocess.CREATE_BREAKAWAY_FROM_JOB``.
    """

    def __init__(self, kernel32: Any, handle: int) -> None:
        self._kernel32 = kernel32
        self._handle = handle

    @classmethod
    def of(cls, process: subprocess.Popen[bytes]) -> Optional[Job]:
        """Make a job of a process that has started no other yet; None where ctypes or jobs are missing."""
        try:
            import ctypes

            kernel32 = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
        except (ImportError, AttributeError, OSError):
            return None
        for function in (kernel32.CreateJobObjectW, kernel32.TerminateJobObject, kernel32.CloseHandle):
            function.restype = ctypes.c_void_p if function is kernel32.CreateJobObjectW else ctypes.c_int
        handle = kernel32.CreateJobObjectW(None, None)
        if not handle:
            return None
        job = cls(kernel32, ctypes.c_void_p(handle))  # type: ignore[arg-type]
        limits = ctypes.create_string_buffer(_LIMITS_BYTES)
        struct.pack_into("<I", limits, _FLAGS_AT, _KILL_ON_JOB_CLOSE | _BREAKAWAY_OK)
        theirs = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined]
        if kernel32.SetInformationJobObject(
            job._handle, _LIMITS, limits, _LIMITS_BYTES
        ) and kernel32.AssignProcessToJobObject(job._handle, theirs):
            return job
        job.close()
        return None

    def end(self) -> None:
        """End all processes of the job, at once."""
        self._kernel32.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Close the handle, which ends the processes that the job still has."""
        self._kernel32.CloseHandle(self._handle)


def kill_tree(pid: int) -> None:
    """End a process, its children and theirs, as far as those in between still live: there are no process groups."""
    command = ["taskkill", "/F", "/T", "/PID", str(pid)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=END_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        pass


def console_encoding() -> str:
    """The encoding in which ``cmd`` and its commands write: that of this process's console, or of the system's."""
    try:
        import ctypes

        name = "cp%d" % ctypes.windll.kernel32.GetConsoleOutputCP()  # type: ignore[attr-defined]
        codecs.lookup(name)  # 0 where there is no console
    except (ImportError, AttributeError, LookupError):
        return "oem"
    return name
