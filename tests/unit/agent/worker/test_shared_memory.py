"""Memory that sessions of one user on one machine share: each sees what was written, and nobody what others change."""

import mmap
import os
import tempfile

import pytest

from rpyc_kernel.agent.worker.shared_memory import Adopted, CannotShareError, SharedDraft

SIZES = [5, 100_000, 0, 64]

fcntl = pytest.importorskip("fcntl", reason="Linux has such files")
pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux has such files")


def adopt(told, sizes):
    return Adopted(told, sizes).buffers


def drafted():
    draft = SharedDraft(SIZES)
    for number, size in enumerate(SIZES):
        half = size // 2
        for write, start, end in ((draft.write, half, size), (draft.begin_write, 0, half)):
            write(number, start, memoryview(bytes([65 + number]) * (end - start)))
    return draft


def test_each_has_what_came_and_changes_its_own():
    draft = drafted()
    told = draft.share()
    first, second = adopt(told, SIZES), adopt(told, SIZES)
    for buffers in (draft.buffers, first, second):
        assert [bytes(buffer) for buffer in buffers] == [b"A" * 5, b"B" * 100_000, b"", b"D" * 64]
        assert not any(buffer.readonly for buffer in buffers)
    draft.buffers[0][:] = b"first"
    first[0][:] = b"other"
    first[1][99_999] = 0
    assert [bytes(buffers[0]) for buffers in (draft.buffers, first, second)] == [b"first", b"other", b"A" * 5]
    assert bytes(adopt(told, SIZES)[1]) == bytes(second[1]) == b"B" * 100_000
    draft.close()
    assert bytes(second[1][-3:]) == b"BBB"
    with pytest.raises(CannotShareError):
        adopt(told, SIZES)


def test_it_is_mapped_while_it_is_written_and_taken_when_nobody_can_change_it():
    draft = SharedDraft([2_000_000])
    draft.write(0, 0, memoryview(b"A" * 1_000_000))
    adopted = Adopted(draft.told, [2_000_000])
    with pytest.raises(CannotShareError, match="may still change"):
        adopted.buffers  # noqa: B018 - it reads them
    draft.write(0, 1_000_000, memoryview(b"B" * 1_000_000))
    draft.write(0, 0, memoryview(b"C"))
    writable = mmap.mmap(draft.told["fd"], 4096)  # which would change what the others see
    with pytest.raises(CannotShareError):
        draft.share()
    assert not adopted.sealed
    writable.close()
    draft.share()
    draft.close()
    assert adopted.sealed
    assert bytes(adopted.buffers[0]) == b"C" + b"A" * 999_999 + b"B" * 1_000_000


def test_nothing_is_written_beside_it_or_later():
    draft = drafted()
    for place in ((0, 3), (4, 0), (-1, 0), (0, -1), (2, 0)):
        for write in (draft.write, draft.begin_write):
            with pytest.raises(ValueError, match="isn't there"):
                write(*place, memoryview(b"xyz"))
    assert bytes(draft.buffers[0]) == b"A" * 5
    draft.share()
    with pytest.raises(PermissionError):
        draft.write(0, 0, memoryview(b"x"))


def test_a_block_is_free_when_it_was_written_and_what_was_not_is_told():
    draft, block = SharedDraft([2_000_000]), bytearray(1_000_000)
    for number in range(2):
        block[:] = bytes([65 + number]) * len(block)
        assert draft.begin_write(0, number * len(block), memoryview(block)).wait(10)
    draft.share()
    assert bytes(draft.buffers[0]) == b"A" * 1_000_000 + b"B" * 1_000_000
    assert draft.begin_write(0, 0, memoryview(block)).wait(10)  # it is sealed
    with pytest.raises(PermissionError):
        draft.buffers  # noqa: B018 - it reads them
    with pytest.raises(CannotShareError):
        draft.share()


def test_nothing_else_is_adopted():
    draft = drafted()
    told = draft.share()
    for change in ({"mark": "00" * 16}, {"mark": "no"}, {"pid": 1 << 30}, {"fd": 1 << 20}):
        with pytest.raises(CannotShareError):
            adopt({**told, **change}, SIZES)
    with pytest.raises(CannotShareError):
        adopt(told, [*SIZES, 1])
    content = os.pread(told["fd"], 1 << 20, 0)
    with tempfile.NamedTemporaryFile() as named:  # a file that others may open, and change
        named.write(content)
        named.flush()
        with pytest.raises(CannotShareError):
            adopt({**told, "fd": named.fileno()}, SIZES)
    unsealed = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(unsealed, content)
    with pytest.raises(CannotShareError):
        adopt({**told, "fd": unsealed}, SIZES)
    fcntl.fcntl(unsealed, 1033, 8)
    with pytest.raises(CannotShareError):  # it may be cut, which ends whoever reads what is mapped
        Adopted({**told, "fd": unsealed}, SIZES)
    os.close(unsealed)
    read_end, write_end = os.pipe()
    with pytest.raises(CannotShareError):
        adopt({**told, "fd": read_end}, SIZES)
    os.close(read_end), os.close(write_end)


def test_nobody_can_change_it_any_more():
    draft = drafted()
    fd = draft.share()["fd"]
    for change in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0), lambda: fcntl.fcntl(fd, 1033, 8)):
        with pytest.raises(PermissionError):
            change()
