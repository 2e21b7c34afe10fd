"""History as consoles and pages ask for it, and whether what was typed is a whole cell."""

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote


def test_tail_gives_the_last_cells(nb: Client) -> None:
    for code in ("'one'", "'two'", "'three'"):
        nb.good(code)
    entries = nb.history(hist_access_type="tail", n=3)
    assert [entry[2] for entry in entries] == ["'one'", "'two'", "'three'"]
    lines = [entry[1] for entry in entries]
    assert lines == list(range(lines[0], lines[0] + 3))


def test_with_outputs_each_entry_is_a_pair(nb: Client) -> None:
    nb.good("40 + 2")
    entry = nb.history(hist_access_type="tail", n=1, output=True)[0]
    assert entry[2][0] == "40 + 2"
    assert len(entry[2]) == 2


def test_range_gives_the_cells_between(nb: Client) -> None:
    first = nb.good("'one'").reply
    for code in ("'two'", "'three'", "'four'"):
        nb.good(code)
    assert first is not None
    n = first["execution_count"]
    entries = nb.history(hist_access_type="range", session=0, start=n + 1, stop=n + 3)
    assert [entry[2] for entry in entries] == ["'two'", "'three'"]


def test_search_finds_by_pattern(nb: Client) -> None:
    for code in ("needle = 1", "hay = 2", "needle = 3", "needle = 3"):
        nb.good(code)
    found = nb.history(hist_access_type="search", pattern="needle*", n=10)
    assert [entry[2] for entry in found] == ["needle = 1", "needle = 3", "needle = 3"]
    unique = nb.history(hist_access_type="search", pattern="needle*", n=10, unique=True)
    assert sorted(entry[2] for entry in unique) == ["needle = 1", "needle = 3"]


def test_errors_commands_and_local_code_are_remembered_as_typed(nb: Client, remote: Remote) -> None:
    codes = [f'$connect("{remote.address}")\n1 + 1', "1/0", "%%local\n'here'"]
    for code in codes:
        nb.run(code)
    assert [entry[2] for entry in nb.history(n=3)] == codes


def test_silent_cells_are_not_remembered(nb: Client) -> None:
    nb.good("'loud'")
    nb.good("'silent'", silent=True)
    assert nb.history(n=1)[0][2] == "'loud'"


@pytest.mark.parametrize(
    ("code", "status", "indent"),
    [
        ("x = 1", "complete", None),
        ("x = 1\ny = 2", "complete", None),
        ("for i in range(3):", "incomplete", "    "),
        ("def f():\n    x = 1", "incomplete", "    "),
        ("def f():\n    return 1\n\n", "complete", None),
        ("x = (1,", "incomplete", ""),
        ("text = '''", "incomplete", ""),
        ("x = = 1", "invalid", None),
        ("await something()", "complete", None),
        ("!ls", "complete", None),
        ('$connect("host")', "complete", None),
        ("%connect host", "complete", None),
        ('$exec("""', "incomplete", ""),
    ],
)
def test_is_complete(nb: Client, code: str, status: str, indent: str | None) -> None:
    reply = nb.is_complete(code)
    assert reply["status"] == status
    if indent is not None:
        assert reply["indent"] == indent
