"""Proves to a server who we are, and pairs with it: the I/O of ``agent/serve/proof.py``'s client half."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import ssl
from typing import TYPE_CHECKING, NoReturn

from rpyc_kernel.agent.serve import certificate, proof
from rpyc_kernel.agent.serve.pairing import code_key
from rpyc_kernel.errors import (
    CertificateChangedError,
    DialError,
    NobodyListeningError,
    NotAdmittedError,
    NotPairedError,
    NotRpycError,
    PairingError,
    ServerClosedError,
    SilentServerError,
)
from rpyc_kernel.transport import paired
from rpyc_kernel.transport.paired import Pairing
from rpyc_kernel.transport.sockets import open_tcp, opening, receive_exactly
from rpyc_kernel.transport.tls import start_tls

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline
    from rpyc_kernel.transport.placing.placements import Placement

PAIRING_TIMEOUT_S = 30.0
_NOT_ADMITTED = {
    proof.UNKNOWN: (
        "it does not know {name} any more: somebody has run serve --forget there, or its home is another one.",
        "Pair with it again: {pair}",
    ),
    proof.NOT_CLASSIC: ("it serves kernels only.", "Start it there with serve --classic."),
}
_NOT_PAIRED = {
    proof.NO_CODE: (
        "it shows no code that is good now; a code is good for ten minutes and for one machine.",
        "Run serve --pair there, and pair again.",
    ),
    proof.WRONG_CODE: (
        "the code is not the one that it shows, or somebody stands between you and it.",
        "Look at the code there, and pair again; five wrong codes end it.",
    ),
    proof.NO_ROOM: (
        (
            "it can't keep what it would know of this machine: its disk is full, or its home read-only. Nothing was "
            "changed here either."
        ),
        "",
    ),
}


def open_admitted(address: Address, deadline: Deadline, *, classic: bool = False) -> ssl.SSLSocket:
    """Connect to a server that we are paired with, and have both sides prove it.

    Args:
        address: Of the server. Where it has no pairing of its own, the server's certificate may be known from
            another address.
        deadline: For all of it.
        classic: Whether all of RPyC's classic service is wanted, and not a session's broker.

    Raises:
        DialError: There is no way there, it is another server than before, or it doesn't admit us.
    """
    expected = paired.find(address)
    tls = _connect(address, deadline)
    with _talking(tls, address, deadline):
        seen = _fingerprint(tls)
        pairing = expected if expected and expected.fingerprint == seen else paired.by_fingerprint(seen)
        if expected and pairing is not expected:
            before, now = certificate.shown(expected.fingerprint), certificate.shown(seen)
            other = pairing.address if pairing else ""
            raise CertificateChangedError(address, before, now, pair_command(address), other)
        if pairing is None:
            raise NotPairedError(address, pair_command(address))
        purpose = proof.CLASSIC if classic else proof.SESSION
        half = proof.ClientHalf(seen, purpose, pairing.name, pairing.key)
        try:
            _exchange(tls, half, deadline)
        except proof.ProofRefusedError as refused:
            told, mend = _NOT_ADMITTED.get(refused.reason, _NOT_ADMITTED[proof.UNKNOWN])
            told, mend = told.format(name=pairing.name), mend.format(pair=pair_command(address))
            raise NotAdmittedError(address, told, mend) from None
        except proof.NoProofError:
            told = "it does not prove that it knows this machine, and was sent nothing else."
            raise NotAdmittedError(address, told, f"Pair with it again: {pair_command(address)}") from None
        except proof.ProofError as error:
            _explain(address, error)
    return tls


def open_placed(address: Address, placement: Placement, deadline: Deadline) -> ssl.SSLSocket:
    """Connect to the server that a cluster has started for us, and have both sides prove it.

    Raises:
        DialError: There is no way there, or something else listens there now.
    """
    place = dataclasses.replace(address, host=placement.host, port=placement.port)
    tls = start_tls(open_tcp(place, deadline), certificate.client_context(), address, deadline)
    with _talking(tls, address, deadline):
        seen = _fingerprint(tls)
        if seen.hex() != placement.fingerprint:
            raise NotAdmittedError(address, "another server listens where it was, and was sent nothing.")
        half = proof.ClientHalf(seen, proof.SESSION, placement.client, bytes.fromhex(placement.key))
        try:
            _exchange(tls, half, deadline)
        except proof.ProofError as error:
            raise NotAdmittedError(address, f"its proof has failed ({error}).") from None
    return tls


def pair(address: Address, code: str, deadline: Deadline) -> Pairing:
    """Pair with the server at *address*. Whatever fails, nothing has changed at either end.

    Where we were paired with that server at that address before, it forgets that pairing, if it can be told to.

    Args:
        address: Of the server.
        code: What it shows.
        deadline: For all of it.

    Raises:
        DialError: There is no way there.
        PairingError: The code is none or not the right one, or one of the two can't keep the other.
    """
    try:
        key = code_key(code)
    except ValueError as error:
        raise PairingError(address, f"{error}, as in K7QF-9M2X-T4HD-W8RN; what you typed has not.") from None
    before = None
    with contextlib.suppress(PairingError):  # a file that can't be read is replaced
        before = paired.find(address)
    tls = _connect(address, deadline)
    with tls, _talking(tls, address, deadline):
        half = proof.ClientHalf(_fingerprint(tls), proof.PAIR, paired.own_name(), key)
        try:
            name, secret = proof.given(_exchange(tls, half, deadline))
            pairing = Pairing(str(address), name, _fingerprint(tls), secret)
            with paired.keeping(address, pairing):
                _send(tls, proof.kept(secret, by_server=False), deadline)
                proof.check_kept(_receive(tls, deadline), secret, by_server=True)
        except proof.ProofRefusedError as refused:
            raise PairingError(address, *_NOT_PAIRED.get(refused.reason, _NOT_PAIRED[proof.NO_CODE])) from None
        except proof.NoProofError:
            raise PairingError(address, *_NOT_PAIRED[proof.WRONG_CODE]) from None
        except proof.ProofError as error:
            _explain(address, error)
    if before is not None:
        _leave(address, before, deadline)
    return pairing


def _leave(address: Address, before: Pairing, deadline: Deadline) -> None:
    """Have the server forget a pairing that nobody needs any more; where that fails, it lists both."""
    with contextlib.suppress(DialError, proof.ProofError):
        tls = _connect(address, deadline)
        with tls, _talking(tls, address, deadline):
            seen = _fingerprint(tls)
            if seen == before.fingerprint:
                _exchange(tls, proof.ClientHalf(seen, proof.LEAVE, before.name, before.key), deadline)


def open_port(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to the port of *address*. Raises a DialError."""
    try:
        return open_tcp(address, deadline)
    except NobodyListeningError:
        raise NobodyListeningError(address, command=f"rpyc-kernel-agent serve --port {address.port}") from None


def question(address: Address) -> str:
    """Return what a user is asked for when pairing."""
    return f"Code that {address.display.removeprefix('rpycs://')} shows: "


def pair_command(address: Address) -> str:
    """Return the line that pairs with the server at *address*: in a notebook, and in a terminal."""
    where = address.display.removeprefix("rpycs://")
    return f"%pair {where} (in a terminal: rpyc-kernel pair {where})"


def _connect(address: Address, deadline: Deadline) -> ssl.SSLSocket:
    return start_tls(open_port(address, deadline), certificate.client_context(), address, deadline)


def _fingerprint(tls: ssl.SSLSocket) -> bytes:
    return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").digest()


def _exchange(tls: ssl.SSLSocket, half: proof.ClientHalf, deadline: Deadline) -> list[bytes]:
    """Send the claim that answers the greeting; return what the server gives with its verdict. Raises ProofError."""
    _send(tls, half.claim(_receive(tls, deadline)), deadline)
    return half.verdict(_receive(tls, deadline))


def _send(tls: ssl.SSLSocket, message: bytes, deadline: Deadline) -> None:
    tls.settimeout(deadline.left())
    tls.sendall(proof.framed(message))


def _receive(tls: ssl.SSLSocket, deadline: Deadline) -> bytes:
    header = receive_exactly(tls, proof.LENGTH.size, deadline)
    return receive_exactly(tls, proof.length_of(header), deadline)


@contextlib.contextmanager
def _talking(tls: ssl.SSLSocket, address: Address, deadline: Deadline) -> Iterator[None]:
    """As `opening`, for a server that has spoken TLS already."""
    with opening(tls, address, deadline):
        try:
            yield
        except TimeoutError:
            raise SilentServerError(address, deadline.timeout or 0.0) from None
        except (EOFError, ConnectionError, ssl.SSLError):
            raise ServerClosedError(address, hint=address.transport.closed_hint(address)) from None


def _explain(address: Address, error: proof.ProofError) -> NoReturn:
    if isinstance(error, proof.VersionError):
        told = f"its rpyc-kernel-agent speaks {error} of the proof, and this rpyc-kernel {proof.VERSION}."
        raise NotAdmittedError(address, told, "Install the same version of both.") from None
    hint = f"Is the port right? rpyc-kernel serve listens on {address.transport.default_port} unless told otherwise."
    raise NotRpycError(address, f"something else than rpyc-kernel serve behind TLS ({error})", hint) from None
