"""The first module of the agent to arrive on the other machine: it loads all others, and imports none of them.

The kernel has the RPyC server evaluate the text of this file. The kernel then asks for the agent by its SHA-256: where
a private cache has the agent, nothing more is sent; else the kernel sends it once. The agent is checked against that
hash in memory, before it is loaded; where the cache can't be written, the agent is only sent again.

The agent is a JSON object, module path (``worker/main.py``) to source; the hash is that of its text. It travels and is
kept compressed by zlib. It is mounted as a package whose name holds the hash, so that agents of several versions can
live in one server.

Beside the agent the cache keeps its modules compiled, for each Python on which a keeper has run: a board would compile
them for a second or more in each session.
"""

from __future__ import annotations

import gc
import json
import marshal
import os
import stat
import struct
import sys
import time
from binascii import crc32
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
    from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple
else:
    try:
        from _sha2 import sha256  # hashlib would load OpenSSL, which costs each keeper half a MiB
    except ImportError:
        try:
            from _sha256 import sha256  # before Python 3.12
        except ImportError:
            from hashlib import sha256

MAX_ARCHIVE_BYTES = 16 << 20  # of the agent, unpacked
PREFIX = "_rpyc_kernel_agent_"
ORIGIN = "<rpyc-kernel agent>/"
#: modules whose docstrings are kept, since users see them
WITH_DOCSTRINGS = (
    "worker/shells/ipython/",
    "worker/shells/plain/display/publish",
    "worker/shells/plain/facade",
    "worker/shells/plain/ipython/",
    "worker/shells/plain/magics/",
    "worker/show/__init__",
)
DAY_S = 24 * 3600.0


def private_folders(create: bool, shared: bool = True) -> Iterator[str]:
    """The folders that only this user can use, best first.

    On Windows, where modes mean nothing, that is a folder of the user's profile, which Windows keeps from other users.

    Args:
        create: Whether to make those that are missing.
        shared: Whether also folders below shared temporary ones are wanted.
    """
    home = os.path.expanduser("~")
    bases = [os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"), os.path.join(home, ".cache")]
    candidates = [os.path.join(base, "rpyc-kernel") for base in bases if base and os.path.isabs(base)]
    if shared and hasattr(os, "geteuid"):  # else there is no owner to check
        uid = os.geteuid()
        bases = [os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR")]
        bases += ["/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - each with a 0700 folder of ours, whose owner is checked
        candidates += [os.path.join(base, "rpyc-kernel-%s" % uid) for base in bases if base and os.path.isabs(base)]
    for folder in candidates:
        try:
            if create:
                if not shared:
                    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
                _make(folder)
            found = os.lstat(folder)
            if not stat.S_ISDIR(found.st_mode):
                continue
            if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
                continue
            if os.access(folder, os.W_OK):
                yield folder
        except OSError:
            continue


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        os.mkdir(folder, 0o700)


def _read(name: str) -> Iterator[BinaryIO]:
    """Open the file of that name in the cache, in each folder that has it."""
    for folder in private_folders(False, shared=False):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                if os.fstat(file.fileno()).st_mtime < time.time() - DAY_S:
                    os.utime(file.name)
                yield file
        except OSError:
            continue


def write_file(path: str, data: bytes, mode: int = 0o600, sync: bool = True) -> None:
    """Write a file whole or not at all: until it is whole, the one before stays.

    Args:
        path: The file.
        data: All that it is to hold.
        mode: Its permissions, as far as the umask allows them.
        sync: Whether the file must be there after the machine has lost its power, too.

    Raises:
        OSError: The file could not be written.
    """
    part = "%s.%s.new" % (path, os.urandom(6).hex())
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(fd)
        os.replace(part, path)
    except BaseException:
        try:
            os.unlink(part)
        except OSError:
            pass
        raise


def _write(name: str, data: bytes) -> bool:
    """Put a file into the cache, if that has a folder; remove the files that were not used for a month."""
    for folder in private_folders(True, shared=False):
        try:
            write_file(os.path.join(folder, name), data)
            _tidy(folder)
            return True
        except OSError:
            continue
    return False


def _tidy(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(("agent-", "code-")) and os.lstat(path).st_mtime < time.time() - 30 * DAY_S:
            try:
                os.unlink(path)
            except OSError:  # on Windows, as long as a server or a session has it mapped
                pass


def hash_of(data: bytes) -> bytes:
    """The SHA-256 of these bytes."""
    return sha256(data).digest()


def digest_of(data: bytes) -> str:
    """The SHA-256 of these bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def package_of(digest: str) -> str:
    """The name of the package that the agent of that name is mounted as."""
    return PREFIX + digest[:16]


class Agent:
    """The agent: packed, its sources once they are needed, and its code.

    Args:
        digest: The agent's name, the SHA-256 of its text in hexadecimal.
        packed: The agent as it travels; ``b""`` where it is taken from the cache when it is needed.
    """

    def __init__(self, digest: str, packed: Any) -> None:
        self.digest = digest
        self.packed = packed
        self.package = package_of(digest)
        self._sources: Optional[Dict[str, str]] = None
        self._code: Optional[CompiledAgent] = None

    @property
    def sources(self) -> Dict[str, str]:
        """The source of each module, by its path.

        Raises:
            ValueError: The packed agent is not the agent of that name.
        """
        if self._sources is None:
            self._sources = json.loads(self._unpacked().decode("utf-8"))
        return self._sources

    def _unpacked(self) -> bytes:
        import zlib  # late: a keeper whose code is cached doesn't need it

        packed = self.packed or next((file.read() for file in _read("agent-%s" % self.digest)), b"")
        try:
            text = zlib.decompressobj().decompress(packed, MAX_ARCHIVE_BYTES)
        except zlib.error:
            text = b""
        if digest_of(text) != self.digest:
            raise ValueError("the agent arrived damaged")
        return text

    def has(self, path: str) -> bool:
        """Whether the agent has a module at that path."""
        return path in (self._code.starts if self._code else self.sources)

    def code(self, path: str) -> Any:
        """The code of a module."""
        if self._code:
            return self._code.find(path)
        return compile(self.sources[path], ORIGIN + path, "exec", dont_inherit=True)

    def use_cached_code(self) -> bool:
        """Take the code of all modules from the cache; returns whether it is there, as after the first session."""
        self._code = self._code or cached_code(self.digest)
        return self._code is not None

    def load_code(self) -> None:
        """Get the code of all modules: from the cache, or else compiled in a process that ends, and cached.

        In this process, compiling would leave some MiB that are never given back: so only where none can be forked.
        """
        if self.use_cached_code():
            return
        if not hasattr(os, "fork"):
            data = CompiledAgent.compile(self.sources)
            _write(_code_name(self.digest), data)
            self._code = cached_code(self.digest) or CompiledAgent.load(data)
            return
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                data = CompiledAgent.compile(self.sources)
                if not _write(_code_name(self.digest), data):
                    with open(writer, "wb") as pipe:
                        pipe.write(data)
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as pipe:
            data = pipe.read()
        os.waitpid(pid, 0)
        self._code = CompiledAgent.load(data) if data else cached_code(self.digest)


class CompiledAgent:
    """The compiled modules in one piece of memory; a module's code object is made when it is asked for.

    Args:
        starts: Where in ``data`` the code of each module begins, by its path.
        data: The code of all modules, marshalled.
    """

    _HEAD = struct.Struct("!II")

    def __init__(self, starts: Dict[str, int], data: memoryview) -> None:
        self.starts = starts
        self._data = data

    @classmethod
    def compile(cls, sources: Dict[str, str]) -> bytes:
        """Compile all modules for the cache: CRC-32 of all that follows, length of the table, table, code."""
        starts: Dict[str, int] = {}
        pieces: List[bytes] = []
        end = 0
        for path, source in sources.items():
            optimize = -1 if path.startswith(WITH_DOCSTRINGS) else 2  # without docstrings and asserts
            code = compile(_bare(source), ORIGIN + path, "exec", dont_inherit=True, optimize=optimize)
            pieces.append(marshal.dumps(code))
            starts[path] = end
            end += len(pieces[-1])
        table = marshal.dumps(starts)
        rest = b"".join((table, *pieces))
        return cls._HEAD.pack(crc32(rest), len(table)) + rest

    @classmethod
    def load(cls, data: Any) -> Optional[CompiledAgent]:
        """Read what `compile` has made; None if it is damaged: damaged code would crash the interpreter."""
        if len(data) <= cls._HEAD.size:
            return None
        check, length = cls._HEAD.unpack_from(data)
        rest = memoryview(data)[cls._HEAD.size :]
        if crc32(rest) != check:
            return None
        return cls(marshal.loads(rest[:length]), rest[length:])  # noqa: S302 - see `cached_code`

    def find(self, path: str) -> Any:
        """The code of a module."""
        return marshal.loads(self._data[self.starts[path] :])  # noqa: S302 - see `cached_code`


def _bare(source: str) -> Any:
    """Parse a module, and drop the annotations of its functions: they cost a session 0.25 MiB (Python 3.8)."""
    import ast  # late: only where there is something to compile

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def cached(digest: str) -> Optional[Agent]:
    """The agent of that name from the cache, checked; None if the cache doesn't have it."""
    for file in _read("agent-%s" % digest):
        agent = Agent(digest, file.read())
        try:  # its hash in any case; its text is of no use where its code is here
            if agent._unpacked() if agent.use_cached_code() else agent.sources:
                return agent
        except ValueError:
            continue
    return None


def keep(agent: Agent) -> None:
    """Put an agent into the cache."""
    _write("agent-%s" % agent.digest, agent.packed)


def cached_code(digest: str) -> Optional[CompiledAgent]:
    """The code that this very Python has compiled of the agent of that name, from the cache, or None.

    The name of this file proves nothing about its content, unlike that of an agent. The content is believed because
    nobody but this user can write into that folder, as Python believes its ``__pycache__``; the checksum only shows
    that the file is whole.
    """
    import mmap  # late: a server needs none of this

    for file in _read(_code_name(digest)):
        try:
            shared = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # sessions share this memory
            code = CompiledAgent.load(shared)
        except (OSError, ValueError):  # a file system that can't do this, or it is empty
            continue
        if code:
            return code
    return None


def _code_name(digest: str) -> str:
    python = sys.implementation
    return "code-%s-%s-%x-%d" % (digest, python.cache_tag, python.hexversion, sys.flags.optimize)


class Importer:
    """Imports the agent's modules from memory, under one package name."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.package = agent.package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        """The spec of a module of the agent; None for any other module."""
        if name != self.package and not name.startswith(self.package + "."):
            return None
        base = name[len(self.package) + 1 :].replace(".", "/")
        for file, is_package in ((base + "/__init__.py" if base else "__init__.py", True), (base + ".py", False)):
            if self.agent.has(file):
                spec = ModuleSpec(name, self, origin=ORIGIN + file, is_package=is_package)  # type: ignore[arg-type]
                spec.has_location = False
                return spec
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of a module in it."""
        exec(self.agent.code(_path_of(module.__spec__)), module.__dict__)

    def get_source(self, name: str) -> str:
        """The source of a module, for tracebacks."""
        spec = self.find_spec(name)
        try:
            return self.agent.sources[_path_of(spec)] if spec else ""
        except ValueError:  # it isn't in the cache any more
            return ""


def _path_of(spec: Optional[ModuleSpec]) -> str:
    return str(spec.origin)[len(ORIGIN) :] if spec else ""


def mount(agent: Agent) -> str:
    """Make the modules of an agent importable; returns the name of their package."""
    if agent.package not in sys.modules:
        sys.meta_path.append(Importer(agent))
    return agent.package


def mounted(digest: str) -> Optional[Agent]:
    """The agent of that name, if an earlier connection has mounted it here."""
    loader = getattr(sys.modules.get(package_of(digest)), "__loader__", None)
    agent: Optional[Agent] = getattr(loader, "agent", None)
    return agent if agent and agent.digest == digest else None


def load(name: str, package: str) -> Any:
    """Import the module ``name`` of a mounted agent."""
    __import__(package + "." + name)
    return sys.modules[package + "." + name]


def load_broker(agent: Agent) -> Any:
    """Load the broker, and leave `open_broker` where the next connection looks for it."""
    module = load("broker", mount(agent))
    sys.modules[agent.package].open_broker = open_broker  # type: ignore[attr-defined]
    return module


def open_broker(digest: str, source: bytes, code: Any = None) -> Tuple[Callable[[str, bytes], Any], bytes]:
    """Make a broker for this connection.

    Args:
        digest: The name of the kernel's agent.
        source: The text of this file, for the keepers.
        code: That text compiled, where this connection has compiled it.

    Returns:
        The one function that the kernel calls, ``call(op, payload) -> bytes``, and its answer to op ``hello``. As long
        as the agent isn't here, the answer is ``b""``, and the function takes op ``agent`` alone, with the agent as its
        payload: its result is this pair again.
    """

    def start(agent: Agent) -> Tuple[Callable[[str, bytes], Any], bytes]:
        agent.use_cached_code()
        module = load_broker(agent)
        if code is not None:
            load("starter", agent.package).compiled[source] = code
        call = module.Broker(digest, agent.packed, source).call
        return call, call("hello", b"")

    def bring(_op: str, payload: bytes) -> Tuple[Callable[[str, bytes], Any], bytes]:
        agent = Agent(digest, payload)
        if agent.sources:
            keep(agent)
        return start(agent)

    found = mounted(digest) or cached(digest)
    return start(found) if found else (bring, b"")


def compile_for_later(agent: Agent) -> None:
    """Have the modules compiled and cached by a process that nobody waits for, if they aren't."""
    if agent.use_cached_code() or not hasattr(os, "fork"):
        return
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        if os.fork() == 0:  # nobody's child, so that nobody has to wait for its end
            os.nice(5)  # and yet it gets its turn on a busy machine
            _write(_code_name(agent.digest), CompiledAgent.compile(agent.sources))
    finally:
        os._exit(0)


def start_keeper(stream: BinaryIO) -> None:
    """Begin a keeper's process; ``stream`` brings the agent and the session's configuration (JSON)."""
    agent, config = _receive(stream)
    if config.get("worker") != "spawn":
        agent.packed = b""  # a session lives long, and its code is there
    _load_apart("keeper.main", agent).main(config, agent)


def start_worker(stream: BinaryIO) -> None:
    """Begin the process of a worker that isn't forked; ``stream`` brings the same, and then requests."""
    agent, config = _receive(stream)
    agent.packed = b""
    _load_apart("worker.io.spawned", agent).main(stream, config)


def start_gateway(stream: BinaryIO) -> None:
    """Begin what serves a kernel by stdin and stdout (``serve/gateway.py``).

    ``stream`` brings a line with a mark and the agent's name. Each line that goes out begins with the hash of the mark,
    so that the kernel finds it among what else is printed, be that an echo of what it has sent. Where the agent isn't
    here, it is asked for, and comes behind its length.
    """
    mark, digest = stream.readline().decode("ascii").split()
    answer = digest_of(mark.encode("ascii"))
    out = os.dup(1)
    for number, other in ((0, os.open(os.devnull, os.O_RDWR)), (1, 2)):  # who prints must not print into the frames
        os.dup2(other, number)
    agent = cached(digest)
    if agent is None:
        os.write(out, ("%s agent\n" % answer).encode("ascii"))
        agent = Agent(digest, stream.read(int(stream.readline())))
        if agent.sources:
            keep(agent)
    agent.use_cached_code()
    os.write(out, ("%s ready\n" % answer).encode("ascii"))
    load("serve.gateway", mount(agent)).main(stream, out)


def start_placed(stream: BinaryIO) -> None:
    """Begin what serves a kernel on a cluster's worker (``serve/placed.py``).

    ``stream`` brings a line with the name of its modules, one with their length, and them; then a line of JSON.
    """
    digest = stream.readline().decode("ascii").strip()
    agent = Agent(digest, stream.read(int(stream.readline())))
    agent.use_cached_code()
    load("serve.placed", _mount_with_this(agent)).main(stream, agent)


def _load_apart(name: str, agent: Agent) -> Any:
    """Load a module of the agent in its own process, where imports find Python's own modules (`own_imports`)."""
    package = _mount_with_this(agent)
    load("own_imports", package).install(globals().get("user_path"))
    return load(name, package)


def _mount_with_this(agent: Agent) -> str:
    """Mount an agent, which finds what is here where it imports this file: loaded again, that would be there twice."""
    package = mount(agent)
    own = package + ".boot"
    sys.modules[own] = this = ModuleType(own)
    this.__dict__.update(globals(), __name__=own)
    return package


def _receive(stream: BinaryIO) -> Tuple[Agent, Dict[str, Any]]:
    """Read the agent, whose code is loaded then, and the session's configuration."""
    gc.disable()  # until all is imported: imports make no garbage
    digest = stream.readline().decode("ascii").strip()
    size, rest = (int(size) for size in stream.readline().split())
    agent = Agent(digest, _read_apart(stream, size))
    config = stream.read(rest)
    agent.load_code()
    return agent, json.loads(config.decode("utf-8"))


def _read_apart(stream: BinaryIO, size: int) -> Any:
    """Read so many bytes into a mapping, which goes back to the system: of the heap 0.1 MiB would stay behind."""
    import mmap  # late: a server needs none of this

    if not size:
        return b""
    memory = mmap.mmap(-1, size)
    stream.readinto(memory)  # type: ignore[attr-defined]  # or less, at the end: the hash will tell
    return memory
