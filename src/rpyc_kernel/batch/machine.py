"""Where something is to run: the address of a machine, and how a session begins there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address

MAX_CAUSE_CHARS = 600


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        address: Its server, or the name of a service.
        options: ``python``, ``cwd`` and ``env`` of a session, as far as they are not the server's.
        name: The name under which it is saved, "" where it isn't.
    """

    address: Address
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # there may be secrets in ``env``
    name: str = ""

    @property
    def display(self) -> str:
        """What sentences call it."""
        return self.name or self.address.display

    def config(self, name: str, keep: float, shell: str = "auto") -> dict[str, Any]:
        """Return how a session begins there.

        Args:
            name: What people call it.
            keep: Seconds that it stays, idle and without anybody connected.
            shell: ``auto``, ``plain`` or ``ipython``.
        """
        return {"name": name, "keep": keep, "shell": shell, "agent": __version__, "env": {}, **self.options}

    def died(self, end: dict[str, Any]) -> str:
        """Return the sentence for a Python that has ended there, as its keeper describes it."""
        how = plain(str(end.get("text", "ended")), MAX_CAUSE_CHARS)
        if end.get("signal") == "SIGKILL":
            how += ", as happens when its memory runs out"
        when = ", before it could run anything" if end.get("stillborn") else ""
        return f"The Python on {self.display} {how}{when}."
