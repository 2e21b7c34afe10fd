"""Arrays of numbers and queues with two ends come out as they were."""

import sys
from array import array
from collections import OrderedDict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.values import UnpackError, pack, unpack
from tests.unit.agent.values.copies import copied

NUMBERS = st.one_of(
    st.builds(array, st.sampled_from("bhilq"), st.lists(st.integers(-128, 127), max_size=300)),
    st.builds(array, st.sampled_from("BHILQ"), st.lists(st.integers(0, 255), max_size=300)),
    st.builds(array, st.sampled_from("fd"), st.lists(st.floats(width=32, allow_nan=False), max_size=300)),
)
PLAIN = st.integers() | st.text() | st.none() | st.lists(st.integers())


@given(NUMBERS)
def test_arrays(numbers):
    found = copied(numbers)
    assert (type(found), found.typecode, found) == (array, numbers.typecode, numbers)
    numbers.append(1)  # nobody holds its memory


@given(st.lists(PLAIN, max_size=20), st.none() | st.integers(0, 30))
def test_queues(items, most):
    queue = deque(items, most)
    found = copied(queue)
    assert (type(found), found, found.maxlen) == (deque, queue, most)


def test_what_is_in_a_queue_is_the_same_object_elsewhere():
    shared = [1]
    found = copied({"queue": deque([shared, "x"]), "list": shared})
    assert found["queue"][0] is found["list"] == [1]


def test_what_is_large_is_memory_beside_the_text():
    packed = pack([array("d", range(1000)), deque(map(float, range(1000)), 5000)], "it")
    assert [each.nbytes for each in packed.buffers] == [8000, 8000]


@pytest.mark.parametrize(("value", "where"), [
    (deque([1, 2, open]), "it[2] is of the type builtin_function_or_method"),
    (array("u", "text"), "it is of the type array.array, of which no copy"),
    (deque([deque()]), ""),
])  # fmt: skip
def test_what_cannot_be_copied_is_named(value, where):
    if not where:
        value[0].append(value)
        where = "it[0][0] contains itself"
    with pytest.raises(TypeError) as raised:
        pack(value, "it")
    assert str(raised.value).startswith(where)


def test_a_class_that_derives_from_one_arrives_as_that():
    class Ring(deque):
        def __iter__(self):
            raise AssertionError

    ring = Ring([1], 3)
    assert (type(copied(ring)), type(copied(OrderedDict(a=1)))) == (deque, dict)


def test_numbers_of_another_processor():
    node = '[["array.array","l",%d,"%s","AAEAAgADAAQ="],[0]]'
    assert unpack((node % (2, "big")).encode()) == array("h", [1, 2, 3, 4])
    assert unpack((node % (4, "big")).encode()) == array("i", [0x10002, 0x30004])
    assert unpack((node % (4, "little")).encode()) == array("i", [0x02000100, 0x04000300])
    assert sys.byteorder == "little", "or these three are the other way round"


@pytest.mark.parametrize("node", [
    '["array.array","l",3,"little","AAAA"]', '["array.array","u",4,"little","AAAA"]', '["array.array","d",4,"up",""]',
    '["array.array","bh",1,"little","AAAA"]', '["array.array","",1,"little","AAAA"]', '["array.array",1,1,"little",""]',
    '["array.array","l",8,"little","AAAA"]', '["array.array","l",8,"little",7]', '["array.array","l",8]',
    '["collections.deque",null,"ab"]', '["collections.deque",-1,"ab"]', '["collections.deque"]',
    '["collections.deque",null,1]', '["collections.deque",true,1]', '["collections.OrderedDict",1]',
])  # fmt: skip
def test_what_stands_for_none(node):
    with pytest.raises(UnpackError):
        unpack(f"[{node},[0]]".encode())


def test_a_queue_that_lies_about_its_length():
    with pytest.raises(UnpackError, match="a queue that is none"):
        unpack(b'[["tuple",[1,2]],["collections.deque",1,[0]],[1]]')
