"""A Python in which rpyc-kernel sees what it would see on Windows: names and modules that only POSIX has are missing.

With this file's folder in PYTHONPATH, it is what Python imports when it starts, here and in all that is started from
here. Only the modules of rpyc-kernel and of its agent are deceived: the standard library and users' cells need what
this system really has. What ``selectors`` can't do on Windows, looking at anything but sockets, is refused too.

``RPYC_KERNEL_TESTS_LACKS`` names more that is missing, as ``signal.pthread_kill``. Runs on Python 3.7.
"""

import builtins
import os
import selectors
import sys
import types

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
NAMES = {
    "os": """
        O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_NOCTTY WCOREDUMP WEXITSTATUS WIFEXITED WIFSIGNALED WIFSTOPPED
        WNOHANG WSTOPSIG WTERMSIG WUNTRACED chown chroot confstr fchmod fchown fork forkpty fstatvfs getegid geteuid
        getgid getgroups getloadavg getpgid getpgrp getpriority getsid getuid killpg lchown major makedev
        memfd_create minor mkfifo mknod nice openpty pipe2 posix_fadvise posix_fallocate posix_spawn pread preadv
        pwrite pwritev readv register_at_fork sched_getaffinity sched_yield sendfile set_blocking get_blocking
        setegid seteuid setgid setpgid setpgrp setsid setuid statvfs sync sysconf tcgetpgrp tcsetpgrp ttyname uname
        wait wait3 wait4 waitid writev eventfd pidfd_open WEXITED WNOWAIT P_PID P_ALL splice SEEK_DATA SEEK_HOLE
    """,
    "signal": """
        ITIMER_REAL SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR
        SIGQUIT SIGRTMAX SIGRTMIN SIGSTOP SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM
        SIGWINCH SIGXCPU SIGXFSZ SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pidfd_send_signal
        pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait sigwaitinfo
    """,
    "select": """
        EPOLLIN PIPE_BUF POLLERR POLLHUP POLLIN POLLMSG POLLNVAL POLLOUT POLLPRI POLLRDHUP epoll poll
    """,
    "socket": "AF_NETLINK AF_PACKET AF_UNIX SO_PEERCRED SO_REUSEPORT TCP_USER_TIMEOUT send_fds recv_fds",
    "selectors": "EpollSelector PollSelector KqueueSelector DevpollSelector",
    "asyncio": "open_unix_connection start_unix_server",
}
OURS = ("rpyc_kernel", "_rpyc_kernel_agent_")
STARTERS = ("boot", "rpyc_kernel_boot")


class SocketSelector(selectors.SelectSelector):
    """What there is on Windows."""

    def register(self, fileobj, events, data=None):
        assert not isinstance(fileobj, int), "only sockets can be waited for there"
        return super().register(fileobj, events, data)


class Stripped(types.ModuleType):
    """A module as another system has it; what is set there is set in the real one."""

    def __init__(self, real, lacks, instead):
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update({"_real": real, "_lacks": lacks, "_instead": instead})

    def __getattr__(self, name):
        if name in self._lacks:
            raise AttributeError(f"{self.__name__} has no {name} on this system")
        return self._instead[name] if name in self._instead else getattr(self._real, name)

    def __setattr__(self, name, value):
        setattr(self._real, name, value)

    def __dir__(self):
        return [name for name in dir(self._real) if name not in self._lacks]


def _lacks():
    lacks = {module: set(names.split()) for module, names in NAMES.items()}
    for name in os.environ.get("RPYC_KERNEL_TESTS_LACKS", "").split():
        module, _dot, attribute = name.partition(".")
        lacks.setdefault(module, set()).add(attribute)
    return lacks


def deceive():
    """Have ``import`` give our modules what they would get."""
    lacks = _lacks()
    instead = {"selectors": {"DefaultSelector": SocketSelector}}
    stripped = {}
    real_import = builtins.__import__

    def import_stripped(name, globals=None, locals=None, fromlist=(), level=0):
        whose = (globals or {}).get("__name__") or ""
        if whose == "__main__":
            whose = getattr(globals.get("__spec__"), "name", whose)  # by ``python -m``
        ours = whose in STARTERS or whose.startswith(OURS)
        if ours and not level and name in MODULES:
            raise ImportError(f"there is no module {name} on this system", name=name)
        module = real_import(name, globals, locals, fromlist, level)
        top = name.partition(".")[0]
        if not ours or level or top not in lacks or (fromlist and "." in name):
            return module
        if top not in stripped:
            stripped[top] = Stripped(sys.modules[top], lacks[top], instead.get(top, {}))
        return stripped[top]

    builtins.__import__ = import_stripped


deceive()
