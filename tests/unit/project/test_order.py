"""The order in which workers begin the files of tests: the longest first, the short ones to fill up the end."""

from pathlib import Path

from tests.conftest import begins

TESTS = Path(__file__).parents[2]
FILES = [str(path.relative_to(TESTS.parent)) for path in TESTS.rglob("test_*.py")]


def test_browsers_are_first_and_units_last():
    order = sorted(FILES, key=begins)
    kinds = ["browser" if "/browser/" in file else "unit" if "/unit/" in file else "" for file in order]
    assert kinds == sorted(kinds, key=["browser", "", "unit"].index)
    assert set(kinds) == {"browser", "", "unit"}


def test_kernels_run_beside_servers():
    """No quarter of the files between them is of one folder alone."""
    order = [file.split("/")[1] for file in sorted(FILES, key=begins) if begins(file)[0] == 1]
    quarter = len(order) // 4
    for at in range(0, 4 * quarter, quarter):
        assert {"kernel", "servers", "faults"} <= set(order[at : at + quarter])
