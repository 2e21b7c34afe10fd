"""Names of services, and what a text means where a service is named."""

from __future__ import annotations

import re

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address

SCHEME = "service"
MAX_NAME_CHARS = 100
_NAME_FORMS = f'write "{SCHEME}:" and a name that the server registers, like {SCHEME}:SLAVE'


def check_name(name: str, written: str | None = None) -> str:
    """Return *name* as registries have it: in upper case.

    Args:
        name: One of the names that a server registers.
        written: What it stood in, for the sentence.

    Raises:
        AddressError: It can't be the name of a service.
    """
    if not isinstance(name, str):
        raise AddressError(f"The name of a service is a text in quotes, not {type(name).__name__}.")
    stripped = name.strip()
    if not re.fullmatch(r"\w(?:[\w .+-]*\w)?", stripped) or len(stripped) > MAX_NAME_CHARS:
        raise AddressError(f"{syntax.cut(name if written is None else written)!r} names no service: {_NAME_FORMS}.")
    return stripped.upper()


def meant(where: str) -> Address:
    """Return the address that *where* means, for whom a bare ``NAME`` is a service.

    It is one unless it has a dot, a colon or a slash. A host must have a port then: a service has no default one.

    Raises:
        AddressError: *where* is neither an address nor a name.
    """
    if not isinstance(where, str):
        raise AddressError(f"Where a service is, is a text in quotes, not {type(where).__name__}.")
    where = where.strip()
    if where and not re.search(r"[.:/\[\]]", where):
        if where.lower() == "localhost" or where.isdigit():
            raise _needs_port(where)
        return Address(SCHEME, check_name(where))
    address = Address.parse(where)
    if "://" not in where and address.host and address.scheme != SCHEME and syntax.place(where)[1] is None:
        raise _needs_port(address.host)
    return address


def _needs_port(host: str) -> AddressError:
    hint = f', or "{SCHEME}:{host}" for the service of that name' if re.fullmatch(r"[\w.]+", host) else ""
    if host.isdigit():
        return AddressError(f'{host!r} is only a number: write "localhost:{host}" for the service at that port{hint}.')
    place = syntax.joined(host, 18861)
    return AddressError(f'{host!r} is a host: write the port of its service too, like "{place}"{hint}.')
