"""The proofs: who knows the key gets in, nobody else does, and whatever else comes is a ProofError."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpyc_kernel.agent.serve import proof
from rpyc_kernel.agent.serve.proof import CLASSIC, PAIR, SESSION, ClientHalf, ProofError, ProofRefusedError, ServerHalf

KEY = bytes(range(32))
SEEN = b"\x11" * 32
OTHER = b"\x22" * 32


def claimed(server, *, fingerprint=SEEN, purpose=SESSION, name="ada@laptop", key=KEY):
    client = ClientHalf(fingerprint, purpose, name, key)
    return client, client.claim(server.greeting)


@pytest.mark.parametrize("purpose", [SESSION, CLASSIC, PAIR])
def test_both_know_the_key(purpose):
    server = ServerHalf(SEEN)
    client, claim = claimed(server, purpose=purpose)
    server.read(claim)
    assert (server.purpose, server.name) == (purpose, "ada@laptop")
    assert server.proves(KEY)
    assert client.verdict(server.accept(KEY, b"more", b"")) == [b"more", b""]


def test_another_key_proves_nothing():
    server = ServerHalf(SEEN)
    _client, claim = claimed(server, key=OTHER)
    server.read(claim)
    assert not server.proves(KEY)


def test_who_stands_between_shows_another_certificate_and_gains_nothing():
    """The client's proof is about what the client sees, and so it is none for the server; nor the other way round."""
    server = ServerHalf(SEEN)
    client, claim = claimed(server, fingerprint=OTHER)
    server.read(claim)
    assert not server.proves(KEY)
    with pytest.raises(ProofError, match="no proof"):
        client.verdict(server.accept(KEY))


def test_a_proof_is_good_for_one_connection():
    server = ServerHalf(SEEN)
    _client, claim = claimed(server)
    again = ServerHalf(SEEN)
    again.read(claim)
    assert not again.proves(KEY)


def test_a_servers_old_verdict_is_none():
    server = ServerHalf(SEEN)
    _client, claim = claimed(server)
    server.read(claim)
    verdict = server.accept(KEY)
    newer, _claim = claimed(server)
    with pytest.raises(ProofError, match="no proof"):
        newer.verdict(verdict)


def test_a_clients_own_proof_is_not_the_servers():
    server = ServerHalf(SEEN)
    client, claim = claimed(server)
    with pytest.raises(ProofError, match="no proof"):
        client.verdict(proof._pack(b"A", claim[-proof.PROOF_BYTES :]))


@pytest.mark.parametrize(("made_for", "changed"), list(itertools.permutations([SESSION, CLASSIC, PAIR], 2)))
def test_a_proof_is_good_for_one_purpose(made_for, changed):
    server = ServerHalf(SEEN)
    _client, claim = claimed(server, purpose=made_for)
    fields = proof._unpack(b"C", claim)
    server.read(proof._pack(b"C", changed, *fields[1:]))
    assert not server.proves(KEY)


def test_a_proof_is_good_for_one_name():
    server = ServerHalf(SEEN)
    _client, claim = claimed(server)
    fields = proof._unpack(b"C", claim)
    server.read(proof._pack(b"C", fields[0], b"eve@laptop", *fields[2:]))
    assert not server.proves(KEY)


def test_what_is_given_is_part_of_the_servers_proof():
    server = ServerHalf(SEEN)
    client, claim = claimed(server, purpose=PAIR)
    server.read(claim)
    fields = proof._unpack(b"A", server.accept(KEY, b"ada@laptop", KEY))
    with pytest.raises(ProofError, match="no proof"):
        client.verdict(proof._pack(b"A", fields[0], b"ada@laptop", OTHER))


@pytest.mark.parametrize("reason", proof.REFUSALS)
def test_a_refusal_has_one_of_a_few_reasons(reason):
    server = ServerHalf(SEEN)
    client, _claim = claimed(server)
    with pytest.raises(ProofRefusedError) as refused:
        client.verdict(server.refuse(reason))
    assert refused.value.reason == reason


def test_a_servers_own_words_are_not_shown():
    server = ServerHalf(SEEN)
    client, _claim = claimed(server)
    with pytest.raises(ProofRefusedError) as refused:
        client.verdict(server.refuse(b"run this line as root"))
    assert refused.value.reason == proof.UNKNOWN


@pytest.mark.parametrize("name", ["", "-rf", ".hidden", "../x", "a/b", "a" * 65, "a b", "a\n", "\xe9", "a\0b"])
def test_a_name_that_is_no_files_name_is_refused(name):
    server = ServerHalf(SEEN)
    with pytest.raises(ProofError):
        server.read(proof._pack(b"C", SESSION, name.encode("latin-1"), bytes(32), bytes(32)))


def test_another_version_says_so():
    client = ClientHalf(SEEN, SESSION, "ada@laptop", KEY)
    with pytest.raises(proof.VersionError, match="version 2"):
        client.claim(proof._pack(b"G", proof.MAGIC, b"\2", bytes(32)))


def test_both_have_kept_the_key():
    for by_server in (False, True):
        proof.check_kept(proof.kept(KEY, by_server=by_server), KEY, by_server=by_server)
        with pytest.raises(ProofError):
            proof.check_kept(proof.kept(KEY, by_server=by_server), KEY, by_server=not by_server)
        with pytest.raises(ProofError):
            proof.check_kept(proof.kept(OTHER, by_server=by_server), KEY, by_server=by_server)


@pytest.mark.parametrize("more", [[], [b"ada"], [b"ada", b"short"], [b"../x", KEY], [b"ada", KEY, b""]])
def test_what_is_given_is_a_name_and_a_key(more):
    with pytest.raises(ProofError):
        proof.given(more)
    assert proof.given([b"ada", KEY]) == ("ada", KEY)


# --- whatever comes

messages = st.binary(max_size=proof.MAX_MESSAGE_BYTES)
#: bytes that have the form of a message more often than any bytes do
formed = st.builds(
    lambda kind, fields: proof._pack(kind, *fields),
    st.sampled_from([b"G", b"C", b"A", b"R", b"K", b"x"]),
    st.lists(st.binary(max_size=40) | st.sampled_from([SESSION, PAIR, b"ada", proof.MAGIC, b"\1", KEY]), max_size=6),
)


def whatever_comes(message):
    server = ServerHalf(SEEN)
    try:
        server.read(message)
    except ProofError:
        pass
    else:
        assert not server.proves(KEY)
    client, _claim = claimed(server)
    with pytest.raises(ProofError):
        client.verdict(message)
    with pytest.raises(ProofError):
        proof.check_kept(message, KEY, by_server=True)
    try:
        claim = client.claim(message)
    except ProofError:
        pass
    else:
        assert len(claim) <= proof.MAX_MESSAGE_BYTES


@given(messages | formed)
@example(b"")
@example(b"C")
@example(b"C\xff")
def test_whatever_comes_is_refused(message):
    whatever_comes(message)


@pytest.mark.fuzz
@settings(max_examples=50_000, deadline=None)
@given(messages | formed)
def test_whatever_comes_for_long(message):
    whatever_comes(message)


@given(st.binary(min_size=2, max_size=2))
def test_a_length_has_a_bound(header):
    length = int.from_bytes(header, "big")
    if 0 < length <= proof.MAX_MESSAGE_BYTES:
        assert proof.length_of(header) == length
    else:
        with pytest.raises(ProofError):
            proof.length_of(header)


def test_no_message_is_longer_than_its_bound():
    server = ServerHalf(SEEN)
    _client, claim = claimed(server, purpose=PAIR, name="a" * 64)
    server.read(claim)
    longest = [server.greeting, claim, server.accept(KEY, b"a" * 64, KEY), proof.kept(KEY, by_server=True)]
    assert max(map(len, longest)) <= proof.MAX_MESSAGE_BYTES
