"""``rpycs://host:port``: RPyC behind TLS, for whoever is paired with the server, or has a certificate for it.

``rpycs://host?cafile=FILE&certfile=FILE&keyfile=FILE`` names files of this machine, and no pairing: the authorities
that must have signed the server's certificate (without them, the system's), and a certificate of our own with its key.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.syntax import options_in, options_of, shown
from rpyc_kernel.transport.ways.rpyc import Rpyc

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from rpyc_kernel.transport.deadline import Deadline

FILES = ("cafile", "certfile", "keyfile")
MAX_PATH_CHARS = 1000


class Rpycs(Rpyc):
    """A host and a port. Of an `Address`, ``path`` has the files, as they stand behind the port."""

    default_port = 18821  # RPyC's own for a classic server behind TLS
    unprotected = False
    text = Transport.text

    def parse(self, text: str, rest: str) -> Address:
        """Read an address, with files or without. Raises AddressError."""
        (before, *_), (place, mark, options) = text.partition("?"), rest.partition("?")
        address = super().parse(before, place)
        if not mark:
            return address
        return with_files(address, options_of(before, options))

    def display(self, address: Address) -> str:
        """Return the address without the usual port and without files."""
        return self.text(dataclasses.replace(address, path="")).removesuffix(f":{self.default_port}")

    def open_socket(self, address: Address, deadline: Deadline) -> ssl.SSLSocket:
        """Connect to the server, and have both sides prove who they are. Raises a DialError, within *deadline*."""
        return _open(address, deadline, classic=False)

    def proved(self, address: Address) -> tuple[str, str]:
        """Return by what both sides have proved who they are."""
        if files := files_of(address):
            by = files.get("cafile", "an authority that this system trusts")
            return "certificate", f"TLS; the server's is for {address.host}, by {by}"
        from rpyc_kernel.agent.serve.certificate import shown as fingerprint  # noqa: PLC0415
        from rpyc_kernel.transport import paired  # noqa: PLC0415 - an address may also only be read

        if (pairing := paired.find(address)) is None:
            return "pairing", "TLS; both sides have proved it, by the pairing with another address of that server"
        return "pairing", f"TLS; as {pairing.name}, proved by both sides; pinned {fingerprint(pairing.fingerprint)}"

    def closed_hint(self, address: Address) -> str:
        """Return what a server may miss that hangs up behind TLS: under TLS 1.3 it says so to nobody who only reads."""
        look = "and look at what the server printed there."
        if not (files := files_of(address)):
            return (
                f"It may want certificates instead of a pairing: name them with --cafile, --certfile, --keyfile, {look}"
            )
        if "certfile" not in files:
            return f"It may want a certificate of this machine: name one with --certfile and --keyfile, {look}"
        return (
            f"It may not accept this machine's certificate, {files['certfile']}: see which authorities sign for that "
            f"server (serve has them by --client-ca), until when the certificate is good, {look}"
        )

    def open_classic(self, address: Address, deadline: Deadline) -> ssl.SSLSocket:
        """Connect for all of RPyC's classic service, which a server of ours has with ``--classic``."""
        return _open(address, deadline, classic=True)


def _open(address: Address, deadline: Deadline, *, classic: bool) -> ssl.SSLSocket:
    from rpyc_kernel.transport import certified, proving  # noqa: PLC0415 - an address may also only be read

    if address.path:
        return certified.open_certified(address, deadline, files_of(address))
    return proving.open_admitted(address, deadline, classic=classic)


def with_files(address: Address, files: Mapping[str, str]) -> Address:
    """Return *address* with files of this machine, by their names in `FILES`.

    Raises:
        AddressError: It is no such address, or a name or a path is none.
    """
    if address.scheme != "rpycs":
        raise AddressError(f"{address} takes no certificates; rpycs:// addresses do.")
    files = {**files_of(address), **files}
    for name, path in files.items():
        if name not in FILES:
            raise AddressError(f"{address} has no option {shown(name)}; it takes {', '.join(FILES)}.")
        if not path or not path.isprintable() or len(path) > MAX_PATH_CHARS:
            raise AddressError(f"{address}: {name} is the path of a file, not {shown(path)}.")
    if "keyfile" in files and "certfile" not in files:
        raise AddressError(f"{address}: keyfile is the key of a certificate, which certfile names.")
    paths = {name: str(Path(files[name]).expanduser().absolute()) for name in FILES if name in files}
    return dataclasses.replace(address, path="?" + "&".join(f"{name}={quote(path)}" for name, path in paths.items()))


def files_of(address: Address) -> dict[str, str]:
    """Return the files that *address* names, by their names in `FILES`."""
    return options_in(address.path)


TRANSPORT = Rpycs("rpycs")
