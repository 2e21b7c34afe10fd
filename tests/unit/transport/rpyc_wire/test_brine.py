"""Brine: the same bytes as RPyC's own writes and reads, and nothing but BrineError for what is none."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpyc.core import brine as rpyc_brine

from rpyc_kernel.transport.rpyc_wire import brine
from rpyc_kernel.transport.rpyc_wire.brine import RPYC_5, RPYC_6, RPYC_6_BOUND

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False)
    | st.text() | st.binary() | st.just(...) | st.just(NotImplemented),
    lambda inner: st.lists(inner, max_size=6).map(tuple),
    max_leaves=30,
)  # fmt: skip
EDGES = [
    *range(-50, 165), 10**4299, -(10**4298), 2**64, b"", b"1", b"12345", b"x" * 255, b"x" * 256, b"x" * 5000, "", "ü",
    "x" * 256, (), (1,), (1, 2, 3, 4), tuple(range(5)), tuple(range(255)), tuple(range(256)), True, False, None, ...,
    0.0, -1.5, float("inf"), 1 - 2j, slice(1, None, 3), ((((),),),),
]  # fmt: skip


def joined(value):
    return b"".join(brine.dump(value))


def test_edges_are_as_rpyc_has_them():
    for value in EDGES:
        assert joined(value) == rpyc_brine.dump(value)
        assert brine.load(rpyc_brine.dump(value)) == value
        assert type(brine.load(joined(value))) is type(value)


@given(plain)
def test_values_are_as_rpyc_has_them(value):
    assert joined(value) == rpyc_brine.dump(value)
    assert brine.load(joined(value)) == value


def test_a_frozenset_comes_as_a_tuple():
    assert sorted(brine.load(rpyc_brine.dump(frozenset([3, 1, 2])))) == [1, 2, 3]


hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=20,
)


@given(hashable)
def test_or_as_what_it_is(value):
    assert brine.load(rpyc_brine.dump(value), frozensets=True) == value


PRIME = 2**61 - 1  # numbers that differ by it have one hash


@pytest.mark.parametrize("share", [1, 2, 4])
def test_frozensets_whose_members_were_chosen_to_collide(share):
    members = tuple(number * PRIME if number % share == 0 else number for number in range(20_000))
    with pytest.raises(brine.BrineError, match="collide"):
        brine.load(b"\x1a" + rpyc_brine.dump(members), frozensets=True)
    small = b"\x1a" + rpyc_brine.dump(tuple(number * PRIME for number in range(500)))
    with pytest.raises(brine.BrineError, match="collide"):
        brine.load(b"\x14\x64" + small * 100, frozensets=True)


def test_honest_members_do_not():
    for members in (range(-20_000, 20_000), [2**power for power in range(2000)], [n / 3 for n in range(20_000)]):
        assert brine.load(b"\x1a" + rpyc_brine.dump(tuple(members)), frozensets=True) == frozenset(members)


@given(
    st.one_of(st.binary(max_size=60), hashable.map(rpyc_brine.dump)), st.sampled_from([RPYC_6, RPYC_5, RPYC_6_BOUND])
)
def test_a_message_or_none(data, dialect):
    for body in (data, b"\x02" + data, b"\x01\x11\x51" + data, b"\x12\x51\x51" + data, bytes(16) + data):
        try:
            kind, seq, _args = dialect.load(body, frozensets=True)
        except brine.BrineError:
            continue
        assert (kind in (1, 2, 3), type(seq)) == (True, int)


def test_big_strings_are_not_copied():
    big = b"x" * 100_000
    assert any(piece is big for piece in brine.dump((1, (2, big), "after")))
    for same in (bytearray(big), memoryview(big)):
        assert joined((same, 5)) == rpyc_brine.dump((big, 5))


def test_memoryview_of_wider_items():
    view = memoryview(b"abcdefgh" * 1000).cast("I")
    assert brine.load(joined(view)) == b"abcdefgh" * 1000


@pytest.mark.parametrize("value", [[1], {1}, {}, object(), (1, [2]), int, frozenset()])
def test_only_plain_values_are_written(value):
    with pytest.raises(TypeError):
        brine.dump(value)


HOSTILE = {
    "nothing": b"",
    "unknown tag": b"\x07",
    "another unknown tag": b"\xff",
    "two values": b"\x00\x00",
    "cut string": b"\x0f\x00\x00\x00\x05abcd",
    "string of 4 GB": b"\x0f\xff\xff\xff\xff",
    "tuple of 4 G items": b"\x15\xff\xff\xff\xff",
    "tuple of a million items": b"\x15\x00\x0f\x42\x40" + b"\x00" * 1_000_000,
    "deep tuples": b"\x10" * 100_000 + b"\x00",
    "deep texts": b"\x08" * 100_000,
    "deep frozensets": b"\x1a" * 100_000,
    "deep longs": b"\x09" * 100_000,
    "long of a tuple": b"\x09\x02",
    "long of a bool": b"\x09\x03",
    "text of a tuple": b"\x08\x02",
    "text of a number": b"\x08\x50",
    "text that is no UTF-8": b"\x08\x0a\xff",
    "surrogate": b"\x08\x0c\xed\xa0\x80",
    "int with spaces": b"\x16\x03 5 ",
    "int with underscore": b"\x16\x031_0",
    "int of nothing": b"\x16\x00",
    "int with a foreign digit": b"\x16\x02" + "٣".encode(),
    "int of a million digits": b"\x17\x00\x0f\x42\x40" + b"9" * 1_000_000,
    "short float": b"\x18\x00",
    "short complex": b"\x1b\x00\x00\x00",
    "slice of two": b"\x19\x11\x00\x00",
    "slice of a string": b"\x19\x0c123",
    "frozenset of a number": b"\x1a\x51",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_a_brine_error_and_cost_nothing(data):
    tracemalloc.start()
    try:
        with pytest.raises(brine.BrineError):
            brine.load(data)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000  # the items up to the bound, of the million
    finally:
        tracemalloc.stop()


def test_the_python_2_long():
    assert brine.load(b"\x09\x16\x0512345") == 12345


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_brine_error(data):
    try:
        value = brine.load(data)
    except brine.BrineError:
        return
    assert repr(brine.load(data)) == repr(value)  # as texts: a NaN is not equal to itself


def test_damaged_values_are_a_value_or_a_brine_error():
    dice = random.Random(1)
    whole = bytearray(joined((2, 7, (1, (b"x" * 300, "text", 10**30, 1.5, slice(1, 2, 3), ((),) * 20)))))
    for _ in range(5000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            brine.load(data[: dice.randint(1, len(data))])
        except brine.BrineError:
            pass
