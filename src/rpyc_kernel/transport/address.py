"""Addresses of machines: what a user may write, its one canonical form, and what each scheme makes of it.

No scheme is known here by its name. One of ours is a file in `ways`, one of another package is an entry point
(`plugins`); both are `Transport`s.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import syntax, ways
from rpyc_kernel.transport.syntax import FORMS, shown

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Mapping

    from rpyc_kernel.transport.deadline import Deadline

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """Where a server is. ``str(address)`` is canonical: two texts that mean one place give the same.

    Attributes:
        scheme: Which `Transport` leads there, in lower case.
        host: A name or an IP address; "" where the scheme has none.
        port: ``None`` where the scheme leaves it to others, or has none.
        path: What follows the host with its slash, or the path of a file.
        user: Who one is there; "" where none is written.
        python: The Python that serves there; "" where that is left to the machine.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    user: str = ""
    python: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read *text* as ``host``, ``host:port``, ``scheme://host:port``, ``unix:///path``, ``local:`` and the like.

        Args:
            text: What a user has written. No name is looked up.

        Returns:
            The address; it gives the same again when its own text is read.

        Raises:
            AddressError: A sentence that says what is wrong and what to write.
        """
        if not isinstance(text, str):  # pyright and mypy know, a cell doesn't
            raise AddressError(f"An address is a text in quotes, not {type(text).__name__}. {FORMS}")
        text = text.strip()
        if not text:
            raise AddressError(f"The address is empty. {FORMS}")
        scheme, rest = ways.DEFAULT, text
        if match := _SCHEME.fullmatch(text):
            name = match[1].lower()
            colon_is_enough = syntax.has_way_round(name, match[3])
            if match[2] or colon_is_enough or ((ours := _ours(name)) and ours.follows_colon(match[3])):
                scheme, rest = name, match[3]
        transport = transport_of(scheme)
        python = ""
        if transport.takes_python:
            text, rest, python = syntax.split_python(text, rest)
        if syntax.has_blanks(text) and not transport.takes_blanks:
            raise AddressError(f"{shown(text)} has a space or control character in it. {FORMS}")
        address = transport.parse(text, rest)
        return dataclasses.replace(address, python=python) if python else address

    def with_python(self, python: str | None) -> Address:
        """Return the address by which that Python serves; this one where its transport doesn't choose one.

        Args:
            python: As after ``?python=`` in an address; None leaves what the address says.

        Raises:
            AddressError: It can't name a Python.
        """
        if not python or not self.transport.takes_python:
            return self
        return dataclasses.replace(self, python=syntax.check_python(str(self), python))

    @property
    def transport(self) -> Transport:
        """The `Transport` of the scheme."""
        return transport_of(self.scheme)

    def take_python(self, config: dict[str, Any]) -> Address:
        """Take the Python out of *config*, of a session, where the address chooses it: it serves there, too.

        Returns:
            The address by which that Python serves, unless this one names another.

        Raises:
            AddressError: It can't name a Python.
        """
        python = config.pop("python", None) if self.transport.takes_python else None
        return self if self.python else self.with_python(python)

    def __str__(self) -> str:
        return self.transport.text(self) + syntax.python_part(self.python)

    @property
    def display(self) -> str:
        """A short name for messages and status lines: the default port is left out."""
        return str(self) if self.python else self.transport.display(self)

    @property
    def name(self) -> str:
        """What a notebook calls the machine that has no other name: all of it but what only programs know."""
        return self.transport.name(self) + syntax.python_part(self.python)

    @property
    def server(self) -> tuple[str, int | None]:
        """Host and port that the server itself listens on, for hints; empty where the address only tells the way."""
        return self.transport.server(self)

    @property
    def is_loopback(self) -> bool:
        """Whether it can only mean this machine, as far as the text tells."""
        known = self.transport.loopback
        return syntax.is_loopback(self.host) if known is None else known

    def locate(self, registry: str | None = None, cancel: threading.Event | None = None) -> list[Address]:
        """Return the addresses of the servers that it stands for; but for the name of a service, that is itself.

        Args:
            registry: Which registry is asked for a name, see `discovery.registry.discover`.
            cancel: Ends the asking.

        Raises:
            DiscoveryError: No such server is known.
        """
        return self.transport.locate(self, registry, cancel)


class Transport:
    """A way to machines, by its scheme: how its addresses are read and shown, and how a socket comes of one.

    Here an address is ``scheme://user@host:port``. A subclass says what is different with its own.

    Attributes:
        scheme: In lower case.
        default_port: The port of an address that names none.
        takes_user: Whether an address may name a user.
        takes_python: Whether an address may say which Python serves there, as ``?python=``.
        patience: How many times longer than a connection by TCP dialling may take.
        stock: Whether the server there may be RPyC's own, of any version.
        takes_blanks: Whether a space may stand in an address.
        keeps_case: Whether hosts that differ in upper and lower case may be two; elsewhere they are in lower case.
        inapplicable: The options of ``%connect`` that mean nothing at such an address, and the sentence for each.
        loopback: Whether such an address can only mean this machine; None where its host tells.
        unprotected: Whether whoever reaches a server at such an address can run code there.
    """

    default_port: ClassVar[int | None] = None
    takes_user: ClassVar[bool] = True
    takes_python: ClassVar[bool] = False
    patience: ClassVar[float] = 1.0
    stock: ClassVar[bool] = True
    takes_blanks: ClassVar[bool] = False
    keeps_case: ClassVar[bool] = False
    inapplicable: ClassVar[Mapping[str, str]] = {
        "registry": "--registry goes with service:NAME; an address is not looked up in a registry."
    }
    loopback: ClassVar[bool | None] = None
    unprotected: ClassVar[bool] = False

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    def follows_colon(self, rest: str) -> bool:
        """Return whether ``scheme:`` and *rest*, without slashes, is such an address, and not a host and its port."""
        return False

    def parse(self, text: str, rest: str) -> Address:
        """Read the address *text*, of which *rest* follows the scheme. Raises AddressError."""
        user, place = syntax.split_user(text, rest)
        if user is not None and not self.takes_user:
            raise AddressError(f'{shown(text)}: a user is no part of an RPyC address. Write "{place}".')
        if user is not None:
            syntax.check_user(text, user)
        host, port = syntax.host_and_port(text, place, keep_case=self.keeps_case)
        return Address(self.scheme, host, self.default_port if port is None else port, user=user or "")

    def text(self, address: Address) -> str:
        """Return the canonical text of *address*."""
        user = f"{address.user}@" if address.user else ""
        return f"{self.scheme}://{user}{syntax.joined(address.host, address.port)}{address.path}"

    def name(self, address: Address) -> str:
        """Return what a notebook calls the machine, without its Python."""
        return self.text(address)

    def display(self, address: Address) -> str:
        """Return a short name of *address* for messages."""
        short = self.default_port is not None and address.port == self.default_port and not address.user
        return address.host if short else self.text(address)

    def server(self, address: Address) -> tuple[str, int | None]:
        """Return the host and the port that the server listens on; ``("", None)`` where *address* doesn't tell."""
        return "", None

    def locate(
        self, address: Address, registry: str | None = None, cancel: threading.Event | None = None
    ) -> list[Address]:
        """Return the addresses of the servers that *address* stands for, the first to be tried first."""
        return [address]

    def is_settled(self, address: Address) -> bool:
        """Return whether *address* says by itself which server is meant; else `locate` has to ask, or to start one."""
        return True

    def told(self, server: Address) -> tuple[str, ...]:
        """Return sentences for the user about a *server* that `locate` has found."""
        return ()

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Return a stream socket that is connected to the server at *address*.

        Raises:
            DialError: There is no way there, or none that was found before *deadline*.
        """
        raise NotImplementedError

    def proved(self, address: Address) -> tuple[str, str] | None:
        """Return what an open connection has proved, as the name of that step and a text; None where it is nothing."""
        return None

    def closed_hint(self, address: Address) -> str:
        """Return why a server may hang up before it answers, and what to do; "" where its way doesn't tell."""
        return ""

    def open_classic(self, address: Address, deadline: Deadline) -> socket.socket:
        """Return a socket as `open_socket` does, for a client that wants all of RPyC's classic service."""
        return self.open_socket(address, deadline)


_transports: dict[str, Transport] = {}  # those that were needed, by scheme


def transport_of(scheme: str) -> Transport:
    """Return what *scheme* (in lower case) means: one of ours, or what any package that has it brings."""
    return _ours(scheme) or _transports.setdefault(scheme, ways.foreign().Plugin(scheme))


def _ours(scheme: str) -> Transport | None:
    if scheme not in _transports and (module := ways.find(scheme)):
        _transports[scheme] = module.TRANSPORT
    return _transports.get(scheme)
