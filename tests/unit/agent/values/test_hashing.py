"""Sets and dictionaries of what another machine sends take no time without end, and no stack."""

import pytest

from rpyc_kernel.agent.values import UnpackError, hashing, unpack
from rpyc_kernel.agent.values.hashing import collisions
from tests.unit.agent.values.copies import bounded, copied

PRIME = 2**61 - 1  # numbers that differ by it have one hash


def test_pairs_of_one_hash_are_counted():
    assert collisions([1, 2, 3, "a"]) == 0
    assert collisions([0, PRIME, 2 * PRIME, 5]) == 3


def packed(kind, members):
    if kind == "dict":
        members = [each for member in members for each in (member, None)]
    return repr([[kind, members], [0]]).replace("'", '"').replace("None", "null").encode()


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
@pytest.mark.parametrize("share", [1, 2, 10])
def test_members_that_were_chosen_to_collide(kind, share):
    """Also where most of them are not: half of a million is enough for hours."""
    members = [number * PRIME if number % share == 0 else number for number in range(100_000)]
    with pytest.raises(UnpackError, match="collide"), bounded(30, 200 << 20):
        unpack(packed(kind, members))


def test_many_small_sets_of_such_members():
    one = repr(["set", [number * PRIME for number in range(500)]]).replace("'", '"')
    with pytest.raises(UnpackError, match="collide"), bounded(30, 100 << 20):
        unpack(f"[{','.join([one] * 200)},5]".encode())


def test_honest_members_do_not_collide():
    assert len(copied({2**power for power in range(1000)})) == 1000
    assert len(copied(set(range(-20_000, 20_000)))) == 40_000
    assert len(copied({number / 7: None for number in range(20_000)})) == 20_000
    assert len(copied({(x, y) for x in range(-100, 100) for y in range(-100, 100)})) == 40_000


@pytest.mark.parametrize("end", ['["set",[[100]]]', '["dict",[[100],1]]', '["frozenset",[[100]]]'])
def test_a_tuple_that_holds_another_twice_and_so_on(end):
    """Its hash would take 2 to the power of 100 steps."""
    nodes = ['["tuple",[]]', *[f'["tuple",[[{n}],[{n}]]]' for n in range(100)], end]
    with pytest.raises(UnpackError, match="too deep or too large"), bounded(10, 10 << 20):
        unpack(f"[{','.join(nodes)},5]".encode())


@pytest.mark.parametrize("kind", ["tuple", "frozenset"])
def test_a_key_that_is_deep(kind):
    """C code would recurse in it until the stack is used up, and the process ends."""
    nodes = [f'["{kind}",[]]', *[f'["{kind}",[[{n}]]]' for n in range(50_000)], '["set",[[50000]]]']
    with pytest.raises(UnpackError, match="too deep or too large"):
        unpack(f"[{','.join(nodes)},5]".encode())


def test_keys_of_an_honest_depth():
    key = ()
    for _ in range(hashing.MAX_HASHED_DEPTH - 1):
        key = (key, 1)
    assert copied({key: 1}) == {key: 1}


@pytest.mark.parametrize("member", ['["list",[]]', '["set",[]]', '["tuple",[[0]]]', '["bytearray","YQ=="]'])
def test_what_has_no_hash_is_no_key(member):
    for end in ('["set",[[1]]]', '["dict",[[1],1]]', '["frozenset",[[1]]]'):
        with pytest.raises(UnpackError, match="unhashable"):
            unpack(f'[["list",[]],{member},{end},[2]]'.encode())
