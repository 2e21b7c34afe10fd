"""This side: what Jupyter needs to start the kernel here, and what is kept here of machines."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel._version import __version__
from rpyc_kernel.doctor import probe
from rpyc_kernel.doctor.check import Check, State
from rpyc_kernel.errors import AddressError, DialCancelledError, HostsFileError
from rpyc_kernel.hosts import file
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

PARTS = ("ipykernel", "jupyter_client", "jupyter_core", "rpyc")  # without which there is no kernel
FRONT_ENDS = ("jupyterlab", "notebook", "jupyter_console", "nbclient")
INSTALL = f"{sys.executable} -m rpyc_kernel.install"
START_TIMEOUT_S = 20.0
# For these names Jupyter starts its own Python, see jupyter_client's ``format_kernel_cmd``.
JUPYTERS_OWN = ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}")


def examine_here(cancel: threading.Event | None = None) -> Iterator[Check]:
    """Look at this side; nothing is dialled.

    Args:
        cancel: Ends the looking, once it is set.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    yield Check("python", State.OK, f"{sys.executable}, {platform.python_version()}; rpyc-kernel {__version__}")
    yield from _parts()
    yield from _kernels(cancel)
    yield from _folders()
    yield from _machines()


def _parts() -> Iterator[Check]:
    versions = {name: version for name in PARTS + FRONT_ENDS if (version := _version(name))}
    if missing := [name for name in PARTS if name not in versions]:
        text = f"this Python has no {', '.join(missing)}"
        yield Check("packages", State.WRONG, text, f"{sys.executable} -m pip install {' '.join(missing)}")
    yield Check("packages", State.OK, ", ".join(f"{name} {version}" for name, version in versions.items()))
    command = shutil.which("jupyter")
    if command and not _is_of_this_python(command):
        text = f"the command jupyter is {command}, of another environment than this Python"
        yield Check("jupyter", State.WARNING, text, f"to have the kernel in its list, too: {INSTALL}")
    elif command:
        yield Check("jupyter", State.OK, command)
    else:
        text = "there is no command jupyter on the PATH"
        yield Check(
            "jupyter", State.WARNING, text, f"{sys.executable} -m pip install jupyterlab, or activate its environment"
        )


def _is_of_this_python(command: str) -> bool:
    """Return whether *command* is in this environment, or a script of its Python, as ``pip install --user`` has it."""
    if Path(command).resolve().is_relative_to(Path(sys.prefix).resolve()):
        return True
    try:
        with Path(command).open("rb") as script:
            return os.fsencode(str(Path(sys.executable).parent) + os.sep) in script.read(1000)
    except OSError:
        return False


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _kernels(cancel: threading.Event | None) -> Iterator[Check]:
    """Look at the kernelspecs that start rpyc-kernel: whose Python does it, and has that the package?"""
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - a machine is looked at without

    found = 0
    for name, entry in sorted(KernelSpecManager().get_all_specs().items()):
        argv = entry["spec"].get("argv") or []
        if argv[1:3] != ["-m", "rpyc_kernel"]:
            continue
        found += 1
        yield _kernel(name, str(entry["resource_dir"]), argv[0], Deadline(START_TIMEOUT_S, cancel))
    if not found:
        yield Check("kernel", State.WRONG, "Jupyter's list has no kernel of rpyc-kernel", f"{INSTALL}")


def _kernel(name: str, folder: str, python: str, deadline: Deadline) -> Check:
    text = f"{name} in {folder}, started by {python}"
    mend = f"{INSTALL} --name {name}"
    path = sys.executable if python in JUPYTERS_OWN else shutil.which(python)
    if path is None:
        return Check("kernel", State.WRONG, f"{text}, which isn't there", mend)
    try:
        code = _ended([path, "-c", "import rpyc_kernel"], deadline)
    except OSError as error:
        return Check("kernel", State.WRONG, f"{text}, which does not start ({type(error).__name__})", mend)
    if code:
        return Check("kernel", State.WRONG, f"{text}, which has no module rpyc_kernel", mend)
    return Check("kernel", State.OK, text)


def _ended(command: list[str], deadline: Deadline) -> int:
    """Return the exit code of a program that says nothing. Raises OSError, or DialCancelledError."""
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing) as process:
        while True:
            try:
                return process.wait(deadline.slice())
            except subprocess.TimeoutExpired:
                if deadline.cancelled or deadline.expired:
                    process.kill()
                if deadline.cancelled:
                    raise DialCancelledError("this machine") from None
                if deadline.expired:
                    raise TimeoutError from None


def _folders() -> Iterator[Check]:
    """Look whether what has to be kept here can be."""
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir  # noqa: PLC0415

    for path in dict.fromkeys((jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir())):
        there = next(each for each in (Path(path), *Path(path).parents) if each.exists())
        problem = probe.folder(str(there))["problem"]
        if problem:
            yield Check(
                "folder", State.WARNING, f"{path} can't be written to: {problem}", f"ls -ld {there}; df -h {there}"
            )
        else:
            yield Check("folder", State.OK, path)


def _machines() -> Iterator[Check]:
    try:
        saved = file.load()
    except HostsFileError as error:
        yield Check("machines", State.WRONG, str(error))
        return
    broken = 0
    for name, host in sorted(saved.items()):
        try:
            host.where  # noqa: B018 - its address is read
        except AddressError as error:
            broken += 1
            yield Check("machines", State.WRONG, f"{name}: {error}", f"rpyc-kernel hosts add {name} ADDRESS --replace")
    if not broken:
        names = ", ".join(sorted(saved)) or "none"
        yield Check("machines", State.OK, f"saved: {names}")
