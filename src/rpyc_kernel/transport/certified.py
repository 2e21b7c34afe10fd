"""Connects to a server by certificates that an authority has signed, at either end, instead of a pairing."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from rpyc_kernel.agent.serve import certificate
from rpyc_kernel.errors import CertificateError
from rpyc_kernel.transport.proving import open_port
from rpyc_kernel.transport.tls import start_tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline


def open_certified(address: Address, deadline: Deadline, files: Mapping[str, str]) -> ssl.SSLSocket:
    """Connect to a server whose certificate is for the host of *address*.

    Args:
        address: Of the server: ``rpyc-kernel serve --client-ca``, or RPyC's own with an ``SSLAuthenticator``.
        deadline: For all of it.
        files: ``cafile``, ``certfile`` and ``keyfile``, or some of them.

    Raises:
        DialError: There is no way there, or a certificate or file is refused.
    """
    context = _context(address, files)
    return start_tls(open_port(address, deadline), context, address, deadline, name=address.host)


def _context(address: Address, files: Mapping[str, str]) -> ssl.SSLContext:
    context = certificate.client_context()
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        if cafile := files.get("cafile"):
            context.load_verify_locations(cafile)
        else:
            context.load_default_certs()
    except OSError as error:
        raise _unusable(address, "cafile", error) from None
    try:
        if certfile := files.get("certfile"):
            context.load_cert_chain(certfile, files.get("keyfile"), password=certificate.no_password)
    except (OSError, ValueError) as error:
        raise _unusable(address, "certfile or keyfile", error) from None
    return context


def _unusable(address: Address, what: str, error: Exception) -> CertificateError:
    return CertificateError(address, f"the {what} can't be used: {certificate.reason_of(error)}")
