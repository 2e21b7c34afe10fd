"""New memory: as long as it was asked for, writable, and numpy's own for arrays over it."""

import pytest

from rpyc_kernel.agent.direct.memory import MAPPED_BYTES, check_room, free_bytes, new_memory


@pytest.mark.parametrize("size", [0, 1, 4096, MAPPED_BYTES - 1, MAPPED_BYTES, MAPPED_BYTES + 3])
def test_new_memory(size):
    memory = new_memory(size)
    assert (memory.nbytes, memory.readonly) == (size, False)
    memory[:] = b"x" * size
    assert bytes(memory) == b"x" * size


def test_more_than_there_is():
    with pytest.raises((OSError, MemoryError, OverflowError, ValueError)):
        new_memory(1 << 62)


@pytest.mark.needs("linux")
def test_what_memory_has_no_room_for_is_refused_before():
    free = free_bytes()
    assert free
    check_room(free // 2)
    with pytest.raises(MemoryError, match=r"MiB are needed, and [0-9,]+ MiB of memory are free"):
        check_room(free * 3)
