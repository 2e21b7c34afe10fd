"""The parts of the benchmarks that need no kernel."""

import json

from benchmarks.contest import contest
from benchmarks.raw import carry
from benchmarks.table import Row, markdown, seconds


def test_contenders_take_turns_in_changing_order():
    turns = []
    figures = iter(range(100))

    def measure(name):
        turns.append(name)
        return float(next(figures))

    result = contest({name: lambda name=name: measure(name) for name in "ab"}, rounds=2)
    assert turns == ["b", "a", "a", "b"]
    assert result.rounds == {"a": [1.0, 2.0], "b": [0.0, 3.0]}
    assert result.middle("b") == 1.5


def test_a_ratio_is_the_median_of_the_ratios_of_each_round():
    figures = {"a": iter([2.0, 20.0, 60.0]), "b": iter([1.0, 10.0, 20.0])}
    result = contest({name: lambda name=name: next(figures[name]) for name in figures}, rounds=3)
    assert result.ratio("a", "b") == 2.0


def test_the_table_shows_what_is_missing_and_what_was_missed():
    table = markdown(["ours", "theirs"], [Row("a cell", "≤ 2 ms", {"ours": "3 ms"}, missed=True)])
    assert table.splitlines()[2] == "| a cell | 3 ms | - | **≤ 2 ms: missed** |"


def test_times_have_sensible_units():
    assert [seconds(value) for value in (0.00123, 0.234, 2.5)] == ["1.2 ms", "234 ms", "2.50 s"]


def test_a_bare_socket_carries_everything():
    assert carry(100_000) > 0


def test_the_page_of_figures_has_a_place_for_them():
    from benchmarks.reliability import FIGURES, PAGE

    assert len(FIGURES.findall(PAGE.read_text("utf-8"))) == 1


def test_the_keeper_without_a_journal_is_that_of_the_agent():
    """Else the comparison compares nothing."""
    from benchmarks.keeper import JOURNAL, ablated
    from rpyc_kernel.transport import broker_client

    ours = broker_client.agent_text()
    with ablated():
        theirs = broker_client.agent_text()
    assert theirs[0] != ours[0]
    assert broker_client.agent_text() == ours
    sources = json.loads(theirs[1])
    compile(sources[JOURNAL], JOURNAL, "exec")
    changed = {name for name, text in sources.items() if text != json.loads(ours[1])[name]}
    assert changed == {JOURNAL}
