"""`python -m rpyc_kernel.install`: put the kernel into Jupyter's list, or take it away.

The wheel brings a kernelspec of its own, which serves the environment that it is installed in. This one names this
interpreter by its absolute path, so that a Jupyter of any other environment can start the kernel, and it can name a
machine, so that each machine has its own tile in the launcher. `docs/install.md` says which to use when.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs describes the files that are written here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import warnings
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from jupyter_core.paths import jupyter_data_dir, jupyter_path

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "rpyc"
DISPLAY_NAME = "Python (RPyC)"

_VALID_NAME = re.compile(r"[A-Za-z0-9._-]+")
_VALID_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words in a variable's name that say its value is a secret, unless the last word says that it only points to one.
_SECRET_WORDS = frozenset({"APIKEY", "CREDENTIALS", "PASS", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN"})
_SECRET_PAIRS = frozenset({("ACCESS", "KEY"), ("API", "KEY"), ("PRIVATE", "KEY"), ("SECRET", "KEY")})
_POINTERS = frozenset({"DIR", "FILE", "PATH"})
_CREDENTIALS = re.compile(r"://[^/?#\s@:]*:[^/?#\s]*@")


class _RefusalError(Exception):
    """What was asked for can't be done. The text is the one sentence that is shown; `status` is the exit code."""

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _RefusalError(f"{message[:1].upper()}{message[1:]}; --help lists the options.")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description="Put the kernel into Jupyter's list, started by this Python, or take it away.",
        allow_abbrev=False,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you, in every Jupyter you start (the default)")
    where.add_argument("--sys-prefix", action="store_true", help=f"for the environment in {sys.prefix}")
    where.add_argument("--prefix", metavar="DIR", help="under DIR/share/jupyter/kernels")
    parser.add_argument(
        "--name",
        metavar="N",
        default=NAME,
        help=f"the kernel's name: ASCII letters, digits, '-', '.' and '_' ({NAME}); Jupyter makes it lower case",
    )
    parser.add_argument("--display-name", metavar="S", help=f"what the launcher shows ({DISPLAY_NAME})")
    parser.add_argument("--connect", metavar="ADDRESS", help="the machine its notebooks start on")
    parser.add_argument(
        "--env",
        metavar="K=V",
        action="append",
        default=[],
        help="set an environment variable for the kernel; can be given several times",
    )
    parser.add_argument("--remove", action="store_true", help="take the kernel of that name away")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "python -m rpyc_kernel.install") -> int:
    """Do what the command line says and return the exit code: 0, 1 (it failed) or 2 (it can't be asked for)."""
    try:
        with warnings.catch_warnings(action="ignore"):  # IPython's, of a home that can't be written to
            _run(_parser(prog).parse_args(argv))
    except _RefusalError as refusal:
        _say(str(refusal), sys.stderr)
        return refusal.status
    except OSError as error:
        _say(f"{error.filename or 'A file'} can't be used: {error.strerror or error}.", sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    name = _checked_name(options.name)
    folder = _kernels_folder(options) / name
    if options.remove:
        if options.connect is not None or options.display_name is not None or options.env:
            raise _RefusalError("--remove takes only --name and where the kernel is.")
        _remove(folder)
        _say(f"Removed the kernel {name} from {folder.parent}.")
        return
    spec = _spec(options)
    _check_free(folder, name)
    _write(folder, spec)
    _say(f'Installed the kernel {name}, shown as "{spec["display_name"]}", in {folder}.')
    if str(folder.parent.parent) not in jupyter_path():
        _say(f"Jupyter looks there only with {folder.parent.parent} in JUPYTER_PATH.")


def _say(sentence: str, stream: TextIO | None = None) -> None:
    """Print a line on a terminal of whatever encoding: a display name may be of any script."""
    stream = sys.stdout if stream is None else stream
    encoding = stream.encoding or "utf-8"
    print(sentence.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def _checked_name(name: str) -> str:
    if not _VALID_NAME.fullmatch(name) or not name.strip("."):
        raise _RefusalError(f"A kernel's name consists of ASCII letters, digits, '-', '.' and '_'; {name!r} doesn't.")
    name = name.lower()  # as Jupyter does
    if name == NATIVE_KERNEL_NAME:
        raise _RefusalError(f"{NATIVE_KERNEL_NAME} is Jupyter's own Python kernel; choose another name with --name.")
    return name


def _kernels_folder(options: argparse.Namespace) -> Path:
    """The folder that has a folder for each kernel."""
    if options.prefix is not None:
        if not options.prefix.strip():
            raise _RefusalError("--prefix needs a folder.")
        data = Path(options.prefix).expanduser().absolute() / "share" / "jupyter"
    elif options.sys_prefix:
        data = Path(sys.prefix) / "share" / "jupyter"
    else:
        data = Path(jupyter_data_dir())
    return data / "kernels"


def _spec(options: argparse.Namespace) -> dict[str, Any]:
    """The content of kernel.json."""
    if not sys.executable or not Path(sys.executable).is_absolute():
        raise _RefusalError("This Python doesn't know where its own executable is, so Jupyter couldn't start it.", 1)
    spec: dict[str, Any] = json.loads(files("rpyc_kernel").joinpath("kernelspec", "kernel.json").read_text("utf-8"))
    display_name = options.display_name
    spec["argv"][0] = sys.executable
    if options.connect is not None:
        try:
            address = Address.parse(options.connect)
        except AddressError as error:
            raise _RefusalError(str(error)) from None
        if refusal := address.transport.refusal:
            raise _RefusalError(f"{address}: {refusal}")
        spec["argv"].append(f"--RpycKernel.address={address}")
        if display_name is None:
            display_name = f"{DISPLAY_NAME}: {address.display}"
    if display_name is None:
        display_name = DISPLAY_NAME
    if not display_name.strip() or not display_name.isprintable():
        raise _RefusalError("--display-name needs a text of printable characters.")
    spec["display_name"] = display_name
    spec["env"] = dict(map(_checked_variable, options.env))
    return spec


def _checked_variable(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not _VALID_VARIABLE.fullmatch(key):
        # Only the name is repeated: what follows may be a secret.
        raise _RefusalError(f"--env needs NAME=VALUE with a name of ASCII letters, digits and '_'; got {key!r}.")
    if "\0" in value:
        raise _RefusalError(f"The value of {key} has a null character in it, which no environment can hold.")
    words = key.upper().split("_")
    secret = not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))
    if (secret and words[-1] not in _POINTERS) or _CREDENTIALS.search(value):
        raise _RefusalError(
            f"{key} looks like a secret, and a kernelspec is a file that others can read; "
            "set it where Jupyter is started instead."
        )
    return key, value


def _is_ours(folder: Path) -> bool:
    """Whether the kernelspec in this folder runs this kernel."""
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        argv = spec["argv"]
        return bool(argv[argv.index("-m") + 1] == "rpyc_kernel")
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return False


def _check_free(folder: Path, name: str) -> None:
    """Refuse to overwrite somebody else's kernel, or to stand before it in Jupyter's list."""
    if not _is_ours(folder) and os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise _RefusalError(
            f"{folder} is not a kernel of rpyc-kernel's and stays as it is; choose another name with --name."
        )
    manager = KernelSpecManager()
    if str(folder.parent) in manager.kernel_dirs:
        other = manager.find_kernel_specs().get(name)
        if other is not None and not _is_ours(Path(other)):
            raise _RefusalError(f"Another kernel has the name {name} ({other}); choose another one with --name.")


def _write(folder: Path, spec: dict[str, Any]) -> None:
    """Write the kernelspec. An older one of ours stays whole until the new kernel.json replaces its own."""
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
        raise _RefusalError(
            f"The kernel can't be written to {folder} ({error.strerror}); "
            "choose another place with --user, --sys-prefix or --prefix.",
            1,
        ) from None


def _remove(folder: Path) -> None:
    if not os.path.lexists(folder):
        places = {Path(found) for found in KernelSpecManager().kernel_dirs}
        elsewhere = [str(place) for place in sorted(places) if _is_ours(place / folder.name)]
        hint = f" One is in {elsewhere[0]}: --sys-prefix or --prefix names the place." if elsewhere else ""
        raise _RefusalError(f"There is no kernel {folder.name} in {folder.parent}.{hint}", 1)
    if not _is_ours(folder):
        raise _RefusalError(
            f"{folder} is not a kernel of rpyc-kernel's and stays; `jupyter kernelspec uninstall` removes any kernel.",
            1,
        )
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except OSError as error:
        raise _RefusalError(f"The kernel in {folder} can't be removed ({error.strerror}).", 1) from None


if __name__ == "__main__":
    sys.exit(main())
