"""What Windows does in its own way; imported there only. What was run of it, under Wine: see ``docs/platforms.md``."""

from __future__ import annotations

import codecs
import struct
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

SECONDS = 5.0  #: that Windows may take to end processes
_LIMITS = 9  # JobObjectExtendedLimitInformation
_LIMITS_SIZE = 144 if struct.calcsize("P") == 8 else 112  # of JOBOBJECT_EXTENDED_LIMIT_INFORMATION, in bytes
_FLAGS_AT = 16  # where its LimitFlags are, behind two times
_KILL_ON_JOB_CLOSE = 0x2000
_BREAKAWAY_OK = 0x0800


class Job:
    """A process and all that it starts, and they: they end with the last handle of the job, at the latest.

    A program that is meant to stay is started with ``subprocess.CREATE_BREAKAWAY_FROM_JOB``.
    """

    def __init__(self, kernel32: Any, handle: int) -> None:
        self._kernel32 = kernel32
        self._handle = handle

    @classmethod
    def of(cls, process: subprocess.Popen[bytes]) -> Optional[Job]:
        """A job with this process, which has started nothing yet; None where ctypes is missing, or jobs are."""
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
        limits = ctypes.create_string_buffer(_LIMITS_SIZE)
        struct.pack_into("<I", limits, _FLAGS_AT, _KILL_ON_JOB_CLOSE | _BREAKAWAY_OK)
        theirs = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined]
        if kernel32.SetInformationJobObject(
            job._handle, _LIMITS, limits, _LIMITS_SIZE
        ) and kernel32.AssignProcessToJobObject(job._handle, theirs):
            return job
        job.close()
        return None

    def end(self) -> None:
        """End all that is in it, at once."""
        self._kernel32.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        """Let go of it, which ends what is in it still."""
        self._kernel32.CloseHandle(self._handle)


def kill_tree(pid: int) -> None:
    """End a process, its children and theirs, as far as those in between still live: there are no process groups."""
    command = ["taskkill", "/F", "/T", "/PID", str(pid)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        pass


def console_encoding() -> str:
    """How ``cmd`` and what it knows write: in the code page of this process's console, or of the system's consoles."""
    try:
        import ctypes

        name = "cp%d" % ctypes.windll.kernel32.GetConsoleOutputCP()  # type: ignore[attr-defined]
        codecs.lookup(name)  # 0 where there is no console
    except (ImportError, AttributeError, LookupError):
        return "oem"
    return name
