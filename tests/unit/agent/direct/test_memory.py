"""New memory: as long as it was asked for, writable, and numpy's own for arrays over it."""

import pytest

from rpyc_kernel.agent.direct.memory import MAPPED_BYTES, new_memory


@pytest.mark.parametrize("size", [0, 1, 4096, MAPPED_BYTES - 1, MAPPED_BYTES, MAPPED_BYTES + 3])
def test_new_memory(size):
    memory = new_memory(size)
    assert (memory.nbytes, memory.readonly) == (size, False)
    memory[:] = b"x" * size
    assert bytes(memory) == b"x" * size


def test_more_than_there_is():
    with pytest.raises((OSError, MemoryError, OverflowError, ValueError)):
        new_memory(1 << 62)
