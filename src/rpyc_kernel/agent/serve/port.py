"""Serving on a port: by TLS, and for nobody but paired clients, or those whose certificate an authority has signed."""

from __future__ import annotations

import socket
import time

from .admission import Admission
from .certificate import Certificate, own_certificate, reason_of, shown
from .options import DEFAULT_PORT
from .pairing import CODE_SECONDS, Codes
from .places import PlaceError, holder
from .store import Clients, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Optional, Set

    from .admission import Admitted
    from .daemon import Daemon
    from .log import EventLog

LOOK_INTERVAL_S = 2.0  #: in which a client that was forgotten loses its connections
POLL_INTERVAL_S = 0.2  #: for whether a code was used


class Pairings:
    """This user's certificate, clients and code.

    Raises:
        PlaceError: They can't be kept here.
    """

    def __init__(self) -> None:
        try:
            self.folder = home()
            self.clients = Clients(self.folder)
        except OSError as error:
            raise _unusable(error) from None
        self.codes = Codes(self.folder)
        self._code = ""
        self._paired: Set[str] = set()  # before the code was shown

    def holder(self, address: str = "") -> str:
        """Become the one server that uses them; see `places.holder`."""
        try:
            return holder(self.folder, address)
        except OSError as error:
            raise _unusable(error) from None

    def show_code(self, host: str) -> str:
        """Make a new code; returns the sentences that show it."""
        try:
            self._paired = set(self.clients.names())
            self._code = self.codes.show()
        except OSError as error:
            raise _unusable(error) from None
        return "The code is %s, for %d minutes and one client: %%pair %s, in a notebook there, asks for it." % (
            self._code,
            CODE_SECONDS // 60,
            host,
        )

    def withdraw_code(self) -> None:
        """Let the code that `show_code` has made be worth nothing, unless another one has replaced it."""
        if self._code and self.codes.shown(self._code):
            self.codes.withdraw()

    def wait_until_paired(self) -> str:
        """Wait until the code was used; returns the name of who has used it, "" if nobody has in time."""
        while self.codes.shown(self._code):
            time.sleep(POLL_INTERVAL_S)
        return next(iter(set(self.clients.names()) - self._paired), "")


class PortAdmission:
    """Lets clients in by a port.

    Args:
        pairings: Whom.
        options: See `options.declare`.
        log: The log.

    Raises:
        PlaceError: There is no certificate.
    """

    def __init__(self, pairings: Pairings, options: Namespace, log: EventLog) -> None:
        self._clients = pairings.clients
        self._log = log
        self._seconds = options.proof_time
        try:
            if options.certfile:
                certificate = Certificate(options.certfile, options.keyfile, options.client_ca)
            else:
                certificate = own_certificate(pairings.folder)
        except (OSError, ValueError) as error:
            raise (_no_certificate(options, error) if options.certfile else _unusable(error)) from None
        self.needs_proof = certificate.needs_proof
        self.fingerprint = shown(certificate.fingerprint)
        self._door = Admission(certificate, pairings.clients, pairings.codes, self._tell, options.classic)

    def admit(self, sock: socket.socket, peer: str) -> Optional[Admitted]:
        """Let a client in; see `Daemon`."""
        return self._door.admit(sock, peer, self._seconds)

    def _tell(self, event: str, **fields: Any) -> None:
        (self._log.warning if event == "refused" else self._log.info)(event, **fields)

    def look_after(self, daemon: Daemon) -> Optional[float]:
        """End the connections of clients that were forgotten; returns when to look again. For `Daemon.run`."""
        if not self.needs_proof:
            return None
        for client in daemon.connections():
            if self._clients.key(client) is None and daemon.hang_up(client):
                self._log.info("forgotten", client=client)
        return time.monotonic() + LOOK_INTERVAL_S


def address(options: Namespace) -> str:
    """Return the address of this machine for others: the named host, or the one by which its packets leave."""
    host = str(options.host)
    if not host:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("192.0.2.1", 9))  # of no machine (RFC 5737); nothing is sent
                host = str(sock.getsockname()[0])
        except OSError:
            host = socket.gethostname()
    if ":" in host:
        host = "[%s]" % host
    return host if options.port in (None, DEFAULT_PORT) else "%s:%d" % (host, options.port)


def _no_certificate(options: Namespace, error: Exception) -> PlaceError:
    """The error for files that the options name: which of them, OpenSSL doesn't tell."""
    files = [name for name in (options.certfile, options.keyfile, options.client_ca) if name]
    return PlaceError(
        "%s can't be used (%s). --certfile is a certificate in PEM, --keyfile the key that belongs to it, and "
        "--client-ca the certificate of the authority." % (" or ".join(files), reason_of(error))
    )


def _unusable(error: Exception) -> PlaceError:
    path = getattr(error, "filename", None)
    return PlaceError(
        "The server's certificate and clients can't be kept or read here: %s%s."
        % ("%s " % path if path else "", getattr(error, "strerror", None) or error)
    )
