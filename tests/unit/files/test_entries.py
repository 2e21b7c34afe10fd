"""What came from the other machine is checked before it is believed."""

import pytest

from rpyc_kernel.files.entries import checked, is_part, leads_outside, slashed, unfit

GOOD = ["a/b", "f", 3, 5, 0o644, False]


def test_an_entry_in_order():
    entry = checked(GOOD)
    assert (entry.name, entry.kind, entry.size, entry.time, entry.mode) == ("a/b", "f", 3, 5, 0o644)


@pytest.mark.parametrize(
    "raw",
    [
        None, "x", [], GOOD[:5], [*GOOD, 1],
        ["", *GOOD[1:]], [7, *GOOD[1:]], ["a\0b", *GOOD[1:]], ["✓", *GOOD[1:]], ["x" * 40_000, *GOOD[1:]],
        ["a", "x", 3, 5, 0, None], ["a", "l", 3, 5, 0, None], ["a", "!", 3, 5, 0, 7],
        ["a", "f", -1, 5, 0, None], ["a", "f", 1 << 70, 5, 0, None], ["a", "f", True, 5, 0, None],
        ["a", "f", 1, 1 << 80, 0, None], ["a", "f", 1, 5.0, 0, None], ["a", "f", 1, 5, 0o10000, None],
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(raw):
    with pytest.raises(ValueError, match="an entry"):
        checked(raw)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "a/.", "", "a/"])
def test_names_that_lead_elsewhere(name):
    assert unfit(name, windows=False) == "its name leads elsewhere"


def test_names_that_are_deep():
    assert unfit("a/" * 200 + "b", windows=False) == "it is in more than 200 folders"


@pytest.mark.parametrize(
    "name", ["C:x", "a\\b", "..\\x", "con", "a/NUL.txt", "com1", "x.", "x ", 'a"b', "a|b", "a\x01b", "COM¹"]
)
def test_names_that_windows_has_not(name):
    assert unfit(name, windows=True) == "Windows has no such names"
    assert unfit(name, windows=False) == ""


@pytest.mark.parametrize("name", ["a", "a/b.txt", "..a", "a..", "console", "com10"])
def test_names_that_all_have(name):
    assert unfit(name, windows=name != "a..") == ""


@pytest.mark.parametrize(
    ("name", "leads", "outside"),
    [
        ("l", "x", False), ("a/l", "../x", False), ("a/b/l", "../../x/y", False), ("l", "./x", False),
        ("l", "/etc/passwd", True), ("l", "..", True), ("l", "../x", True), ("a/l", "../../x", True),
        ("a/l", "x/../../../y", True), ("l", "..\\x", True), ("l", "C:x", True), ("l", "", True),
    ],
)  # fmt: skip
def test_links_that_lead_out_of_their_folder(name, leads, outside):
    assert leads_outside(name, leads) is outside


def test_what_other_transfers_have_not_finished():
    assert is_part(checked(["a/.rpyc-kernel-0f.part", *GOOD[1:]]))
    assert not is_part(checked(GOOD))


def test_paths_of_windows_have_slashes():
    assert slashed("C:\\Users\\pi/x") == "C:/Users/pi/x"
    assert slashed("/home/a\\b") == "/home/a\\b"
    assert slashed("C:relative\\x") == "C:relative\\x"
