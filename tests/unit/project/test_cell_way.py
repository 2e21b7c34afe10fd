"""docs/architecture.md, "A cell's way": each function that the table names exists, and so does each test."""

import re

import pytest
from check_docs import files
from sources import ROOT, defined

from tests.unit.project.test_architecture import rows

PROCESSES = ["kernel", "server", "keeper", "worker", "keeper", "kernel"]
HOPS = rows("A cell's way")


def test_the_way_goes_through_all_processes_and_back():
    passed = [hop[1] for hop in HOPS]
    assert [
        process for process, before in zip(passed, [None, *passed[:-1]], strict=True) if process != before
    ] == PROCESSES
    assert [int(hop[0]) for hop in HOPS] == list(range(1, len(HOPS) + 1))


@pytest.mark.parametrize("hop", HOPS, ids=lambda hop: hop[0])
def test_the_names_of_a_hop_exist(hop):
    code = re.fullmatch(r"`([\w/]+\.py):([\w.]+)`", hop[3])
    assert code, hop[3]
    (file,) = files(code[1])
    assert code[2] in defined(file)
    test = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", hop[4])
    assert test, hop[4]
    assert test[2] in defined(ROOT / test[1])
