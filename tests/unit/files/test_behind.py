"""What was received is written on a thread: in order, with bounded memory; what fails is raised where it comes."""

from __future__ import annotations

import threading

import pytest

from rpyc_kernel.files.behind import BLOCKS, WriteBehind


@pytest.fixture
def behind():
    behind = WriteBehind(10)
    yield behind
    behind.close()


def test_blocks_are_written_in_order_and_beside_what_comes(behind):
    written, first, here = [], threading.Event(), threading.get_ident()

    def write(number, block):
        first.wait(30)
        written.append((number, bytes(block), threading.get_ident() == here))

    for number in range(BLOCKS):
        block = behind.memory(2)
        block[:] = bytes([number, number])
        behind.write(lambda number=number, block=block: write(number, block))
    assert written == []
    first.set()
    for number in range(BLOCKS, 20):
        block = behind.memory(1)
        block[:] = bytes([number])
        behind.write(lambda number=number, block=block: write(number, block))
    behind.flush()
    assert written == [(n, bytes([n] * (2 if n < BLOCKS else 1)), False) for n in range(20)]


def test_memory_that_was_not_written_is_given_out_again(behind):
    blocks = {id(behind.memory(10).obj) for _ in range(10)}
    assert len(blocks) == 1


def test_what_fails_is_raised_and_nothing_more_is_written(behind):
    written = []

    def fail():
        raise OSError("the disk is full")

    behind.memory(1)
    behind.write(fail)
    with pytest.raises(OSError, match="the disk is full"):
        behind.flush()
    with pytest.raises(OSError, match="the disk is full"):
        behind.memory(1)
    behind.close()
    assert written == []


def test_whoever_waits_for_memory_hears_of_a_failure(behind):
    going = threading.Event()

    def fail():
        going.wait(30)
        raise OSError("the disk is full")

    for deed in (fail, fail, fail):
        behind.memory(1)
        behind.write(deed)
    going.set()
    with pytest.raises(OSError, match="the disk is full"):
        behind.memory(1)
