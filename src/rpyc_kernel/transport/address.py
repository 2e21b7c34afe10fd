"""Addresses of machines: what a user may write, and its one canonical form."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import plugins

DEFAULT_PORT = 18812  # rpyc's own for a classic server
DEFAULT_TLS_PORT = 18821  # and for a classic server behind TLS

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_NETWORK_PORTS: dict[str, int | None] = {"rpyc": DEFAULT_PORT, "rpycs": DEFAULT_TLS_PORT, "ssh": None}
_FORMS = 'Write "host", "host:port" or "unix:///path".'
TUNNEL = "ssh -N -L 18812:127.0.0.1:18812 user@host"
NOT_YET = {
    "rpycs": "connections with TLS (rpycs://) are not supported yet. Let a server there listen on 127.0.0.1 without "
    f"TLS, lead an ssh tunnel to it ({TUNNEL}), and use localhost.",
    "ssh": "connections through ssh (ssh://) are not supported yet. Start an RPyC server there and use host:port, or "
    f"lead a tunnel to it ({TUNNEL}) and use localhost.",
}
"""Why an address that is understood can't be dialled, by its scheme. No message may recommend one of these."""
_LONGEST_PATH = 107  # of a Unix socket on Linux, in bytes (unix(7)); the ending NUL makes it 108
_LONGEST_NAME = 253  # of a host (RFC 1035)


@dataclass(frozen=True)
class Address:
    """Where a server is. ``str(address)`` is canonical: two texts that mean one place give the same.

    *port* is ``None`` where the scheme leaves it to others (``ssh``: the user's configuration) or has none.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    user: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read *text* as ``host``, ``host:port``, ``scheme://host:port``, ``unix:///path`` or ``local:``.

        The scheme of another package's transport (see `plugins`) may have a path behind the host, or instead of it.
        Raises AddressError with a sentence that says what is wrong and what to write. No name is looked up.
        """
        if not isinstance(text, str):  # pyright and mypy know, a cell doesn't
            raise AddressError(f"An address is a text in quotes, not {type(text).__name__}. {_FORMS}")
        text = text.strip()
        if not text:
            raise AddressError(f"The address is empty. {_FORMS}")
        if re.search(r"[\s\x00-\x1f\x7f]", text):
            raise AddressError(f"{_shown(text)} has a space or control character in it. {_FORMS}")
        if text.lower() == "local:":
            return cls("local")
        if text.lower().startswith("unix:"):
            return cls("unix", path=_socket_path(text))
        scheme, rest = "rpyc", text
        if match := _SCHEME.fullmatch(text):
            scheme, rest = match[1].lower(), match[2]
        if scheme in ("http", "https", "ws", "wss"):
            raise AddressError(
                f"{_shown(text)} is the address of a web page. The kernel needs an RPyC server: {_FORMS}"
            )
        if scheme not in _NETWORK_PORTS:
            return cls._of_plugin(scheme, text, rest)
        user, rest = _split_user(scheme, text, rest)
        host, port = _split_port(text, rest)
        return cls(scheme, _host(text, host), _NETWORK_PORTS[scheme] if port is None else port, user=user)

    @classmethod
    def _of_plugin(cls, scheme: str, text: str, rest: str) -> Address:
        if not plugins.is_known(scheme):
            raise AddressError(
                f"{_shown(text)}: there is no way to {scheme}:// addresses, nor an installed package that adds it. "
                f"{_FORMS}"
            )
        if cut := re.search(r"[?#]", text):  # where others put tokens
            raise AddressError(f'{_shown(text[: cut.start()])}: an address ends before a "?" or "#".')
        place, slash, path = rest.partition("/")
        path = _plugin_path(text, path)
        user, place = _split_user(scheme, text, place)
        if slash and path and not place and not user:  # a device, a container …
            return cls(scheme, path=path)
        host, port = _split_port(text, place)
        return cls(scheme, _host(text, host), port, path, user)

    def __str__(self) -> str:
        if self.scheme == "local":
            return "local:"
        if self.scheme == "unix":
            return f"unix://{self.path}"
        place = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            place = f"{place}:{self.port}"
        if self.scheme == "rpyc":
            return place
        return f"{self.scheme}://{self.user}@{place}{self.path}" if self.user else f"{self.scheme}://{place}{self.path}"

    @property
    def display(self) -> str:
        """A short name for messages and status lines: the default port is left out."""
        if self.scheme == "local":
            return "this machine"
        if self.scheme in _NETWORK_PORTS and self.port == _NETWORK_PORTS[self.scheme] and not self.user:
            return self.host
        return str(self)

    @property
    def server(self) -> tuple[str, int | None]:
        """Host and port that the server itself listens on, for hints; empty where the address only tells the way."""
        return (self.host, self.port) if self.scheme in ("rpyc", "rpycs") else ("", None)

    @property
    def is_loopback(self) -> bool:
        """Whether it can only mean this machine, as far as the text tells."""
        if self.scheme in ("local", "unix"):
            return True
        if self.scheme not in _NETWORK_PORTS:  # the host may be a place on the way
            return False
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_place(text: str) -> tuple[str, int | None]:
    """Read *text* as ``host`` or ``host:port``, for what has a default port of its own. Raises AddressError."""
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise AddressError(f"{_shown(text)} has a space or control character in it.")
    host, port = _split_port(text, text)
    return _host(text, host), port


def _shown(text: str) -> str:
    """*text* for a message: without a secret, and not longer than a line."""
    if "@" in text:
        text = re.sub(r"(^|//)[^@]*:.*@", r"\1...@", text)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _split_user(scheme: str, text: str, rest: str) -> tuple[str, str]:
    user, at, place = rest.rpartition("@")
    if not at:
        return "", rest
    if ":" in user:
        raise _no_secrets(text)
    if scheme in ("rpyc", "rpycs"):
        raise AddressError(f'{_shown(text)}: a user is no part of an RPyC address. Write "{place}".')
    if not re.fullmatch(r"[\w.][\w.+-]*\$?", user):  # a leading "-" would be an option of the ssh command
        raise AddressError(f"{_shown(text)}: {user!r} is no user name.")
    return user, place


def _no_secrets(text: str) -> AddressError:
    return AddressError(
        f"{_shown(text)}: a password does not belong into an address, where notebooks and logs keep it. "
        "Leave it out; you are asked for it where one is needed."
    )


def _plugin_path(text: str, path: str) -> str:
    """What follows the host of another package's address, with its slash; "" where nothing does."""
    if re.search(r":[^/]*@", path):
        raise _no_secrets(text)
    if not path.isprintable():
        raise AddressError(f"{_shown(text)}: the path has a character in it that can't be shown.")
    return f"/{path}" if path else ""


def _split_port(text: str, rest: str) -> tuple[str, int | None]:
    rest = rest.removesuffix("/")
    if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", rest):
        host, port = match[1], match[2]
        if ":" not in host:
            raise AddressError(f"{_shown(text)}: brackets are for IPv6 addresses, like [::1]:{DEFAULT_PORT}.")
    elif rest.count(":") > 1:  # an IPv6 address without brackets has no port
        host, port = rest, None
    else:
        host, colon, after = rest.partition(":")
        port = after if colon else None
    if not host:
        hint = f' Did you mean "localhost:{port}"?' if port else ""
        raise AddressError(f"{_shown(text)} names no host.{hint} {_FORMS}")
    if port is None:
        return host, None
    if not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise AddressError(f"{_shown(text)}: the port must be a number from 1 to 65535, not {_shown(port)}.")
    return host, int(port)


def _host(text: str, host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise AddressError(
                f"{_shown(text)}: {_shown(host)} is no IPv6 address, and a host has only one port. {_FORMS}"
            ) from None
    if re.fullmatch(r"[0-9]+", host):  # a resolver would take 18812 for 0.0.73.124
        raise AddressError(f'{_shown(text)} is only a number. Did you mean "localhost:{host}"? {_FORMS}')
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError(f"{_shown(text)}: {host!r} is no IPv4 address, like 192.168.43.44.") from None
    if not re.fullmatch(r"[^\W_]([\w-]*\w)?(\.[^\W_]([\w-]*\w)?)*\.?", host):
        raise AddressError(f"{_shown(text)}: {_shown(host)} is no host name. {_FORMS}")
    try:
        if len(host.encode("idna")) > _LONGEST_NAME:
            raise AddressError(f"{_shown(text)}: the host name is too long.")
    except UnicodeError:  # also what the codec says to a label of more than 63 letters
        raise AddressError(f"{_shown(text)}: {_shown(host)} is no host name. {_FORMS}") from None
    return host.lower()


def _socket_path(text: str) -> str:
    path = text[len("unix:") :].removeprefix("//")
    if not path.startswith("/"):
        raise AddressError(f"{_shown(text)}: a Unix socket is named by its whole path, like unix:///run/user/1000/s.")
    try:
        length = len(os.fsencode(path))
    except UnicodeError:
        raise AddressError(f"{_shown(text)} is no path on this machine.") from None
    if length > _LONGEST_PATH:
        raise AddressError(f"{_shown(text)}: the path of a Unix socket has at most {_LONGEST_PATH} bytes.")
    return path
