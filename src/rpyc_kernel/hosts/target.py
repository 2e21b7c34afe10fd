"""Where a text leads that names a machine: a saved name, or an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.errors import AddressError
from rpyc_kernel.hosts import file
from rpyc_kernel.hosts.person import person
from rpyc_kernel.hosts.saved import name_of
from rpyc_kernel.transport.address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Target:
    """A machine that was named.

    Attributes:
        address: Its address, with the saved Python where such an address chooses one.
        options: How sessions begin there, by what else was saved: ``python``, ``cwd``, ``env``, or none of them.
        name: The name under which it is saved, "" where an address was written.
    """

    address: Address
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # there may be secrets in ``env``
    name: str = ""

    @property
    def display(self) -> str:
        """The name of the machine in sentences."""
        return self.name or self.address.display

    def config(self, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return *defaults*, saved and *given* options, of which the later go before; of ``env`` each variable."""
        parts = (defaults or {}, self.options, given)
        merged = {key: value for part in parts for key, value in part.items()}
        if "env" in merged:
            merged["env"] = {name: value for part in parts for name, value in part.get("env", {}).items()}
        return merged

    def config_without_kernel(self, session: str, keep: float, shell: str = "auto") -> dict[str, Any]:
        """Return how a session begins there that no kernel configures.

        Args:
            session: What people call it.
            keep: Seconds that it stays, idle and without anybody connected.
            shell: ``auto``, ``plain`` or ``ipython``.
        """
        own = {"name": session, "keep": keep, "shell": shell, "agent": __version__, "env": {}}
        own["person"] = person()
        return self.config({}, own)

    def start(
        self, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> tuple[Address, dict[str, Any]]:
        """Return the address and the configuration with which a session begins there.

        Args:
            given: Options that go before the saved ones.
            defaults: Options that the saved ones go before.

        Raises:
            AddressError: The given Python can't be one.
        """
        config = self.config(given, defaults)
        return self.address.with_python(given.get("python")).take_python(config), config


def find(text: str) -> Target:
    """Return where *text* leads. A saved name goes before a host of that name; with its port it is always a host.

    Raises:
        AddressError: It is no address, and no machine is saved under it.
        HostsFileError: It may be a saved name, and the file of these can't be read or understood.
    """
    name = name_of(text)
    host = file.load().get(name) if name else None
    if host is None:
        return Target(Address.parse(text))
    return Target(*host.where, host.name)


def find_tls(text: str) -> Address:
    """Return the server behind TLS that *text* names: a saved name, ``host``, ``host:port`` or a whole address.

    Raises:
        AddressError: It is none, or one that needs no pairing.
        HostsFileError: It may be a saved name, and the file of these can't be read or understood.
    """
    target = find(text)
    address = target.address if target.name or "://" in text else Address.parse(f"rpycs://{text.strip()}")
    if address.scheme != "rpycs":
        raise AddressError(
            f"{address} needs no pairing and takes no certificates; only servers at rpycs:// addresses do."
        )
    return address
