"""What has changed, by size and time."""

import pytest

from rpyc_kernel.files.changes import compare
from rpyc_kernel.files.entries import Entry

TIME = 1_700_000_000_000_000_123


def entry(name, kind="f", size=5, time=TIME, mode=0o644, more=False):
    return Entry(name, kind, size, time, mode, more)


def found(here, there):
    changes, doubtful = compare({each.name: each for each in here}, {each.name: each for each in there})
    return changes, [each.name for each in doubtful]


def test_what_is_the_same_stays():
    changes, doubtful = found([entry("a"), entry("d", "d", 1)], [entry("a"), entry("d", "d", 7, 9)])
    assert (changes.send, changes.touch, changes.remove, changes.same, doubtful) == ([], [], [], 1, [])


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        (entry("a"), None, "new"),
        (entry("a", size=6), entry("a"), "another size"),
        (entry("a", "l", more="x"), entry("a", "l", more="y"), "leads elsewhere"),
        (entry("a", "d"), None, "new"),
    ],
)
def test_what_goes_over_and_why(here, there, why):
    changes, doubtful = found([here], [there] if there else [])
    assert [(change.entry, change.why) for change in changes.send] == [(here, why)]
    assert not doubtful
    assert changes.known == ({"a"} if why == "another size" else set())


def test_what_has_another_time_is_looked_into():
    assert found([entry("a")], [entry("a", time=TIME - 10_000)])[1] == ["a"]
    assert found([entry("a")], [entry("a", time=TIME - 900)])[1] == [], "a disk may round"
    assert found([entry("a")], [entry("a", time=1_700_000_000_000_000_000)])[1] == [], "a FAT disk has even seconds"
    assert found([entry("a")], [entry("a", time=1_700_000_001_000_000_000)])[1] == ["a"]


def test_another_mode_is_set():
    changes, _doubtful = found([entry("a", mode=0o755)], [entry("a")])
    assert [each.name for each in changes.touch] == ["a"]
    assert changes.same == 1


def test_another_kind_takes_the_place():
    changes, _doubtful = found([entry("a", "d")], [entry("a")])
    assert [change.why for change in changes.remove] == ["something else is here"]
    assert [change.why for change in changes.send] == ["something else was there"]


def test_what_cannot_go_is_told():
    changes, _doubtful = found([entry("a", "s"), entry("b", "!", more="it is closed")], [])
    assert changes.left_out == ["a was left out: it is a device, a socket or a pipe.", "b was left out: it is closed."]
    assert not changes.send
