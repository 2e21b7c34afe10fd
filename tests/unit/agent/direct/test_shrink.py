"""Blocks that are compressed on their way; what comes is believed only if it is as long as was asked for."""

import os
import zlib

import pytest

from rpyc_kernel.agent.direct.shrink import shrunk, unshrunk


def test_there_and_back():
    block = b"the same again and again " * 1000
    packed = shrunk(memoryview(block))
    assert packed is not None
    assert len(packed) < len(block) / 10
    into = bytearray(len(block))
    unshrunk(memoryview(packed), memoryview(into))
    assert into == block


def test_what_does_not_shrink_stays():
    assert shrunk(memoryview(os.urandom(10_000))) is None


@pytest.mark.parametrize(
    "packed",
    [b"", b"nonsense", zlib.compress(bytes(99)), zlib.compress(bytes(101)), zlib.compress(bytes(1 << 24)),
     zlib.compress(bytes(100))[:-1], zlib.compress(bytes(100)) + b"more"],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_block_of_that_size(packed):
    with pytest.raises(ValueError, match="a block"):
        unshrunk(memoryview(packed), memoryview(bytearray(100)))
