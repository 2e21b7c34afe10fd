"""``docker://user@container``: into a running container, by ``docker exec``. Nothing of it has to be published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AddressError, DialError, ProgramError
from rpyc_kernel.transport import remote_python, syntax
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.program import ProgramEnd, ProgramTransport

if TYPE_CHECKING:
    from collections.abc import Sequence


class Container(ProgramTransport):
    """``host`` is the container's name or id; the scheme is the program that knows it."""

    def parse(self, text: str, rest: str) -> Address:
        """Take *rest* for a user, if one is named, and a container. Raises AddressError."""
        user, name = syntax.split_user(text, rest.removesuffix("/"))
        if user is not None:
            syntax.check_user(text, user)
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
            raise AddressError(f'{syntax.shown(text)} names no container. Write "{self.scheme}://NAME".')
        return Address(self.scheme, name, user=user or "")

    def command(self, address: Address) -> Sequence[str]:
        """Return ``docker exec … container sh``."""
        user = ["--user", address.user] if address.user else []
        return [self.scheme, "exec", "--interactive", *user, address.host, "/bin/sh", "-c", remote_python.SHELL]

    def install_hint(self) -> str:
        """Return how to install it."""
        return f"Install {self.scheme}, or go to the machine that the container runs on, by ssh://user@host."

    def explain(self, address: Address, outcome: ProgramEnd) -> DialError | None:
        """Return the error for what docker, or podman, has said."""
        said, program, name = outcome.errors, self.scheme, address.host
        told = mend = ""
        if re.search(r"no such container|no container with name or id", said, re.IGNORECASE):
            told, mend = f"there is no container {name}.", f"{program} ps --all lists those that are there."
        elif re.search(r"is not running|container state improper|is paused", said):
            told, mend = f"the container {name} is not running.", f"Start it with: {program} start {name}"
        elif re.search(r"permission denied.*(docker|podman)", said, re.IGNORECASE):
            told, mend = f"you may not use {program} here.", f"Try it in a terminal: {program} ps"
        elif re.search(r"cannot connect to|is the docker daemon running", said, re.IGNORECASE):
            told = f"the service of {program} does not run here."
            mend = f"Start it, and try it in a terminal: {program} ps"
        elif re.search(r"/bin/sh.*no such file or directory", said, re.IGNORECASE):
            told = f"the container {name} has no /bin/sh, by which a Python would be looked for."
        return ProgramError(address, told, mend) if told else None


TRANSPORT = Container("docker")
