"""The spill: a queue in files, whatever the disk does."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rpyc_kernel.agent.keeper.outbox import room
from rpyc_kernel.agent.keeper.outbox.entries import ALL_BYTES, JournalEntry, marker
from rpyc_kernel.agent.keeper.outbox.spill import Spill

MIB = 1 << 20


def text(data, name="stdout", parent="a"):
    return JournalEntry(name, parent, data)


def packet(data=b"packet", urgent=False):
    return JournalEntry("", "", data, urgent)


def update(data=b"update", display="one"):
    entry = packet(data)
    entry.display = display
    return entry


def told(entry):
    return entry.name, entry.parent, bytes(entry.data), entry.urgent, entry.lost


def all_of(spill):
    found = []
    while True:
        taken = spill.take(1000)
        if not taken:
            return found
        found += taken


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "scratch"


@pytest.fixture
def spill(folder):
    spill = Spill(str(folder), MIB, 0)
    yield spill
    spill.close()


def test_what_is_appended_comes_back_in_order(spill):
    entries = [
        text("ä€😀".encode()),
        text(b"err", "stderr", 'an "odd" parent \\ ü \ud800'),
        packet(b"\0" * 300_000),
        packet(b"", urgent=True),
        marker("stderr", "b", (12, 0, 1 << 40)),
        *(packet(b"%d" % number) for number in range(5000)),
    ]
    before = [told(entry) for entry in entries]
    assert spill.append(entries) == len(entries)
    assert (spill.count, spill.urgent) == (len(entries), 1)
    assert spill.bytes == sum(len(data) for _, _, data, _, _ in before)
    assert [told(entry) for entry in spill.scan(0)] == before
    assert [told(entry) for entry in spill.scan(4000)] == before[4000:]
    assert [told(entry) for entry in all_of(spill)] == before
    assert (spill.count, spill.urgent, spill.bytes, spill.on_disk) == (0, 0, 0, 0)


@pytest.mark.needs("posix")
def test_without_what_only_posix_has(spill, monkeypatch):
    for name in ("pread", "pwrite", "geteuid"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(room, "os", SimpleNamespace())  # shutil, which is asked instead, needs the real one
    entries = [text(b"%d" % number * 5000) for number in range(50)]
    wanted = [told(entry) for entry in entries]
    assert spill.append(entries[:30]) == 30
    taken = spill.take(1000)
    assert spill.append(entries[30:]) == 20
    assert [told(entry) for entry in taken + all_of(spill)] == wanted
    assert room.memory_bytes() > 0


@pytest.mark.needs("posix")
def test_its_folder_is_private_and_its_files_have_no_name(spill, folder):
    folder.parent.chmod(0o777)
    spill.append([text(b"x" * 1000)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == []
    fd = spill._segments[0]._fd
    status = os.fstat(fd)
    assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 0)
    assert not os.get_inheritable(fd)


def test_the_disk_gets_back_what_was_read(spill):
    spill.append([packet(bytes(50_000)) for _ in range(20)])
    assert spill.on_disk > 1_000_000
    for _ in range(10):
        spill.take(50_000)
    assert spill.on_disk < 600_000


@pytest.mark.needs("posix")
def test_it_is_closed_in_a_forked_process(spill):
    spill.append([packet(bytes(50_000)) for _ in range(20)])
    files = [segment._fd for segment in spill._segments]
    spill.close()
    for fd in files:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert spill.take(1) == []


def test_there_is_room_up_to_its_cap(spill):
    entries = [packet(bytes(10_000)) for _ in range(200)]
    done = spill.append(entries)
    assert 90 < done < 105
    assert spill.on_disk <= MIB
    assert spill.append(entries) == 0
    assert len(all_of(spill)) == done


def test_without_a_folder_there_is_no_room():
    spill = Spill(None)
    assert spill.append([packet()]) == 0
    assert (spill.cap, spill.take(1), spill.thin()) == (0, [], 0)


def others(folder):
    folder.mkdir(0o777)
    folder.chmod(0o777)


def a_link(folder):
    (folder.parent / "elsewhere").mkdir(0o700)
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.needs("posix")
@pytest.mark.parametrize("prepare", [others, a_link, lambda folder: folder.touch()])
def test_a_folder_that_others_may_change_is_not_used(spill, folder, prepare):
    prepare(folder)
    assert spill.append([packet()]) == 0


def test_a_file_that_lies_in_wait_is_not_written_to(spill, folder):
    folder.mkdir(0o700)
    (folder / "spill-1").write_text("mine")
    assert spill.append([packet()]) == 0
    assert (folder / "spill-1").read_text() == "mine"
    assert spill.append([packet()]) == 1


@pytest.mark.needs("posix")
def test_a_folder_that_is_removed_takes_nothing_away(spill, folder):
    before = [packet(b"%d" % number + bytes(30_000)) for number in range(10)]
    assert spill.append(before) == 10
    shutil.rmtree(folder)
    assert spill.append(before) == 10  # it is made again
    shutil.rmtree(folder)
    folder.touch()
    done = spill.append(before)
    assert done < 3
    assert [told(entry) for entry in all_of(spill)] == [told(entry) for entry in (before + before + before[:done])]


def test_a_margin_stays_free(folder):
    free = room.spare_bytes(str(folder.parent), 0)
    assert Spill(str(folder), MIB, free - 10 * MIB).append([packet()]) == 1
    assert Spill(str(folder), MIB, free + 10 * MIB).append([packet()]) == 0


@pytest.mark.needs("posix")
def test_the_margin_of_a_large_disk_is_a_part_of_it(tmp_path):
    whole = 1 << 40
    disk = os.statvfs_result((4096, 4096, whole // 4096, 0, 100 * MIB // 4096, 0, 0, 0, 0, 255))
    with mock.patch.object(os, "statvfs", return_value=disk):
        assert room.spare_bytes(str(tmp_path)) < 0
        assert room.spare_bytes(str(tmp_path), 0) == 100 * MIB


@pytest.mark.needs("linux")
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs /dev/shm")
def test_a_disk_in_memory_has_no_more_room_than_memory():
    assert room._is_in_memory(Path("/dev/shm").stat().st_dev)
    assert not room._is_in_memory(Path("/proc").stat().st_dev)
    huge = os.statvfs_result((4096, 4096, 1 << 40, 1 << 40, 1 << 40, 0, 0, 0, 0, 255))
    with mock.patch.object(os, "statvfs", return_value=huge):
        assert room.spare_bytes("/dev/shm", 0) < room.memory_bytes()


class FullDisk:
    """Lets so many bytes through, the last write in part."""

    def __init__(self, room):
        self.room = room
        self._pwrite = os.pwrite

    def __call__(self, fd, data, place):
        done = self._pwrite(fd, data[: self.room], place) if self.room else 0
        self.room -= done
        if not done:
            raise OSError(errno.ENOSPC, "No space left on device")
        return done


def fill(spill):
    """As much as there is room for."""
    while spill.append([text(b"line\n" * 2000)]):
        pass


@pytest.mark.needs("posix")
def test_a_disk_that_becomes_full(spill):
    entries = [packet(b"%5d" % number + bytes(1000)) for number in range(1000)]
    with mock.patch.object(os, "pwrite", FullDisk(500_000)):
        done = spill.append(entries)
    assert 200 < done < 500
    assert spill.append(entries[done:]) > 0  # there is room again
    taken = all_of(spill)
    assert [told(entry) for entry in taken] == [told(entry) for entry in entries[: len(taken)]]
    assert len(taken) > 800


@pytest.mark.needs("posix")
def test_thinning_on_a_full_disk_needs_no_room(spill):
    fill(spill)
    lines = 2000 * spill.count
    with mock.patch.object(os, "pwrite", FullDisk(10_000)):
        assert spill.thin() > 40_000
    assert spill.in_memory == 0
    first, *rest = all_of(spill)
    assert first.lost[0] % 2000 == 0
    assert first.lost[0] + 2000 * len(rest) == lines


def test_what_was_freed_may_be_used_again_when_others_have_filled_the_disk(spill):
    fill(spill)
    with mock.patch("rpyc_kernel.agent.keeper.outbox.spill.spare_bytes", return_value=0):
        assert spill.thin() > 40_000
        assert spill.append([text(b"line\n" * 2000) for _ in range(3)]) == 3
        all_of(spill)
        assert spill.append([text(b"line\n")]) == 0


@pytest.mark.needs("posix")
def test_nothing_is_thinned_where_that_makes_no_room(spill, folder):
    spill.append([text(b"line\n" * 9000) for _ in range(10)])
    shutil.rmtree(folder)
    folder.touch()
    assert spill.append([text(b"line\n" * 9000) for _ in range(10)]) < 3
    assert spill.thin() == 0


@pytest.mark.needs("posix")
def test_where_a_file_cannot_be_written_again_what_is_left_of_it_is_kept_in_memory(spill):
    """As on a file system that never writes to the same place."""
    update_of = update(b"u" * 100)
    spill.append([packet(b"first"), update_of, *(text(b"line\n" * 1000) for _ in range(4)), packet(b"last", True)])
    with mock.patch.object(os, "pwrite", FullDisk(0)):
        assert spill.append([packet()]) == 0
        assert spill.thin() > 0
        assert (spill.on_disk, spill.count, spill.urgent) == (0, 4, 1)
        assert 100 < spill.in_memory < 1000
        segment = update_of.place[0]
        assert segment.forget(update_of)
        assert spill.append([packet()]) == 0
    assert spill.append([packet(b"behind it")]) == 1
    kinds = [bytes(entry.data) if not entry.lost else entry.lost for entry in all_of(spill)]
    assert kinds == [b"first", (4000, 0, 20_000), b"last", b"behind it"]
    assert spill.in_memory == 0


@pytest.mark.needs("posix")
def test_what_cannot_be_read_back_is_told(spill):
    spill.append([text(b"a" * 1000), packet(b"x", urgent=True)])
    spill.append([packet(bytes(900_000))])
    with mock.patch.object(os, "pread", side_effect=OSError(errno.EIO, "Input/output error")):
        assert spill.thin() == 0
        assert list(spill.scan(0)) == []
        (told,) = spill.take(1000)
    assert (told.name, told.parent) == ("stderr", "a")
    assert bytes(told.data) == b"[2 messages (1001 bytes) could not be read back from the disk: Input/output error]\n"
    assert (spill.count, spill.urgent, spill.bytes) == (1, 0, 900_000)
    os.ftruncate(spill._segments[0]._fd, 1000)
    assert b"shorter" in bytes(spill.take(1000)[0].data)
    assert spill.take(1000) == []


def test_thinning_begins_with_the_oldest_and_joins_markers(spill):
    entries = [text(b"line\n" * 2000, parent="ab"[number // 60]) for number in range(80)]
    spill.append(entries)
    assert spill.append([packet(bytes(500_000))]) == 0
    files = len(spill._segments)
    assert spill.thin()
    assert [entry.lost is None for entry in spill.scan(0)][:2] == [False, True]
    while spill.thin():
        assert len([entry for entry in spill.scan(0) if entry.lost]) <= 2
    assert files > 8
    assert len(spill._segments) <= 2
    a, b = all_of(spill)
    assert (a.parent, a.lost) == ("a", (120_000, 0, 600_000))
    assert (b.parent, b.lost) == ("b", (40_000, 0, 200_000))


def test_an_update_is_forgotten_wherever_it_is(spill):
    updates = [update(b"%d" % number, f"display {number}") for number in range(10)]
    for each in updates:
        spill.append([each, text(b"line\n" * 2000)])
    assert spill.append([packet(bytes(1_000_000))]) == 0
    for each in updates[::2]:
        assert spill.forget(each)
        assert not spill.forget(each)
    assert spill.count == 15
    while spill.thin():
        pass
    for each in updates[1:4]:
        if each is not updates[2]:
            assert spill.forget(each)
    taken = [bytes(entry.data) for entry in all_of(spill) if not entry.name]
    assert taken == [b"5", b"7", b"9"]


def test_an_update_that_was_taken_is_the_same_object(spill):
    first, second = update(b"1"), update(b"2")
    spill.append([first, second])
    assert (first.data, second.data) == (b"", b"")
    assert all_of(spill) == [first, second]
    assert (first.data, first.place) == (b"1", None)


@pytest.mark.needs("posix")
def test_a_limit_for_the_size_of_files():
    """The signal that comes with it is ignored by Python."""
    code = """\
import sys, tempfile
sys.path.insert(0, sys.argv[1])
from rpyc_kernel.agent.keeper.outbox.entries import JournalEntry
from rpyc_kernel.agent.keeper.outbox.spill import Spill
with tempfile.TemporaryDirectory() as folder:
    spill = Spill(folder, 64 << 20, 0)
    done = spill.append([JournalEntry("", "", bytes(10_000)) for _ in range(400)])
    taken = []
    while spill.count:
        taken += spill.take(1000)
    print(done, len(taken), set(len(entry.data) for entry in taken))
"""
    import resource

    limit = 1 << 20

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    run = [sys.executable, "-c", code, str(Path(room.__file__).parents[3])]
    done = subprocess.run(run, preexec_fn=limited, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    written, taken, sizes = done.stdout.split(" ", 2)
    assert 70 < int(written) < 105
    assert (int(taken), sizes) == (int(written), "{10000}\n")


class Queue(RuleBasedStateMachine):
    """A spill against a deque, on a disk that now and then is full."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spill = Spill(f"{self.folder.name}/scratch", 20_000, 0)
        self.model = deque()  # (what is told, the entry)
        self.disk = FullDisk(ALL_BYTES)
        self.patch = mock.patch.object(os, "pwrite", self.disk)
        self.patch.start()

    def teardown(self):
        try:
            self.take(ALL_BYTES)
            assert not self.model
            assert self.spill.take(1) == []
            assert (self.spill.on_disk, self.spill.in_memory) == (0, 0)
        finally:
            self.patch.stop()
            self.spill.close()
            self.folder.cleanup()

    @rule(room=st.sampled_from([0, 50, 2000, ALL_BYTES, ALL_BYTES]))
    def the_disk_has_room(self, room):
        self.disk.room = room

    @rule(
        kinds=st.lists(st.sampled_from(["text", "packet", "update", "urgent"]), min_size=1, max_size=5),
        size=st.sampled_from([0, 10, 1000, 5000]),
    )
    def append(self, kinds, size):
        entries = []
        for kind in kinds:
            data = kind.encode() + bytes(size)
            entries.append(
                text(data) if kind == "text" else update(data) if kind == "update" else packet(data, kind == "urgent")
            )
        before = [(told(entry), entry) for entry in entries]
        done = self.spill.append(entries)
        self.model.extend(before[:done])

    @rule(wanted=st.sampled_from([1, 1000, 10_000]))
    def take(self, wanted):
        size = 0
        while self.model and size < wanted:
            taken = self.spill.take(wanted)
            assert taken
            for entry in taken:
                expected, original = self.model.popleft()
                assert told(entry) == expected
                if entry.display:
                    assert entry is original
                size += len(entry.data) + 1

    @precondition(lambda self: any(entry.display for _, entry in self.model))
    @rule(data=st.data())
    def forget(self, data):
        known = [item for item in self.model if item[1].display]
        item = data.draw(st.sampled_from(known))
        if self.spill.forget(item[1]):
            self.model.remove(item)

    @rule()
    def thin(self):
        """Texts become markers; so the model is told what is there now, if that adds up."""
        before = sum(len(expected[2]) if expected[0] and not expected[4] else 0 for expected, _ in self.model)
        before += sum(expected[4][2] if expected[4] else 0 for expected, _ in self.model)
        others = [expected for expected, _ in self.model if not expected[0]]
        self.spill.thin()
        now = list(self.spill.scan(0))
        assert sum(entry.lost[2] if entry.lost else len(entry.data) for entry in now if entry.name) == before
        assert [told(entry) for entry in now if not entry.name] == others
        originals = deque(item for item in self.model if not item[0][0])
        self.model = deque(originals.popleft() if not entry.name else (told(entry), entry) for entry in now)

    @invariant()
    def it_counts_right(self):
        assert self.spill.count == len(self.model)
        assert self.spill.bytes == sum(len(expected[2]) for expected, _ in self.model)
        assert self.spill.urgent == sum(expected[3] for expected, _ in self.model)
        assert self.spill.on_disk <= self.spill.cap
        assert [told(entry) for entry in self.spill.scan(0)] == [expected for expected, _ in self.model]


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue.pytestmark = [pytest.mark.needs("posix")]
