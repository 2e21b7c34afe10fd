"""scripts/cell_way.py: it follows a cell through all processes; docs/architecture.md names what it finds."""

import cell_way
import pytest

from tests.unit.project.test_cell_way import HOPS

MAX_MODULES = 32  # on the way of `1+1`; to be lowered when one leaves it


@pytest.fixture(scope="module")
def hops():
    return cell_way.way()


def test_the_way_of_a_cell_goes_through_four_processes(hops):
    assert (hops[0].file, hops[0].functions[0]) == ("kernel/kernel.py", cell_way.BEGIN)
    assert list(dict.fromkeys(hop.process for hop in hops)) == ["kernel", "server", "keeper", "worker"]


def test_the_functions_of_the_table_are_on_it(hops):
    ran = {(hop.process, f"{hop.file}:{name}") for hop in hops for name in hop.functions}
    assert [row[3] for row in HOPS if (row[1], row[3].strip("`")) not in ran] == []


def test_it_is_not_longer_than_it_was(hops):
    files = sorted({hop.file for hop in hops})
    assert len(files) <= MAX_MODULES, files
