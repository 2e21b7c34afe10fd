"""The first of the agent to arrive on the other machine: it loads the rest. Complete in itself.

The kernel has the RPyC server evaluate this file's text. It then asks by the SHA-256 of the archive: where a private
cache has it, nothing more is sent; else the kernel sends it once. What is loaded was checked against that hash, in
memory, at every start; a cache that cannot be written only means that it is sent again.

The archive is a zlib-compressed JSON object: module path (``worker/main.py``) to source. It is mounted as a package
whose name holds the hash, so that agents of several versions can live in one server.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import zlib
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional

MAX_ARCHIVE = 16 << 20  # bytes, unpacked
PREFIX = "_rpyc_kernel_agent_"


def private_folders(create: bool, shared: bool = True) -> Iterator[str]:
    """Folders that only this user can use, best first; with ``shared``, also such below shared temp folders."""
    home = os.path.expanduser("~")
    bases = [os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"), os.path.join(home, ".cache")]
    candidates = [os.path.join(base, "rpyc-kernel") for base in bases if base and os.path.isabs(base)]
    if shared:
        uid = os.geteuid() if hasattr(os, "geteuid") else "user"
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


def digest_of(archive: bytes) -> str:
    """The name of an archive: the hexadecimal SHA-256 of its bytes."""
    return hashlib.sha256(archive).hexdigest()


def cached(digest: str) -> Optional[bytes]:
    """The archive of that name from the cache, checked, or None."""
    for folder in private_folders(False, shared=False):
        try:
            with open(os.path.join(folder, "agent-%s" % digest), "rb") as file:
                archive = file.read(MAX_ARCHIVE)
        except OSError:
            continue
        if digest_of(archive) == digest:
            return archive
    return None


def keep(digest: str, archive: bytes) -> None:
    """Put an archive into the cache, if there is a place for it, and remove those not used for a month."""
    for folder in private_folders(True, shared=False):
        path = os.path.join(folder, "agent-%s" % digest)
        part = "%s.%d" % (path, os.getpid())
        try:
            with open(part, "wb") as file:
                file.write(archive)
            os.replace(part, path)
            return
        except OSError:
            try:
                os.unlink(part)
            except OSError:
                pass


class Importer:
    """Imports the agent's modules from memory, under one package name."""

    def __init__(self, package: str, sources: Dict[str, str]) -> None:
        self.package = package
        self.sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        """The module of that name, if it is one of ours."""
        if name != self.package and not name.startswith(self.package + "."):
            return None
        base = name[len(self.package) + 1 :].replace(".", "/")
        for file, is_package in ((base + "/__init__.py" if base else "__init__.py", True), (base + ".py", False)):
            if file in self.sources:
                origin = "<rpyc-kernel agent>/" + file
                spec = ModuleSpec(name, self, origin=origin, is_package=is_package)  # type: ignore[arg-type]
                spec.has_location = False
                return spec
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run its source in it."""
        origin = str(module.__spec__.origin) if module.__spec__ else ""
        source = self.sources[origin.partition("/")[2]]
        exec(compile(source, origin, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name: str) -> str:
        """Its source, for tracebacks."""
        spec = self.find_spec(name)
        return self.sources[str(spec.origin).partition("/")[2]] if spec else ""


def mount(digest: str, archive: bytes) -> str:
    """Make the archive's modules importable; returns the name of their package."""
    package = PREFIX + digest[:16]
    if package not in sys.modules:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(archive, MAX_ARCHIVE)
        sys.meta_path.append(Importer(package, json.loads(text.decode("utf-8"))))
    return package


def load(name: str, package: str) -> Any:
    """The module ``name`` of the mounted agent."""
    __import__(package + "." + name)
    return sys.modules[package + "." + name]


def open_broker(digest: str, source: bytes) -> Callable[[str, bytes], bytes]:
    """The one function that the kernel calls: ``call(op, payload) -> bytes``, of a broker for this connection.

    It answers ``b""`` as long as it hasn't the agent; op ``agent`` brings it.
    """
    brokers: List[Any] = []

    def start(archive: bytes) -> None:
        broker = load("broker", mount(digest, archive))
        brokers.append(broker.Broker(digest, archive, source))

    def call(op: str, payload: bytes) -> bytes:
        if not brokers:
            if op == "agent":
                if digest_of(payload) != digest:
                    raise ValueError("the agent arrived damaged")
                keep(digest, payload)
                start(payload)
                return b"ok"
            archive = cached(digest)
            if archive is None:
                return b""
            start(archive)
        return bytes(brokers[0].call(op, payload))

    return call


def start_keeper(stream: BinaryIO) -> None:
    """The keeper's process begins here; ``stream`` gives the archive and the session's configuration (JSON)."""
    digest = stream.readline().decode("ascii").strip()
    sizes = [int(size) for size in stream.readline().split()]
    archive, config = (stream.read(size) for size in sizes)
    if digest_of(archive) != digest:
        raise SystemExit("the agent arrived damaged")
    load("keeper.main", mount(digest, archive)).main(json.loads(config.decode("utf-8")))
