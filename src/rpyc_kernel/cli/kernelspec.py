"""The kernelspec that ``rpyc-kernel install`` writes, and takes away.

The wheel brings a kernelspec of its own, which serves the environment that it is installed in. This one names this
interpreter by its absolute path, so that a Jupyter of any other environment can start the kernel, and it can name a
machine, so that each machine has its own tile in the launcher. `docs/install.md` says which to use when.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs describes the files that are written here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.cli.terminal import RefusalError
from rpyc_kernel.hosts.target import find

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALID_NAME = re.compile(r"[A-Za-z0-9._-]+")
_VALID_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MACHINE = "--RpycKernel.address="
_ASKED_MACHINE = f"{_MACHINE}{{rpyc_machine}}"  # as kernel.json of the wheel has it

# What a front end may ask when it starts the kernel of a saved machine (Jupyter's enhancement proposal 87). One that
# doesn't ask leaves `{rpyc_cwd}` in the command line, where the kernel takes it for no answer.
PARAMETERS = {
    "rpyc_cwd": {
        "type": "string",
        "title": "Folder on that machine",
        "description": "Where cells start; empty for the saved one.",
        "default": "",
    },
    "rpyc_python": {
        "type": "string",
        "title": "Python on that machine",
        "description": "Which runs the cells; empty for the saved one.",
        "default": "",
    },
    "rpyc_shell": {
        "type": "string",
        "title": "Shell",
        "description": "IPython where that machine has it, or the built-in one.",
        "enum": ["auto", "plain", "ipython"],
        "default": "auto",
    },
}
_ASKED = {"rpyc_cwd": "cwd", "rpyc_python": "python", "rpyc_shell": "remote_shell"}  # which trait of the kernel it is


def checked_name(name: str) -> str:
    """Return the name of a kernel as Jupyter has it: in lower case. Raises RefusalError for what can be none."""
    if not _VALID_NAME.fullmatch(name) or not name.strip("."):
        raise RefusalError(f"A kernel's name consists of ASCII letters, digits, '-', '.' and '_'; {name!r} doesn't.")
    name = name.lower()
    if name == NATIVE_KERNEL_NAME:
        raise RefusalError(f"{NATIVE_KERNEL_NAME} is Jupyter's own Python kernel; choose another name with --name.")
    return name


def kernels_folder(prefix: str | None, *, sys_prefix: bool) -> Path:
    """Return the folder that has a folder for each kernel: below *prefix*, this Python's own prefix, or the user's."""
    if prefix is not None:
        if not prefix.strip():
            raise RefusalError("--prefix needs a folder.")
        data = Path(prefix).expanduser().absolute() / "share" / "jupyter"
    elif sys_prefix:
        data = Path(sys.prefix) / "share" / "jupyter"
    else:
        data = Path(jupyter_data_dir())
    return data / "kernels"


def kernel_json(connect: str | None, display_name: str | None, env: Sequence[str]) -> dict[str, Any]:
    """Return the content of kernel.json.

    Args:
        connect: The address that the kernel's notebooks start on, or the name of a saved machine; the kernel looks
            its address up when it connects.
        display_name: What the launcher shows; without it, one that names the machine.
        env: ``NAME=VALUE``, for each variable of the kernel's environment.

    Raises:
        AddressError: *connect* is none.
        HostsFileError: *connect* may be a saved name, and the file of these can't be read.
        RefusalError: Something else can't be written there.
    """
    if not sys.executable or not Path(sys.executable).is_absolute():
        raise RefusalError("This Python doesn't know where its own executable is, so Jupyter couldn't start it.", 1)
    spec: dict[str, Any] = json.loads(files("rpyc_kernel").joinpath("kernelspec", "kernel.json").read_text("utf-8"))
    spec["argv"][0] = sys.executable
    if connect is not None:
        target = find(connect)
        spec["argv"].remove(_ASKED_MACHINE)
        del spec["metadata"]["parameters"]
        spec["argv"].append(f"{_MACHINE}{target.name or target.address}")
        if target.name:
            spec["argv"] += [f"--RpycKernel.{trait}={{{name}}}" for name, trait in _ASKED.items()]
            spec["metadata"]["parameters"] = {"type": "object", "properties": PARAMETERS}
        if display_name is None:
            display_name = f"Python @ {target.name}" if target.name else f"{spec['display_name']}: {target.display}"
    if display_name is None:
        display_name = spec["display_name"]
    if not display_name.strip() or not display_name.isprintable():
        raise RefusalError("--display-name needs a text of printable characters.")
    spec["display_name"] = display_name
    spec["env"] = dict(map(_checked_variable, env))
    return spec


def _checked_variable(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not _VALID_VARIABLE.fullmatch(key):
        # Only the name is repeated: what follows may be a secret.
        raise RefusalError(f"--env needs NAME=VALUE with a name of ASCII letters, digits and '_'; got {key!r}.")
    if "\0" in value:
        raise RefusalError(f"The value of {key} has a null character in it, which no environment can hold.")
    return key, value


def machine(folder: Path) -> str | None:
    """Return the machine that the kernel in this folder starts on, "" for none; None where it is no kernel of ours."""
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        argv = spec["argv"]
        if argv[argv.index("-m") + 1] != "rpyc_kernel":
            return None
        machines = [each for each in argv if each.startswith(_MACHINE) and each != _ASKED_MACHINE]
        return machines[0].removeprefix(_MACHINE) if machines else ""
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _is_ours(folder: Path) -> bool:
    """Return whether the kernelspec in this folder runs this kernel."""
    return machine(folder) is not None


def check_free(folder: Path) -> None:
    """Raise RefusalError where another kernel would be overwritten, or stood before in Jupyter's list.

    Args:
        folder: Of the kernel that is to be written; its name is the kernel's.
    """
    if not _is_ours(folder) and os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise RefusalError(
            f"{folder} is not a kernel of rpyc-kernel's and stays as it is; choose another name with --name."
        )
    manager = KernelSpecManager()
    if str(folder.parent) in manager.kernel_dirs:
        other = manager.find_kernel_specs().get(folder.name)
        if other is not None and not _is_ours(Path(other)):
            raise RefusalError(f"Another kernel has the name {folder.name} ({other}); choose another one with --name.")


def write(folder: Path, spec: dict[str, Any]) -> None:
    """Write the kernelspec into *folder*. Raises RefusalError where it can't be written.

    An older one of ours stays whole until the new kernel.json replaces its own.
    """
    try:
        if folder.is_symlink():
            folder.unlink()  # from `jupyter kernelspec install --symlink`; what it points to is left alone
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(spec, indent=2, ensure_ascii=False) + "\n"
        for source in files("rpyc_kernel").joinpath("kernelspec").iterdir():
            if source.name.startswith("logo-"):
                write_file(str(folder / source.name), source.read_bytes(), 0o666)
        write_file(str(folder / "kernel.json"), text.encode(), 0o666)
    except OSError as error:
        raise RefusalError(
            f"The kernel can't be written to {folder} ({error.strerror}); "
            "choose another place with --user, --sys-prefix or --prefix.",
            1,
        ) from None


def remove(folder: Path) -> None:
    """Remove the kernelspec in *folder*. Raises RefusalError where none of ours is, or it can't be removed."""
    if not os.path.lexists(folder):
        places = {Path(found) for found in KernelSpecManager().kernel_dirs}
        elsewhere = [str(place) for place in sorted(places) if _is_ours(place / folder.name)]
        hint = f" One is in {elsewhere[0]}: --sys-prefix or --prefix names the place." if elsewhere else ""
        raise RefusalError(f"There is no kernel {folder.name} in {folder.parent}.{hint}", 1)
    if not _is_ours(folder):
        raise RefusalError(
            f"{folder} is not a kernel of rpyc-kernel's and stays; `jupyter kernelspec uninstall` removes any kernel.",
            1,
        )
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except OSError as error:
        raise RefusalError(f"The kernel in {folder} can't be removed ({error.strerror}).", 1) from None
