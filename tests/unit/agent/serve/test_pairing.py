"""The pairing code: eighty bits, ten minutes, one use, five tries."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.serve import pairing, proof
from rpyc_kernel.agent.serve.pairing import CODE_BYTES, CODE_SECONDS, MAX_TRIES, Codes, code_key, code_text


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_is_read_as_it_is_shown(key):
    text = code_text(key)
    assert [len(group) for group in text.split("-")] == [4, 4, 4, 4]
    assert code_key(text) == code_key(text.lower().replace("-", " ")) == code_key(f" {text}\n") == key


def test_letters_that_look_like_digits_are_those():
    assert code_key("OIL0-0000-0000-0000") == code_key("0110-0000-0000-0000")


@pytest.mark.parametrize(
    "text", ["", "K7QF", "K7QF-9M2X-T4HD-W8R", "K7QF-9M2X-T4HD-W8RNX", "U7QF-9M2X-T4HD-W8RN", "é" * 16]
)
def test_what_is_no_code_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="16 letters and digits") as refused:
        code_key(text)
    assert not text or text not in str(refused.value)


@given(st.text())
def test_any_text_is_a_code_or_none(text):
    try:
        assert len(code_key(text)) == CODE_BYTES
    except ValueError:
        pass


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def codes(tmp_path, clock):
    return Codes(str(tmp_path), clock)


def refused(codes, key=None):
    with pytest.raises(proof.ProofRefusedError) as error:
        codes.attempt(lambda known: known == key)
    return error.value.reason


def test_who_knows_it_is_let_in_once(codes, tmp_path):
    key = code_key(codes.show())
    assert (tmp_path / "code").stat().st_mode & 0o777 == 0o600
    assert codes.attempt(lambda known: known == key) == key
    codes.settle(used=True)
    assert refused(codes, key) == proof.NO_CODE
    assert list(tmp_path.iterdir()) == []


def test_without_one_nobody_is(codes):
    assert refused(codes) == proof.NO_CODE


def test_a_client_that_could_not_be_paired_may_try_again(codes):
    key = code_key(codes.show())
    for _ in range(2 * MAX_TRIES):
        assert codes.attempt(lambda known: known == key) == key
        codes.settle(used=False)


def test_five_tries(codes, tmp_path):
    key = code_key(codes.show())
    assert [refused(codes) for _ in range(MAX_TRIES)] == [proof.WRONG_CODE] * MAX_TRIES
    assert refused(codes, key) == proof.NO_CODE
    assert list(tmp_path.iterdir()) == []
    key = code_key(codes.show())
    assert codes.attempt(lambda known: known == key) == key


def test_a_try_that_fails_at_the_comparison_counts(codes):
    codes.show()
    for _ in range(MAX_TRIES):
        with pytest.raises(ZeroDivisionError):
            codes.attempt(lambda known: 1 / 0)
    assert refused(codes) == proof.NO_CODE


@pytest.mark.parametrize(("seconds", "good"), [(CODE_SECONDS - 1, True), (CODE_SECONDS, False), (-1, False)])
def test_ten_minutes(codes, clock, seconds, good):
    """A clock that went back is that of a machine that was started again."""
    text = codes.show()
    clock.now += seconds
    assert codes.shown(text) is good


def test_a_machine_that_was_started_again_knows_none(codes, monkeypatch):
    text = codes.show()
    monkeypatch.setattr(pairing, "_boot", lambda: "another")
    assert not codes.shown(text)


def test_a_new_code_replaces_the_one_before(codes, tmp_path):
    old = code_key(codes.show())
    new = code_key(Codes(str(tmp_path), codes._clock).show())  # another process
    assert refused(codes, old) == proof.WRONG_CODE
    assert codes.attempt(lambda known: known == new) == new


def test_withdrawn(codes):
    text = codes.show()
    codes.withdraw()
    codes.withdraw()
    assert not codes.shown(text)


def test_two_at_once_and_one_gets_it(codes):
    key = code_key(codes.show())
    start, results = threading.Barrier(8), []

    def attempt():
        start.wait(10)
        try:
            results.append(codes.attempt(lambda known: known == key))
        except proof.ProofRefusedError as error:
            results.append(error.reason)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(results) == sorted([key] + [proof.NO_CODE] * 7)


def test_a_file_that_cannot_be_removed_is_good_no_more(codes, monkeypatch):
    def fails(path):
        raise PermissionError(30, "Read-only file system")

    key = code_key(codes.show())
    codes.attempt(lambda known: known == key)
    monkeypatch.setattr(pairing.os, "unlink", fails)
    with pytest.raises(PermissionError):
        codes.settle(used=True)
    assert refused(codes, key) == proof.NO_CODE


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"key": 1, "until": 2}', b"\xff", b'{"key": "00", "until": "x"}']
)
def test_a_broken_file_is_no_code(codes, tmp_path, content):
    codes.show()
    (tmp_path / "code").write_bytes(content)
    assert refused(codes) == proof.NO_CODE


def test_a_file_of_others_is_no_code(codes, tmp_path):
    text = codes.show()
    (tmp_path / "code").chmod(0o622)
    assert not codes.shown(text)
