"""Packets and messages: what goes in comes out, and whatever else comes is a WireError and costs little."""

import array
import base64
import datetime as dt
import itertools
import json
import struct
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpyc_kernel.agent import wire
from rpyc_kernel.agent.wire import Message, WireError

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=20,
)
json_objects = st.dictionaries(text, json_values, max_size=5)
any_text = st.text(st.characters())  # lone surrogates too


def raw(header, buffers=(), count=None, lengths=None):
    """A packet made by hand of header bytes."""
    lengths = [len(buffer) for buffer in buffers] if lengths is None else lengths
    counts = struct.pack("!II", len(header), len(lengths) if count is None else count)
    return counts + struct.pack(f"!{len(lengths)}I", *lengths) + header + b"".join(buffers)


def nested(depth, innermost=b"1"):
    return b'{"a":' * depth + innermost + b"}" * depth


def unpacked(packet):
    header, buffers = wire.unpack(packet)
    return header, [bytes(buffer) for buffer in buffers]


# --- there and back


@given(json_objects, st.lists(st.binary(), max_size=5))
def test_what_is_packed_is_unpacked(header, buffers):
    assert unpacked(wire.pack(header, buffers)) == (header, buffers)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_packet_may_be_any_bytes(kind):
    assert unpacked(kind(wire.pack({"a": 1}, [kind(b"xy")]))) == ({"a": 1}, [b"xy"])


def test_buffers_are_not_copied_when_unpacked():
    packet = wire.pack({}, [b"x" * 1000])
    _header, buffers = wire.unpack(packet)
    assert buffers[0].obj is packet


def test_the_form_is_the_documented_one():
    assert wire.pack({"ä": 1}, [b"xyz", b""]) == struct.pack("!IIII", 8, 2, 3, 0) + '{"ä":1}'.encode() + b"xyz"


def test_a_buffer_of_numbers_is_packed_whole():
    assert unpacked(wire.pack({}, [memoryview(array.array("d", [1.0, 2.0]))]))[1] == [struct.pack("=dd", 1.0, 2.0)]


class Odd:
    def __repr__(self):
        return "<odd>"


class Vector:
    """As numpy has it: an array has ``__index__`` and ``__float__`` and raises TypeError in both."""

    def __iter__(self):
        return iter([1, 2])

    def __index__(self):
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


class Count:
    def __index__(self):
        return 3


class Measure:
    def __float__(self):
        return 1.5


@pytest.mark.parametrize(
    ("given_value", "received"),
    [
        (b"\x89PNG", "iVBORw=="),
        (memoryview(b"ab"), "YWI="),
        ((1, 2), [1, 2]),
        ({1: 2, None: 3}, {"1": 2, "null": 3}),
        ({(1, 2): b"a"}, {"(1, 2)": "YQ=="}),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (range(3), [0, 1, 2]),
        (Count(), 3),
        (Measure(), 1.5),
        (Odd(), "<odd>"),
        (Vector(), [1, 2]),
    ],
)
def test_what_is_no_json_becomes_some(given_value, received):
    assert unpacked(wire.pack({"value": given_value}))[0] == {"value": received}


@given(any_text, any_text)
@example("\ud800", "a\udfffb")
def test_lone_surrogates_arrive_as_escapes(key, value):
    header, _buffers = wire.unpack(wire.pack({"list": [{key: value}], "x" + key: 1}))
    escaped = [each.encode("utf-8", "backslashreplace").decode() for each in (key, value)]
    assert header == {"list": [{escaped[0]: escaped[1]}], "x" + escaped[0]: 1}


def test_lone_surrogates_in_what_is_no_json():
    assert wire.unpack(wire.pack({"value": {"\ud800"}}))[0] == {"value": ["\\ud800"]}


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\uD800", b"\\udfff", b"\\uDc00x"])
def test_lone_surrogates_that_another_agent_sends_are_cleaned(escape):
    header, _buffers = wire.unpack(raw(b'{"a": ["' + escape + b'"], "' + escape + b'": 1}'))
    json.dumps(header, ensure_ascii=False).encode()  # else UnicodeEncodeError at the kernel's socket


def test_a_pair_of_surrogates_is_a_character():
    assert wire.unpack(raw(b'{"a": "\\ud83d\\ude00"}'))[0] == {"a": "😀"}


class Endless:
    """Whose length is no promise."""

    def __len__(self):
        return 1

    def __iter__(self):
        return itertools.count()


@pytest.mark.parametrize("value", [itertools.count(), itertools.repeat([]), range(10**18), Endless()])
def test_what_has_no_end_is_refused(value, monkeypatch):
    monkeypatch.setattr(wire, "MAX_ITEMS", 5000)
    monkeypatch.setattr(wire, "MAX_UNCOUNTED", 1000)
    with pytest.raises(ValueError, match=r"gives more than [15],000 items"):
        wire.pack({"a": [{"b": value}]})
    with pytest.raises(ValueError, match="gives more than 1,000 items"):
        wire.pack({"a": (itertools.repeat(1, 10) for _ in itertools.count())})
    assert unpacked(wire.pack({"a": iter(range(1000))}))[0] == {"a": [*range(1000)]}


# --- parts


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(1, 12))
def test_pieces_are_cut_into_others(pieces, size):
    cut = list(wire.cut(pieces, size))
    assert b"".join(cut) == b"".join(pieces)
    assert all(len(each) == size for each in cut[:-1])
    assert all(0 < len(each) <= size for each in cut)


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4), st.integers(1, 9), st.randoms())
def test_messages_whose_parts_come_among_each_other(messages, size, rng):
    parts, waiting, whole = wire.Parts(), {}, {}
    for name, message in enumerate(messages):
        waiting[name] = [(at, message[at : at + size]) for at in range(0, len(message), size)]
    while waiting:
        name = rng.choice(list(waiting))
        start, piece = waiting[name].pop(0)
        packet = wire.part_packet((name, start, len(messages[name])), "a", "b", piece)
        assert wire.is_part(packet)
        assert wire.about(packet) == ("a", "b")
        header, buffers = wire.unpack(packet)
        found = parts.take(header["part"], buffers[0])
        if not waiting[name]:
            del waiting[name]
            whole[name] = found
        else:
            assert found is None
    assert whole == dict(enumerate(messages))


def take_all(parts, *pieces, size=6):
    return [parts.take([1, start, size], piece) for start, piece in pieces]


def test_a_message_that_is_given_up_or_begins_again():
    parts = wire.Parts()
    assert take_all(parts, (0, b"ab"), (-1, b""), (0, b"abc"), (0, b"ABCD"), (4, b"EF"))[-1] == b"ABCDEF"


@pytest.mark.parametrize("pieces", [[(2, b"cd"), (4, b"ef")], [(0, b"ab"), (4, b"ef")], [(0, b"ab"), (2, b"cdefg")]])
def test_a_message_of_which_a_part_is_missing_is_lost(pieces):
    parts = wire.Parts()
    with pytest.raises(WireError, match="whose beginning is not here"):
        take_all(parts, *pieces)
    assert take_all(parts, (0, b"abcdef")) == [b"abcdef"]


def test_a_message_that_is_too_long_is_told_with_its_last_part_and_not_kept():
    parts = wire.Parts(5)
    with pytest.raises(WireError, match="of 6 bytes, and at most 5 travel"):
        assert take_all(parts, (0, b"abc"), (3, b"def")) == [None]
    assert take_all(parts, (0, b"abcd"), size=5) == [None]
    assert parts.take([2, 0, 5], b"ABC") is None, "the first of the two makes room"
    assert parts.take([2, 3, 5], b"DE") == b"ABCDE"


@pytest.mark.parametrize(
    "part", [None, 1, [], [1, 2], [1, 2, "3"], ["a", 0, 1], [0.0, 0, 1], {}, [[1], 0, 1], [1, 0, True]]
)
def test_numbers_of_a_part_that_are_none(part):
    with pytest.raises(WireError):
        wire.Parts().take(part, b"a")


def test_a_message_above_the_limit_is_not_packed(monkeypatch):
    monkeypatch.setattr(wire, "MAX_MESSAGE", 1000)
    for message in (Message("a", {"b": "x" * 1000}), Message("a", {}, buffers=[bytes(500), bytearray(501)])):
        with pytest.raises(wire.MessageTooLong, match=r"of 1,0\d\d bytes, and at most 1,000 travel"):
            message.encode()


# --- what is no packet

few_buffers = st.lists(st.binary(max_size=9), max_size=3)
fields = dict.fromkeys(("type", "parent", "content", "metadata"), json_values | st.just("stream"))
headers = st.binary(max_size=50) | (json_values | st.fixed_dictionaries({}, optional=fields)).map(
    lambda value: json.dumps(value).encode()
)


@st.composite
def damaged(draw):
    packet = bytearray(wire.pack(draw(json_objects), draw(few_buffers)))
    packet[draw(st.integers(0, len(packet) - 1))] = draw(st.integers(0, 255))
    return bytes(packet)


packets = st.binary(max_size=200) | damaged() | st.builds(raw, headers, few_buffers)


@settings(max_examples=200)
@given(packets)
def test_whatever_comes_is_a_message_or_a_wire_error(packet):
    for read in (wire.unpack, Message.decode):
        try:
            read(packet)
        except WireError:
            pass


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 7,
        raw(b""),
        raw(b"[]"),
        raw(b"1"),
        raw(b"null"),
        raw(b"{}") + b"?",
        raw(b"{}")[:-1],
        raw(b'{"a": \xff}'),
        raw(b"{}", [b"ab"])[:-1],
        raw(b"{}", count=1),
        raw(b"{}", count=2**32 - 1),
        raw(b"{}", lengths=[2**32 - 1] * 3),
        raw(b"{}", lengths=[0] * (wire.MAX_BUFFERS + 1)),
        struct.pack("!II", 2**32 - 1, 0) + b"{}",
        raw(b'{"a":' + b"1" * 5000 + b"}"),  # more digits than int() takes
        raw(nested(100_000)),
        raw(b'{"a":' + b"[" * 100_000),
    ],
)
def test_what_is_no_packet_is_refused_and_costs_little(packet):
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            wire.unpack(packet)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(packet) + 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [200, 700, 5000])
def test_deep_nesting_with_a_surrogate_in_it(depth):
    try:
        wire.unpack(raw(nested(depth, b'"\\ud800"')))
    except WireError:
        assert depth > 500


def test_a_header_above_the_limit_is_not_read(monkeypatch):
    monkeypatch.setattr(wire, "MAX_HEADER", 20)
    assert wire.unpack(raw(b'{"a": 12345678901}')) == ({"a": 12345678901}, [])
    with pytest.raises(WireError, match="can't be true"):
        wire.unpack(raw(b'{"a": 12345678901234}'))


# --- messages


@settings(max_examples=50)
@given(text, json_objects, text, json_objects, st.lists(st.binary(), max_size=3))
def test_a_message_survives_the_way(kind, content, parent, metadata, buffers):
    if kind == "stream":
        return
    message = Message.decode(Message(kind, content, parent, metadata, buffers).encode())
    assert (message.type, message.content, message.parent, message.metadata) == (kind, content, parent, metadata)
    assert [bytes(buffer) for buffer in message.buffers] == buffers


@given(st.sampled_from(["stdout", "stderr"]), any_text)
@example("stdout", "x\ud800")
def test_a_stream_carries_its_text_beside_the_json(name, printed):
    packet = Message("stream", {"name": name, "text": printed}, "a").encode()
    header, buffers = unpacked(packet)
    assert header["content"] == {"name": name}
    assert packet == wire.stream_packet(name, "a", buffers[0])
    message = Message.decode(packet)
    assert message.content == {"name": name, "text": printed.encode("utf-8", "backslashreplace").decode()}
    assert message.buffers == []


@pytest.mark.parametrize(
    ("header", "buffers"),
    [
        ({}, []),
        ({"type": "a"}, []),
        ({"type": "a", "parent": "b"}, []),
        ({"type": 1, "parent": "b", "content": {}}, []),
        ({"type": "a", "parent": None, "content": {}}, []),
        ({"type": "a", "parent": "b", "content": []}, []),
        ({"type": "a", "parent": "b", "content": {}, "metadata": None}, []),
        ({"type": "stream", "parent": "b", "content": {"name": "stdout"}}, []),
        ({"type": "stream", "parent": "b", "content": {"name": "stdout"}}, [b"a", b"b"]),
        ({"type": "stream", "parent": "b", "content": {"name": "stdin"}}, [b"a"]),
        ({"type": "stream", "parent": "b", "content": {"name": ["stdout"]}}, [b"a"]),
        ({"type": "stream", "parent": "b", "content": {"text": "a"}}, [b"a"]),
    ],
)
def test_a_message_with_a_wrong_field_is_refused(header, buffers):
    with pytest.raises(WireError):
        Message.decode(wire.pack(header, buffers))


def test_bytes_of_a_stream_that_are_no_text_are_replaced():
    assert Message.decode(wire.stream_packet("stdout", "a", b"a\xffb")).content["text"] == "a�b"


@pytest.mark.parametrize(
    ("request_type", "reply"),
    [("execute_request", "execute_reply"), ("complete_request", "complete_reply"), ("comm_msg", "comm_msg_reply")],
)
def test_the_type_of_a_reply(request_type, reply):
    assert wire.reply_type(request_type) == reply


# --- cutting text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.integers(4, 20))
def test_a_cut_tears_no_character(whole, limit):
    rest = whole.encode()
    pieces = []
    while rest:
        cut = wire.utf8_cut(rest, limit)
        assert 0 < cut <= limit
        assert cut > limit - 4 or cut == len(rest), "much less than what fits"
        pieces.append(rest[:cut].decode())
        rest = rest[cut:]
    assert "".join(pieces) == whole


@given(st.binary(min_size=1, max_size=50), st.integers(1, 20))
def test_a_cut_comes_on_in_whatever_bytes(data, limit):
    assert 0 < wire.utf8_cut(data, limit) <= limit


@given(st.text("ä\n", max_size=50), st.integers(4, 20))
def test_text_is_cut_behind_a_line_where_one_ends(whole, limit):
    rest = whole.encode()
    for piece in wire.text_pieces(rest, limit):
        assert 0 < len(piece) <= limit
        assert rest.startswith(piece)
        piece.decode()  # whole characters
        assert piece == rest or piece.endswith(b"\n") or b"\n" not in rest[:limit]
        rest = rest[len(piece) :]
    assert not rest


# --- pictures

JPEG, PNG = b"\xff\xd8\xff\xe0more", b"\x89PNG\r\n\x1a\nmore"


@pytest.mark.parametrize(("mime", "image"), [("image/jpeg", JPEG), ("image/png", PNG)])
def test_a_picture_travels_as_it_is_and_arrives_as_base64(mime, image):
    content = {"data": {"text/plain": "p"}, "metadata": {}, "transient": {"display_id": "d"}}
    packet = wire.image_packet("update_display_data", "a", content, mime, image)
    assert image in packet
    message = Message.decode(packet)
    assert (message.type, message.parent, message.buffers) == ("update_display_data", "a", [])
    assert base64.b64decode(message.content["data"][mime]) == image
    assert message.content["data"]["text/plain"] == "p"


@pytest.mark.parametrize(
    ("header", "buffers"),
    [
        ({"image": "text/html"}, [b"<script>"]),
        ({"image": "image/svg+xml"}, [b"<html>"]),
        ({"image": "image/svg+xml"}, [b"<svg \xff>"]),
        ({"image": "image/png"}, [JPEG]),
        ({"image": "image/jpeg"}, [b"\xff\xd8"]),
        ({"image": "image/jpeg"}, []),
        ({"image": "image/jpeg"}, [JPEG, JPEG]),
        ({"image": ["image/jpeg"]}, [JPEG]),
        ({"image": {}}, [JPEG]),
        ({"image": None}, [JPEG]),
        ({"image": "image/jpeg", "type": "execute_result"}, [JPEG]),
        ({"image": "image/jpeg", "type": "execute_reply"}, [JPEG]),
        ({"image": "image/jpeg", "content": {}}, [JPEG]),
        ({"image": "image/jpeg", "content": {"data": "text"}}, [JPEG]),
    ],
)
def test_a_picture_that_is_none_is_refused(header, buffers):
    whole = {"type": "display_data", "parent": "a", "content": {"data": {}}, **header}
    with pytest.raises(WireError):
        Message.decode(wire.pack(whole, buffers))


def test_a_picture_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(wire, "MAX_IMAGE", len(JPEG) - 1)
    with pytest.raises(WireError):
        Message.decode(wire.image_packet("display_data", "a", {"data": {}}, "image/jpeg", JPEG))
