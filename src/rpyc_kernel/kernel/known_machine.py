"""The machine that is known when the kernel's process begins, by an option or by the kernel before this one.

It is found without Jupyter, whose import takes most of a kernel's start: the session there begins meanwhile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import CommandError
from rpyc_kernel.hosts.target import find
from rpyc_kernel.kernel.sessions.config import DEFAULT_KEEP_S, session_config
from rpyc_kernel.kernel.sessions.state_file import StateFile
from rpyc_kernel.link.head_start import HeadStart
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_ASKED = re.compile(r"=\{rpyc_\w+\}$")  # as `cli.kernelspec` writes it, by Jupyter's enhancement proposal 87
_OPTION = re.compile(r"--?(?:RpycKernel\.)?(address|keep|cwd|python|remote_shell|f)(?:=(.*))?", re.DOTALL)

begun: HeadStart | None = None
"""The head start of this process, where there is one."""


def begin(argv: Sequence[str]) -> None:
    """Have the session of a kernel with these options begin, on a thread, where they name a machine.

    A kernel with more options than are understood here has none: its session may be another.
    """
    global begun
    given = _options([each for each in argv if not NOT_ASKED.search(each)])
    if given is not None:
        begun = HeadStart(lambda: _find(given))


def _options(argv: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    rest = list(argv)
    while rest:
        option = _OPTION.fullmatch(rest.pop(0))
        if option is None or (option[2] is None and not rest):
            return None
        found[option[1]] = option[2] if option[2] is not None else rest.pop(0)
    return found


def _find(given: dict[str, str]) -> tuple[Address, dict[str, Any] | None]:
    """Return where the first cell will go, as the kernel's resolver decides it. Raises a RpycKernelError."""
    known = StateFile(given.get("f")).known
    if known.session:
        return Address.parse(known.address), None
    text = known.address if known.named else given.get("address", "")
    if not text:
        raise CommandError("no machine is known yet")
    target = find(text)
    if not target.address.transport.is_settled(target.address):
        raise CommandError("which machine that is will be asked with the first cell")
    if known.config:
        return target.address, known.config
    try:
        keep = float(given.get("keep", DEFAULT_KEEP_S))
    except ValueError:
        raise CommandError("traitlets will say what is wrong with it") from None
    config = session_config(
        keep=keep,
        kept="keep" in given,
        shell=given.get("remote_shell", "auto"),
        cwd=given.get("cwd", ""),
        python=given.get("python", ""),
    )
    return target.address, target.config(config)
