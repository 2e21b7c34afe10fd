"""The pieces that addresses are made of: hosts, ports, users, paths. Each is checked, and put into its one form.

Whatever is wrong becomes an AddressError, whose sentence says what to write instead and never repeats a secret. No name
is looked up here.
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import quote, unquote

from rpyc_kernel.errors import AddressError

FORMS = 'Write "ssh://user@host", "host", "host:port" or "unix:///path".'
_WAYS_ROUND = {
    "serial": "Have the board speak IP over that cable, by a USB gadget (g_ether) or PPP (pppd at both ends), and "
    "write the address that it has then, like ssh://user@host."
}
MAX_SHOWN_CHARS = 80
MAX_HOST_BYTES = 253  # of a name (RFC 1035)
MAX_SOCKET_PATH_BYTES = 107  # of a Unix socket on Linux (unix(7)); the ending NUL makes it 108
MAX_PYTHON_CHARS = 1000
_EXAMPLE_PORT = 18812


def shown(text: str) -> str:
    """Return *text* in quotes for a message: without a secret, and not longer than a line."""
    if "@" in text:
        text = re.sub(r"(^|//)[^@]*:.*@", r"\1...@", text)
    return repr(cut(text))


def cut(text: str) -> str:
    """Return *text*, or its beginning where it is longer than a line."""
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."


def options_of(text: str, written: str) -> dict[str, str]:
    """Return the options that are *written* behind the ``?`` of the address *text*, ``NAME=VALUE&NAME=VALUE``.

    Raises:
        AddressError: One of them is written twice.
    """
    pairs = [option.partition("=")[::2] for option in written.split("&")]
    found = {name: unquote(value) for name, value in pairs}
    if len(found) < len(pairs):
        raise AddressError(f"{shown(text)}: an option is written twice.")
    return found


def options_in(path: str) -> dict[str, str]:
    """Return the options that are kept in the ``path`` of an `Address`, quoted, as they stand in its text."""
    return {name: unquote(value) for name, value in re.findall(r"[?&](\w+)=([^&]*)", path)}


def has_blanks(text: str) -> bool:
    """Return whether a space or control character is in *text*."""
    return bool(re.search(r"[\s\x00-\x1f\x7f]", text))


def split_user(text: str, rest: str) -> tuple[str | None, str]:
    """Split *rest* of the address *text* into a user (None where none is written) and the rest. Refuses passwords."""
    user, at, place = rest.rpartition("@")
    if not at:
        return None, rest
    if ":" in user:
        raise _no_secrets(text)
    return user, place


def check_user(text: str, user: str) -> None:
    """Raise AddressError unless *user* can be a user's name."""
    if not re.fullmatch(r"[\w.][\w.+-]*\$?", user):  # a leading "-" would be an option of the ssh command
        raise AddressError(f"{shown(text)}: {user!r} is no user name.")


def split_python(text: str, rest: str) -> tuple[str, str, str]:
    """Split ``?python=…`` off an address *text* and its *rest*. Returns both without it, and the Python or ""."""
    before, mark, options = text.partition("?")
    if not mark:
        return text, rest, ""
    name, equals, value = options.partition("=")
    if name != "python" or not equals or "&" in value:
        raise AddressError(f'{shown(before)}: the only option of an address is "?python=PATH".')
    return before, rest.partition("?")[0], check_python(before, unquote(value))


def check_python(text: str, python: str) -> str:
    """Return what is to name a Python at the address *text*. Raises AddressError where it can't."""
    python = python.strip()
    if not python or not python.isprintable() or len(python) > MAX_PYTHON_CHARS or python.startswith("-"):
        raise AddressError(f"{shown(text)}: {shown(python)} names no Python. Write a path, or an environment's name.")
    if not re.search(r"[/~\\]", python) and not re.fullmatch(r"[\w.+-]+", python):
        raise AddressError(f"{shown(text)}: {shown(python)} is neither a path nor the name of an environment.")
    return python


def python_part(python: str) -> str:
    """Return the end of an address that says which Python serves there."""
    return f"?python={quote(python, safe='/~+:')}" if python else ""


def host_and_port(text: str, rest: str, *, keep_case: bool = False) -> tuple[str, int | None]:
    """Read *rest* of the address *text* as ``host`` or ``host:port``. The port is None where none is written.

    The host is in lower case, unless *keep_case*.
    """
    rest = rest.removesuffix("/")
    if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", rest):
        host, port = match[1], match[2]
        if ":" not in host:
            raise AddressError(f"{shown(text)}: brackets are for IPv6 addresses, like [::1]:{_EXAMPLE_PORT}.")
    elif rest.count(":") > 1:  # an IPv6 address without brackets has no port
        host, port = rest, None
    else:
        host, colon, after = rest.partition(":")
        port = after if colon else None
    if not host:
        hint = f' Did you mean "localhost:{port}"?' if port else ""
        raise AddressError(f"{shown(text)} names no host.{hint} {FORMS}")
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise AddressError(f"{shown(text)}: the port must be a number from 1 to 65535, not {shown(port)}.")
    host = _host(text, host)
    return host if keep_case else host.lower(), None if port is None else int(port)


def place(text: str) -> tuple[str, int | None]:
    """Read *text* as ``host`` or ``host:port``, for what has a default port of its own. Raises AddressError."""
    if has_blanks(text):
        raise AddressError(f"{shown(text)} has a space or control character in it.")
    return host_and_port(text, text)


def _host(text: str, host: str) -> str:
    if ":" in host:
        host = re.sub(r"%25(?=.)", "%", host)  # as in a URL (RFC 6874)
        try:
            if not re.fullmatch(r"[^%]+(%[\w.-]+)?", host, re.ASCII):
                raise ValueError("a zone that no interface has")
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise AddressError(
                f"{shown(text)}: {shown(host)} is no IPv6 address, and a host has only one port. {FORMS}"
            ) from None
    if re.fullmatch(r"[0-9]+", host):  # a resolver would take 18812 for 0.0.73.124
        raise AddressError(f'{shown(text)} is only a number. Did you mean "localhost:{host}"? {FORMS}')
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError(f"{shown(text)}: {host!r} is no IPv4 address, like 192.168.43.44.") from None
    if not re.fullmatch(r"[^\W_]([\w-]*\w)?(\.[^\W_]([\w-]*\w)?)*\.?", host):
        raise AddressError(f"{shown(text)}: {shown(host)} is no host name. {FORMS}")
    try:
        if len(host.encode("idna")) > MAX_HOST_BYTES:
            raise AddressError(f"{shown(text)}: the host name is too long.")
    except UnicodeError:  # also what the codec says to a label of more than 63 letters
        raise AddressError(f"{shown(text)}: {shown(host)} is no host name. {FORMS}") from None
    if re.search(r"(^|\.)xn--", host.lower()):  # the same name, as name servers have it
        try:
            host = host.lower().encode("ascii").decode("idna")
        except UnicodeError:
            raise AddressError(f"{shown(text)}: {shown(host)} is no host name. {FORMS}") from None
    return host


def path_behind_host(text: str, path: str) -> str:
    """Check what follows a host and its slash. Returns it with that slash; "" where nothing follows."""
    if re.search(r":[^/]*@", path):
        raise _no_secrets(text)
    if not path.isprintable():
        raise AddressError(f"{shown(text)}: the path has a character in it that can't be shown.")
    return f"/{path}" if path else ""


def socket_path(text: str, path: str) -> str:
    """Check the path of a Unix socket, and return it."""
    if not path.startswith("/"):
        raise AddressError(f"{shown(text)}: a Unix socket is named by its whole path, like unix:///run/user/1000/s.")
    try:
        length = len(os.fsencode(path))
    except UnicodeError:
        raise AddressError(f"{shown(text)} is no path on this machine.") from None
    if length > MAX_SOCKET_PATH_BYTES:
        raise AddressError(f"{shown(text)}: the path of a Unix socket has at most {MAX_SOCKET_PATH_BYTES} bytes.")
    return path


def joined(host: str, port: int | None) -> str:
    """Return both as they stand in an address: an IPv6 address in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether *host* can only mean this machine, as far as its text tells."""
    host = host.lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_way_round(scheme: str, rest: str) -> bool:
    """Return whether ``scheme:`` and *rest*, without slashes, is no host and its port, but what has another way."""
    return scheme in _WAYS_ROUND and not rest.isdigit()


def unknown_scheme(text: str, scheme: str) -> AddressError:
    """Return the error for the address *text*, whose *scheme* nobody knows."""
    hint = _WAYS_ROUND.get(scheme, FORMS)
    return AddressError(
        f"{shown(text)}: there is no way to {scheme}:// addresses, nor an installed package that adds it. {hint}"
    )


def _no_secrets(text: str) -> AddressError:
    return AddressError(
        f"{shown(text)}: a password does not belong into an address, where notebooks and logs keep it. "
        "Leave it out: ssh logs in by a key (ssh-copy-id), and rpycs:// by a pairing (rpyc-kernel pair), once."
    )
