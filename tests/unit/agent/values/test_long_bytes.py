"""Long bytes are copied in pieces: whole, in bounded memory, and other threads run meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rpyc_kernel.agent.direct.memory import new_memory
from rpyc_kernel.agent.values.long_bytes import PIECE_BYTES, to_bytearray, to_bytes


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 12345])
@pytest.mark.parametrize("convert", [to_bytes, to_bytearray])
def test_they_are_what_was_there(convert, size):
    data = os.urandom(size)
    memory = new_memory(size)
    memory[:] = data
    assert convert(memory) == data
    assert convert(bytearray(data)) == data
    assert convert(data) == data


def test_a_part_of_a_mapping_leaves_the_rest_alone():
    memory = new_memory(4 * PIECE_BYTES)
    memory[:] = b"x" * memory.nbytes
    assert to_bytes(memory[: 2 * PIECE_BYTES]) == b"x" * (2 * PIECE_BYTES)
    assert bytes(memory) == b"x" * memory.nbytes


@pytest.mark.needs("linux")
def test_memory_is_given_back_as_it_is_copied():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    size = 100 << 20
    memory = new_memory(size)
    memory[:] = b"x" * size
    before = resident()
    kept = to_bytes(memory)
    assert resident() - before < size / 2
    assert len(kept) == size


def test_other_threads_run_meanwhile():
    memory = new_memory(200 << 20)
    turns: list[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns.append(1)
            stop.wait(0.0001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        turns.clear()
        to_bytes(memory)
        assert turns
    finally:
        stop.set()
        thread.join()
