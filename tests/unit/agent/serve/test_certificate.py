"""The server's certificate: RFC 6979's own signatures, RFC 5480's form, and what OpenSSL makes of it."""

import hashlib
import socket
import ssl
import subprocess
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpyc_kernel.agent.serve import certificate
from tests.needs import needs

# RFC 6979, A.2.5
PRIVATE = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
PUBLIC = (
    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
SIGNATURES = {
    b"sample": (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    b"test": (
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("message", SIGNATURES)
def test_signatures_are_those_of_rfc_6979(message):
    assert certificate.sign(PRIVATE, message) == SIGNATURES[message]


def test_the_public_key_is_that_of_rfc_6979():
    assert certificate.public_key(PRIVATE).hex().upper() == "04" + PUBLIC


def test_the_public_key_has_the_form_of_rfc_5480():
    """SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING }."""
    head = "3059301306072a8648ce3d020106082a8648ce3d030107034200"
    assert certificate.subject_public_key_info(PRIVATE).hex() == head + certificate.public_key(PRIVATE).hex()


@pytest.mark.parametrize("private", [1, 2, 3, ORDER - 1, ORDER - 2])
def test_keys_at_the_edges(private):
    """The negative of a point has the same x."""
    key, negative = certificate.public_key(private), certificate.public_key(ORDER - private)
    assert key[1:33] == negative[1:33]
    assert key[33:] != negative[33:]


def openssl(path, *command):
    return subprocess.run([needs("openssl"), *command, "-in", str(path)], capture_output=True, text=True, timeout=60)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, ORDER - 1), st.integers(1, 2**120))
def test_openssl_verifies_what_any_key_has_signed(tmp_path_factory, private, serial):
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    pem = certificate._pem("CERTIFICATE", certificate.self_signed(private, serial))
    path.write_text(certificate._pem("EC PRIVATE KEY", certificate.private_key(private)) + pem)
    checked = subprocess.run(
        [needs("openssl"), "verify", "-check_ss_sig", "-CAfile", str(path), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.stdout.endswith(": OK\n"), checked.stderr
    assert "EC Key valid" in openssl(path, "ec", "-noout", "-check").stderr


def test_openssl_reads_what_is_in_it(tmp_path):
    path = tmp_path / "server.pem"
    path.write_text(certificate.make_pem())
    said = openssl(path, "x509", "-noout", "-text").stdout
    for expected in (
        "Version: 3",
        "ecdsa-with-SHA256",
        "CN = rpyc-kernel",
        "NIST CURVE: P-256",
        "Not Before: Jan  1 00:00:00 1970 GMT",
        "Not After : Dec 31 23:59:59 9999 GMT",
        "CA:FALSE",
    ):
        assert expected in said


def test_it_is_made_once_and_private(tmp_path):
    first, second = certificate.own_certificate(str(tmp_path)), certificate.own_certificate(str(tmp_path))
    assert first.fingerprint == second.fingerprint
    assert (tmp_path / "server.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["server.pem"]


def test_one_that_others_can_read_is_refused(tmp_path):
    certificate.own_certificate(str(tmp_path))
    (tmp_path / "server.pem").chmod(0o644)
    with pytest.raises(PermissionError, match="can be read by others"):
        certificate.own_certificate(str(tmp_path))


def test_one_that_is_cut_off_is_an_oserror(tmp_path):
    (tmp_path / "server.pem").write_text(certificate.make_pem()[:300])
    (tmp_path / "server.pem").chmod(0o600)
    with pytest.raises(ssl.SSLError):
        certificate.own_certificate(str(tmp_path))


def connected(server, client):
    """Both ends of a TLS connection between two contexts, over a socket pair."""
    ours, theirs = socket.socketpair()
    ends = []
    thread = threading.Thread(target=lambda: ends.append(server.wrap_socket(ours, server_side=True)))
    thread.start()
    ends.append(client.wrap_socket(theirs))
    thread.join(10)
    return sorted(ends, key=lambda end: not end.server_side)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_ssl_serves_it(tmp_path, version):
    own = certificate.own_certificate(str(tmp_path))
    client = certificate.client_context()
    client.maximum_version = ssl.TLSVersion[version]
    server, seen = connected(own.context, client)
    with server, seen:
        assert hashlib.sha256(seen.getpeercert(binary_form=True)).digest() == own.fingerprint
        assert seen.version() == version.replace("_", ".")


def test_tls_1_1_is_refused(tmp_path):
    own = certificate.own_certificate(str(tmp_path))
    assert own.context.minimum_version == certificate.client_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_an_end_by_another_thread_never_goes_on_in_plain_text(tmp_path):
    """ssl's own ``shutdown`` first forgets TLS and then ends the connection: what is sent between is readable."""
    server, client = connected(certificate.own_certificate(str(tmp_path)).context, certificate.client_context())
    with server, client:
        for end in (server, client):
            assert isinstance(end, certificate.TlsSocket)
            end.shutdown(socket.SHUT_RDWR)
            assert end.version() is not None  # TLS is still there
            with pytest.raises(ssl.SSLEOFError):
                end.sendall(b"import os")


def test_a_fingerprint_is_shown_as_ssh_does():
    assert certificate.shown(bytes(32)) == "SHA256:" + "A" * 43
