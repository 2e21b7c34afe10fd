"""TLS on a connected socket, for transports: within a deadline, cancellable, and with a DialError for each failure."""

from __future__ import annotations

import selectors
import ssl
from typing import TYPE_CHECKING

from rpyc_kernel.errors import CertificateError, NotRpycError, ServerClosedError, SilentServerError
from rpyc_kernel.transport.sockets import opening

if TYPE_CHECKING:
    import socket

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

# What OpenSSL says of bytes that are no TLS.
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNEXPECTED_MESSAGE",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
)


def start_tls(
    sock: socket.socket, context: ssl.SSLContext, address: Address, deadline: Deadline, *, name: str | None = None
) -> ssl.SSLSocket:
    """Speak TLS on *sock* from now on.

    Args:
        sock: Connected; it is closed where this fails.
        context: How certificates are checked.
        address: Which the errors name.
        deadline: Of the handshake.
        name: The host name that the server's certificate must be for, where the context checks it.

    Returns:
        The socket behind TLS, non-blocking.

    Raises:
        DialError: There is no TLS, or a certificate is refused.
    """
    sock.setblocking(False)
    with opening(sock, address, deadline):
        tls = context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=name)
    with opening(tls, address, deadline):
        try:
            _shake_hands(tls, deadline)
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(address, error.verify_message or str(error)) from None
        except TimeoutError:
            raise SilentServerError(address, deadline.timeout or 0.0) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            raise ServerClosedError(address) from None
        except ssl.SSLError as error:
            reason = error.reason or "an error"
            if reason in _NO_TLS:
                hint = "A server that speaks TLS has a port of its own: rpyc-kernel serve's is 18821."
                raise NotRpycError(address, "something else than TLS", hint) from None
            raise CertificateError(address, reason.replace("_", " ").lower()) from None
    return tls


def _shake_hands(tls: ssl.SSLSocket, deadline: Deadline) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(tls, selectors.EVENT_READ)
        while True:
            try:
                tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                selector.modify(tls, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                selector.modify(tls, selectors.EVENT_WRITE)
            while not selector.select(deadline.slice()):
                if deadline.cancelled:
                    raise InterruptedError
                if deadline.expired:
                    raise TimeoutError
            if deadline.cancelled:
                raise InterruptedError
            if deadline.expired:  # also where a byte comes now and then
                raise TimeoutError
