"""A server's own P-256 key with a self-signed certificate, made by the standard library alone.

``cryptography`` has no wheels for many boards. The key is made once, on the machine that keeps it, so that the
arithmetic need not run in constant time: nobody else can measure it. ``ssl`` does everything afterwards.

ECDSA is FIPS 186-4's with the deterministic nonce of RFC 6979, the certificate RFC 5280's, its key RFC 5480's, and the
private key RFC 5915's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import ssl

from ..boot import write_file
from .store import read_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional, Tuple

    Point = Tuple[int, int, int]  # Jacobian coordinates: (X / Z², Y / Z³); Z is 0 for the point at infinity

_FILE = "server.pem"
_MAX_FILE_BYTES = 8192
_NUMBER_BYTES = 32
# The curve P-256 (FIPS 186-4, D.1.2.3): y² = x³ - 3x + b modulo _P; _G has the order _N.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
_INFINITY = (1, 1, 0)


# --- the curve


def _double(point: Point) -> Point:
    x, y, z = point
    if not z:
        return point
    delta, gamma = z * z % _P, y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    new_x = (alpha * alpha - 8 * beta) % _P
    return new_x, (alpha * (4 * beta - new_x) - 8 * gamma * gamma) % _P, 2 * y * z % _P


def _add(one: Point, other: Point) -> Point:
    if not one[2] or not other[2]:
        return other if not one[2] else one
    zz, other_zz = one[2] * one[2] % _P, other[2] * other[2] % _P
    u, s = one[0] * other_zz % _P, one[1] * other[2] * other_zz % _P
    h, r = (other[0] * zz - u) % _P, (other[1] * one[2] * zz - s) % _P
    if not h:
        return _INFINITY if r else _double(one)
    hh = h * h % _P
    hhh, v = h * hh % _P, u * hh % _P
    x = (r * r - hhh - 2 * v) % _P
    return x, (r * (v - x) - s * hhh) % _P, h * one[2] * other[2] % _P


def _times(factor: int, point: Point) -> Tuple[int, int]:
    """Multiply; return the result's x and y. The factor is in [1, _N - 1], so that there is one."""
    result: Point = _INFINITY
    for bit in bin(factor)[2:]:
        result = _double(result)
        if bit == "1":
            result = _add(result, point)
    inverse = pow(result[2], _P - 2, _P)  # Python 3.7 has no pow(z, -1, p)
    return result[0] * inverse * inverse % _P, result[1] * inverse**3 % _P


def public_key(private: int) -> bytes:
    """Return the public key, uncompressed: 4, x, y (SEC 1, 2.3.3)."""
    x, y = _times(private, _G)
    return b"\4" + _bytes(x) + _bytes(y)


def sign(private: int, message: bytes) -> Tuple[int, int]:
    """Return the ECDSA signature (r, s) of a message with SHA-256, with the nonce of RFC 6979."""
    digest = hashlib.sha256(message).digest()
    number = int.from_bytes(digest, "big")
    for nonce in _nonces(private, _bytes(number % _N)):
        r = _times(nonce, _G)[0] % _N
        s = pow(nonce, _N - 2, _N) * (number + r * private) % _N
        if r and s:
            return r, s
    raise AssertionError("there are always more nonces")


def _nonces(private: int, digest: bytes) -> Iterator[int]:
    """RFC 6979, 3.2: the candidates for k, of which nearly always the first is right."""
    value, key = b"\1" * 32, b"\0" * 32
    for separator in (b"\0", b"\1"):
        key = hmac.new(key, value + separator + _bytes(private) + digest, "sha256").digest()
        value = hmac.new(key, value, "sha256").digest()
    while True:
        value = hmac.new(key, value, "sha256").digest()
        nonce = int.from_bytes(value, "big")
        if 0 < nonce < _N:
            yield nonce
        key = hmac.new(key, value + b"\0", "sha256").digest()
        value = hmac.new(key, value, "sha256").digest()


def _bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


# --- DER (X.690) and PEM (RFC 7468)


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes(2, "big").lstrip(b"\0")
    return bytes((tag, 0x80 | len(length))) + length + body


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _bits(data: bytes) -> bytes:
    return _der(0x03, b"\0", data)


_PRIME256V1 = bytes.fromhex("06082a8648ce3d030107")
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_ECDSA_SHA256 = _sequence(bytes.fromhex("06082a8648ce3d040302"))
_NAME = _sequence(_der(0x31, _sequence(bytes.fromhex("0603550403"), _der(0x0C, b"rpyc-kernel"))))  # CN
# Not before 1970, for boards without a clock; never after (RFC 5280, 4.1.2.5).
_VALIDITY = _sequence(_der(0x17, b"700101000000Z"), _der(0x18, b"99991231235959Z"))
# basicConstraints, critical: it is no authority
_EXTENSIONS = _der(0xA3, _sequence(_sequence(bytes.fromhex("0603551d13"), b"\x01\x01\xff", _der(0x04, _sequence()))))


def subject_public_key_info(private: int) -> bytes:
    """Return the public key as RFC 5480 has it, in DER."""
    return _sequence(_sequence(_EC_PUBLIC_KEY, _PRIME256V1), _bits(public_key(private)))


def self_signed(private: int, serial: int) -> bytes:
    """Return a certificate of that key, signed by itself, in DER."""
    signed = _sequence(
        _der(0xA0, _integer(2)),  # v3
        _integer(serial),
        _ECDSA_SHA256,
        _NAME,
        _VALIDITY,
        _NAME,
        subject_public_key_info(private),
        _EXTENSIONS,
    )
    r, s = sign(private, signed)
    return _sequence(signed, _ECDSA_SHA256, _bits(_sequence(_integer(r), _integer(s))))


def private_key(private: int) -> bytes:
    """Return the private key as RFC 5915 has it, in DER."""
    return _sequence(
        _integer(1), _der(0x04, _bytes(private)), _der(0xA0, _PRIME256V1), _der(0xA1, _bits(public_key(private)))
    )


def _pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN %s-----" % label, *lines, "-----END %s-----\n" % label])


def make_pem() -> str:
    """Make a new key with its certificate; returns both as ``ssl`` reads them."""
    private = int.from_bytes(os.urandom(_NUMBER_BYTES + 8), "big") % (_N - 1) + 1  # FIPS 186-4, B.4.1
    certificate = self_signed(private, int.from_bytes(os.urandom(15), "big") + 1)
    return _pem("EC PRIVATE KEY", private_key(private)) + _pem("CERTIFICATE", certificate)


# --- the server's own


class Certificate:
    """A server's certificate, and the context with which ``ssl`` serves it.

    Attributes:
        fingerprint: The SHA-256 of the certificate in DER, 32 bytes: what clients pin.
        context: For ``ssl``, TLS 1.2 or newer.
        needs_proof: Whether a client has to prove that it is paired; else an authority has signed its certificate.
    """

    def __init__(self, chain: str, key: Optional[str] = None, client_ca: Optional[str] = None) -> None:
        """Load a certificate.

        Args:
            chain: The path of a PEM file with it.
            key: The path of a PEM file with its key, where the first has none.
            client_ca: The path of a PEM file with the authorities that must have signed a client's certificate. No
                client needs to be paired then.

        Raises:
            OSError: A file can't be read, or is none (``ssl.SSLError``).
            ValueError: The key is encrypted.
        """
        self.context = server_context()
        self.context.load_cert_chain(chain, key, password=no_password)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self.needs_proof = not client_ca
        with open(chain, encoding="ascii", errors="replace") as file:
            text = file.read()
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        first = text[text.index(begin) : text.index(end, text.index(begin)) + len(end)]
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest()


def own_certificate(folder: str) -> Certificate:
    """Return the server's own certificate in its private folder; the first call makes it.

    Raises:
        OSError: It can't be written or read, or others may read it.
    """
    path = os.path.join(folder, _FILE)
    if not os.path.lexists(path):
        write_file(path, make_pem().encode("ascii"))
    read_private(path, _MAX_FILE_BYTES)  # only to refuse what others can write
    return Certificate(path)


class TlsSocket(ssl.SSLSocket):
    """A socket behind TLS that never speaks without it."""

    def shutdown(self, how: int) -> None:
        """End the connection from any thread. ssl's own method would have another thread go on in plain text."""
        super(ssl.SSLSocket, self).shutdown(how)


def reason_of(error: Exception) -> str:
    """Return why a file of a certificate or key can't be used, as a part of a sentence."""
    told = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return told.replace("_", " ").lower() if told else str(error)


def no_password() -> str:
    """Refuse a key that is encrypted: OpenSSL would ask for its password on a terminal, or wait where there is none.

    Raises:
        ValueError: Always.
    """
    raise ValueError("the key is encrypted, and its password is asked for nowhere; openssl pkey writes it without")


def server_context() -> ssl.SSLContext:
    """Return a context for a server, without a certificate."""
    return _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def client_context() -> ssl.SSLContext:
    """Return a context for a client that checks by itself whose certificate it is given."""
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    context.sslsocket_class = TlsSocket
    if hasattr(context, "num_tickets") and context.protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # nobody resumes: each connection proves itself anew
    return context


def shown(fingerprint: bytes) -> str:
    """Return a fingerprint as ssh shows one: ``SHA256:`` and base64."""
    return "SHA256:" + base64.b64encode(fingerprint).decode("ascii").rstrip("=")
