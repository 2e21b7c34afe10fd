"""Reports about `input`, debuggers, and children that ask."""

from __future__ import annotations

from tests.kernel.client import Client
from tests.reports.conftest import of


@of("in-02-ipdb-and-embed", on=("ipython",))
def test_ipdb_and_embed_ask_in_the_notebook(nb: Client, cells: list[str]) -> None:
    first = nb.good(cells[0], answers=["p n", "c"])
    assert "5" in first.stdout
    second = nb.good(cells[1], answers=["local_answer + 1", "exit"])
    assert "42" in second.stdout + str(second.script)
    assert nb.good(cells[2]).text == "('shell fine', 5)"


@of("in-03-child-that-wants-a-terminal")
def test_a_child_that_asks_gets_the_end_of_its_input(nb: Client, cells: list[str]) -> None:
    first = nb.good(cells[0])
    nb.wait_output(first, "got:")
    nb.run(cells[1])
    assert "returncode=0" in nb.good(cells[2]).stdout


@of("in-04-input-without-prompt-and-in-thread")
def test_input_without_a_prompt_and_in_a_thread(nb: Client, cells: list[str]) -> None:
    assert nb.good(cells[0], answers=["7"]).text == "8"
    assert nb.good(cells[1], answers=["x"]).text == "['x']"
