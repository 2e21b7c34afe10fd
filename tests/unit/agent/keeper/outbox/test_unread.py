"""A real session that nobody listens to: what it keeps, where, and what it drops, to the byte."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent import wire
from tests.unit.agent.keeper.outbox.test_journal import DROPPED, counts
from tests.unit.sessions import wait_for

pytestmark = pytest.mark.needs("linux")

MIB = 1 << 20
LINE = "%9d " + "x" * 89  # 100 bytes with its end


def memory(pid):
    """Bytes of a process that no other shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def children(pid):
    """The processes that a process has forked and that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def again(client, sessions):
    """Another link to the same session."""
    other = sessions.link(client.session)
    other.received = client.received
    other.attached = other.attach()
    return other


def printed(count, start=0):
    return "".join(LINE % number + "\n" for number in range(start, count))


def open_files(pid):
    """Sizes of the spill's files that a process has open."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if "/spill-" in str(path.readlink()):
                found.append(path.stat().st_blocks * 512)
        except FileNotFoundError:
            continue
    return found


def watch(client, status):
    """Ask for the status until the session is idle; returns the most memory of the keeper, and disk that it took."""
    most_memory = most_disk = 0
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up and status.ask("status")["queued"]:
        most_memory = max(most_memory, memory(client.keeper))
        most_disk = max(most_disk, sum(open_files(client.keeper)))
    return most_memory, most_disk


def test_thirty_megabytes_that_nobody_reads(sessions):
    limits = {"journal_memory": 2 * MIB, "journal_spill": 8 * MIB, "journal_margin": 0}
    client = sessions.start("unread", **limits)
    client.run("a", "1")
    client.pull(wait=0.0)  # acknowledges
    before = memory(client.keeper)
    client.submit(
        "b",
        f"""\
import sys
for number in range(300_000):
    print({LINE!r} % number)
    if not number % 75_000:
        display(number)
print("the end", file=sys.stderr)
"done"
""",
    )
    status = sessions.link("unread")
    client.leave()
    most_memory, most_disk = watch(client, status)
    assert most_memory - before < 12 * MIB
    assert 4 * MIB < most_disk < 9 * MIB
    found = status.ask("status")
    assert 4 * MIB < found["unread_bytes"] < 11 * MIB
    assert open_files(client.worker) == []

    other = again(client, sessions)
    assert other.attached["last"] == other.received + found["unread"]
    messages = other.until("b")
    assert len(messages) == found["unread"]
    shown = [each.content["data"]["text/plain"] for each in messages if "data" in each.content]
    assert shown == ["0", "75000", "150000", "225000", "'done'"]
    text = other.printed(messages)
    lines, size, markers = counts(text)
    assert markers <= 4
    assert lines > 150_000
    tail = DROPPED.split(text)[-1]
    first = 300_000 - len(tail) // 100
    assert tail == printed(300_000, first)
    assert len(DROPPED.sub("", text)) + size == 30_000_000
    assert DROPPED.sub("", text).count("\n") + lines == 300_000
    assert other.printed(messages, "stderr") == "the end\n"
    assert other.pull(wait=0.0) == []
    assert open_files(client.keeper) == []
    assert memory(client.keeper) - before < 6 * MIB  # of which 4 are for what may be shown again
    assert other.run("c", "print('well')")[0] == "well\n"


def test_the_next_worker_has_nothing_of_what_was_spilled(sessions):
    client = sessions.start("died", journal_memory=MIB, journal_spill=8 * MIB, journal_margin=0)
    status = sessions.link("died")
    client.submit("a", f"import os\nfor number in range(50_000): print({LINE!r} % number)\nos.kill(os.getpid(), 9)")
    client.leave()
    watch(client, status)
    assert sum(open_files(client.keeper)) > MIB
    wait_for(lambda: children(client.keeper) not in ([], [client.worker]))
    wait_for(lambda: all(open_files(pid) == [] for pid in children(client.keeper)))
    messages = again(client, sessions).until("a")
    assert [each.content["ename"] for each in messages if each.type == "execute_reply"] == ["WorkerDied"]
    assert client.printed(messages) == printed(50_000)


def test_what_cells_gave_out_is_shown_again(sessions):
    client = sessions.start()
    client.run("a", "print('one')\ndisplay('two')\n'three'")
    client.run("b", "print('four')")
    client.submit("c", "print('five')\ninput()")
    client.until("c", "input_request")
    client.pull(wait=0.0)
    for request, cells, expected in [
        ({"cells": 2}, [[2, "b"], [3, "c"]], ["four\n", "five\n"]),
        ({"cell": 1}, [[1, "a"]], ["one\n", "'two'", "'three'"]),
        ({"cell": 9}, [], []),
    ]:
        answer = client.ask("replay", epoch=client.epoch, **request)
        assert (answer["found"], answer["cells"], answer["next"]) == (bool(cells), cells, None)
        contents = [wire.Message.decode(packet).content for packet in answer["packets"]]
        assert [each.get("text") or each["data"]["text/plain"] for each in contents] == expected
    assert client.ask("replay", epoch=client.epoch - 1, cells=1)["error"] == "stale"
    assert client.ask("replay", epoch=client.epoch, cells="x")["error"] == "protocol"


def test_of_a_film_that_nobody_sees_only_the_last_picture_is_kept(sessions):
    client = sessions.start("film", journal_memory=MIB, journal_spill=MIB, journal_margin=0)
    code = "film = display('', display_id=True)\nfor number in range(3000): film.update(str(number) + 1000 * ' ')"
    status = sessions.link("film")
    client.submit("a", code)
    client.leave()
    watch(client, status)
    assert status.ask("status")["unread"] <= 5
    messages = again(client, sessions).until("a")
    pictures = [each.content["data"]["text/plain"].strip(" '") for each in messages if each.type.startswith("update")]
    assert pictures[-1] == "2999"


def test_the_worker_waits_for_somebody_when_only_displays_are_left(sessions):
    client = sessions.start("shows", journal_memory=MIB, journal_spill=2 * MIB, journal_margin=0)
    status = sessions.link("shows")
    client.submit("a", "for number in range(5000): display({'text/plain': '%05d' % number + 1000 * 'x'}, raw=True)")
    client.leave()
    unread = [0, -1]
    while unread[-1] != unread[-2] or unread[-1] < 1000:
        time.sleep(0.3)
        unread.append(status.ask("status")["unread"])
    assert status.ask("status")["busy"]
    assert unread[-1] < 4000
    messages = again(client, sessions).until("a")
    assert [int(each.content["data"]["text/plain"][:5]) for each in messages[:-1] if "data" in each.content] == list(
        range(5000)
    )


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of a mebibyte, for what the session caches and spills."""
    folder = tmp_path / "rpyc-kernel" / "sessions" / "full.d"
    folder.mkdir(0o700, parents=True)
    for path in [folder, *folder.parents][:3]:
        path.chmod(0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=1m,mode=700,uid={os.geteuid()}", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"needs to be allowed to mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(sessions, tiny_disk):
    (tiny_disk / "others").write_bytes(bytes(400_000))
    client = sessions.start("full", journal_memory=MIB, journal_spill=8 * MIB, journal_margin=0)
    status = sessions.link("full")
    client.submit(
        "a", f"for number in range(100_000): print({LINE!r} % number)\nfor n in range(100): display(n)\n'done'"
    )
    client.leave()
    _memory, disk = watch(client, status)
    assert MIB // 4 - 10_000 < disk <= MIB  # so much is moved at a time, and dropped only when the next doesn't fit
    messages = again(client, sessions).until("a")
    text = client.printed(messages)
    lines, size, _markers = counts(text)
    assert len(DROPPED.sub("", text)) + size == 10_000_000
    assert lines > 75_000
    assert text.endswith(printed(100_000, 92_000))
    shown = [each.content["data"]["text/plain"] for each in messages if "data" in each.content]
    assert shown == [*map(str, range(100)), "'done'"]
