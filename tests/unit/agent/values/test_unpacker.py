"""What a machine sends that means harm: whatever is no packed value is refused, in bounded time and memory."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpyc_kernel.agent.values import MissingHereError, UnpackError, kinds, pack, unpack, unpacker
from rpyc_kernel.errors import ProtocolError
from rpyc_kernel.values.exchange import unpacked
from tests.unit.agent.values.copies import bounded, copied


def read(*nodes, buffers=()):
    return unpack(json.dumps(nodes).encode(), buffers)


def test_the_kernel_refuses_with_its_own_errors():
    assert unpacked(pack([1, b"x" * 1000], "it").copied(), "host:1") == [1, b"x" * 1000]
    for packed in (None, (), [], {b"[1]"}, b"1", ("1",), (b"[1]", "x"), (b"[1]", 2), (b"",)):
        with pytest.raises(ProtocolError, match="host:1"):
            unpacked(packed, "host:1")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 100_000, b"-" * 10, b'"\\ud8', b"nul", b"1", b"[]",
     b"{}", b'{"a":1}', b"[1,2]", b"null", b"[[1]]", b"[[0]]"],
    ids=lambda text: str(text)[:20],
)  # fmt: skip
def test_what_is_no_text_of_nodes(text):
    with pytest.raises(UnpackError), bounded(10, 2**20):
        unpack(text)


@pytest.mark.parametrize(
    "node",
    [
        5, [], [1], ["list"], [[], 1], ["unknown", 1], ["os.system", "x"],
        ["numpy", 1], [".numpy", 1], ["values.x", 1], ["tuple"],
        ["tuple", 1], ["tuple", "ab"], ["tuple", {"a": 1}], ["tuple", [[0]]], ["tuple", [[1]]],
        ["tuple", [[-1]]], ["tuple", [[True]]], ["tuple", [["0"]]], ["tuple", [[0, 0]]], ["tuple", [[]]],
        ["tuple", [{}]],
        ["tuple", [1], 2], ["tuple", "x", 0], ["tuple", "d", 1], ["tuple", "d", "YQ=="], ["tuple", "d", None],
        ["list", "x", 0], ["list", 5], ["list", [[7]]], ["list", [{}]], ["list", "d", 0, 0], ["set", 5],
        ["set", "q", 0, 1], ["map", []], ["map", {"a": [9]}], ["map", {"a": {}}], ["map", 1], ["dict", [1]],
        ["dict", {"a": 1}], ["dict", [1, [5]]], ["frozenset", 1], ["frozenset", [[0]]],
        ["object", 1], ["object", "a", 1, 2], ["object", "a", "b"], ["object"],
        ["complex", 1.0], ["complex", 10**400, 1.0], ["complex", "1", "2"], ["range", 1, 2, 0], ["range", 1, 2],
        ["range", 1.5, 2, 3], ["range", "1", 2, 3], ["int", "zz"], ["int", 5], ["str", 0, 1], ["str", None],
        ["bytes", 1], ["bytes", -1], ["bytes", True], ["bytes", 1.0], ["bytes", 10**30], ["bytes", "a"],
        ["bytes", None],
        ["str", "/w=="], ["slice", 1, 2], ["Ellipsis"], ["plain"],
    ],
    ids=lambda node: json.dumps(node)[:40],
)  # fmt: skip
def test_what_stands_for_nothing(node):
    with pytest.raises(UnpackError), bounded(10, 2**20):
        read(node, [0], buffers=[b"7 bytes"])


def test_memory_is_taken_once():
    """Or a few bytes would be as many copies of a large buffer."""
    nodes = [["bytes", 0], ["bytearray", 0], ["numpy.ndarray", "|u1", "C", 0, 10 << 20], ["list", "s", 0], ["str", 0]]
    for node in nodes:
        with pytest.raises(UnpackError, match="memory that is not there"), bounded(10, 100 << 20):
            read(*[node] * 1000, [0], buffers=[bytes(10 << 20)])


def test_the_memory_that_lists_of_nothing_take_is_bounded(monkeypatch):
    monkeypatch.setattr(unpacker, "MAX_CONTAINERS", 100_000)
    for node in (b"[],", b"{},", b'["tuple",[]],'):
        count = unpacker.MAX_CONTAINERS // unpacker._containers(node) + 1
        with pytest.raises(UnpackError, match="ask for parts"), bounded(30, 10 << 20):
            unpack(b"[" + node * count + b"1]")
    text = "[" * (unpacker.MAX_CONTAINERS + 1) + '\\"{'  # in a text they cost nothing
    assert copied([text[:50_000], text[50_000:]]) == [text[:50_000], text[50_000:]]


def test_the_memory_that_texts_take_is_bounded(monkeypatch):
    monkeypatch.setattr(unpacker, "MAX_TEXTS", 1000)
    with pytest.raises(UnpackError, match="more than 1,000 texts"), bounded(10, 2**20):
        read(["list", "s", 0], ["tuple", "s", 1], [0], buffers=[b"\0" * 500, b"\0" * 500])
    monkeypatch.setattr(unpacker, "MAX_TEXT_BYTES", 1000)
    with pytest.raises(UnpackError, match="more than 0 MiB"):
        unpack(b"[" * 1001)


ITEMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-1, 5), st.floats(), st.text(max_size=10), st.just("<f8"),
    st.sampled_from(["d", "q", "s", "C", "F", "YWJjZGVmZ2g=", "Europe/Berlin", "2"]),
    st.integers(-1, 5).map(lambda n: [n]),
)  # fmt: skip
NAMES = [
    *unpacker._SHELLS, "tuple", "frozenset",
    *sorted({name for package in kinds._MODULES for name in kinds.module_of(package).BUILDERS}),
]  # fmt: skip
NODES = st.one_of(
    st.builds(lambda name, parts: [name, *parts], st.sampled_from(NAMES), st.lists(ITEMS, max_size=10)),
    st.builds(lambda name, items: [name, items], st.sampled_from(NAMES), st.lists(ITEMS, max_size=4)),
    st.builds(lambda items: ["map", items], st.dictionaries(st.text(max_size=3), ITEMS, max_size=4)),
)
JSON = st.recursive(ITEMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner))
TEXTS = st.lists(NODES | JSON, max_size=8).map(lambda nodes: json.dumps([*nodes, [len(nodes) - 1]]).encode())
BUFFERS = st.lists(st.binary(max_size=20), max_size=3)


def is_read_or_refused(text, buffers):
    with contextlib.suppress(UnpackError, MissingHereError):
        unpack(text, buffers)


@given(TEXTS | st.binary(max_size=50), BUFFERS)
def test_whatever_comes_is_data_or_refused(text, buffers):
    is_read_or_refused(text, buffers)


@pytest.mark.fuzz
@settings(max_examples=100_000, deadline=None)
@given(TEXTS, BUFFERS)
def test_whatever_comes_for_longer(text, buffers):
    is_read_or_refused(text, buffers)
