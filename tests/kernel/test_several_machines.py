"""One notebook on several machines: `--name`, `%%on`, `%use`; each thing belongs to the machine of its cell."""

import platform
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.test_keep import crash

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def other() -> Iterator[Remote]:
    """A second machine, with the other kind of shell."""
    with Remote("ipython") as server:
        yield server


@pytest.fixture
def both(front: Client, own_remote: Remote, other: Remote) -> Client:
    """A notebook on two machines, ``gpu`` and ``pi``; cells run on ``pi``."""
    connect(front, other, "--name", "gpu")
    front.good("where = 'gpu'")
    connect(front, own_remote, "--name", "pi")
    front.good("where = 'pi'")
    return front


def _bad(client: Client, code: str) -> dict[str, Any]:
    cell = client.run(code)
    assert cell.status == "error", cell
    assert cell.error is not None
    return cell.error


def test_a_cell_says_where_it_runs_and_use_changes_where_the_others_do(both: Client, other: Remote) -> None:
    assert both.good("where").text == "'pi'"
    there = both.good("%%on gpu\nprint('text')\nwhere")
    assert there.stdout == "On gpu:\ntext\n"
    assert there.text == "'gpu'"
    assert both.good("where").text == "'pi'"
    both.good(f"%%on {other.address}\nwhere += '!'")
    assert re.match(r"Cells run on .*: Python 3.* from here on", both.good("%use gpu").stdout)
    assert both.good("where").text == "'gpu!'"
    assert both.good("%%on pi\nwhere").stdout == "On pi:\n"
    hosts = both.good("%hosts").stdout.splitlines()
    assert [line[:6] for line in hosts[:2]] == ["* gpu:", "  pi: "]
    assert "no machine nobody. It has: gpu, pi." in _bad(both, "%%on nobody\n1")["evalue"]
    both.good("%disconnect gpu --end")  # where cells run
    assert _bad(both, "where")["evalue"] == "Cells run nowhere now. %use pi has them run on one of: pi."
    assert _bad(both, "%disconnect")["evalue"] == "Cells run nowhere now. %disconnect NAME leaves one of: pi."
    assert both.good("%use pi\nwhere").text == "'pi'"


def test_outputs_name_their_machine_in_their_metadata(both: Client) -> None:
    cell = both.good("%%on gpu\nprint(1)\n2")
    (result,) = cell.of("execute_result")
    assert result.metadata["rpyc_kernel"] == result.content["metadata"]["rpyc_kernel"] == {"machine": "gpu"}
    assert cell.of("stream")[-1].metadata["rpyc_kernel"] == {"machine": "gpu"}
    (result,) = both.good("3").of("execute_result")
    assert result.content["metadata"]["rpyc_kernel"] == {"machine": "pi"}


def test_questions_and_completion_and_the_stop_button_go_to_the_machine_of_the_cell(both: Client, gate: Gate) -> None:
    both.good("%%on gpu\nonly_there = 5")
    code = "%%on gpu\nonly_th"
    reply = both.complete(code)
    assert reply["matches"] == ["only_there"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (len(code) - len("only_th"), len(code))
    assert both.complete("only_th")["matches"] == []
    assert both.complete("%%on g")["matches"] == ["gpu"]
    assert both.complete("%%on gpu\n%pull only_th")["matches"] == ["only_there"]
    assert both.complete("%pull only_th")["matches"] == []
    assert both.inspect("%%on gpu\nonly_there")["found"]
    assert both.good("%%on gpu\nx = input('where? ')\nprint(x, where)", answers=["here"]).stdout.endswith("here gpu\n")
    cell = both.start("%%on gpu\nprint('begun')\n" + gate.wait)
    both.wait_output(cell, "begun")
    both.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert both.good("%%on gpu\nwhere").text == "'gpu'"


def test_commands_below_it_are_for_that_machine(both: Client) -> None:
    both.good("%%on gpu\n%pull where --as theirs")
    assert both.good("%%local\ntheirs").text == "'gpu'"
    both.good("%%on gpu\n%%local -o made\nmade = 7")
    assert both.good("%%on gpu\nmade").text == "7"
    assert _bad(both, "made")["ename"] == "NameError"
    assert both.good("%ping gpu").stdout.split(":")[0] in both.good("%hosts").stdout
    both.good("%restart gpu")
    assert _bad(both, "%%on gpu\nwhere")["ename"] == "NameError"
    assert both.good("where").text == "'pi'"
    assert "Disconnected from gpu" in both.good("%disconnect gpu").stdout
    assert "no machine gpu. It has: pi." in _bad(both, "%%on gpu\n1")["evalue"]
    assert both.good("where").text == "'pi'"


def test_a_kernel_that_was_started_again_knows_them_all(kernel: Kernel, both: Client) -> None:
    kernel.restart()
    assert _bad(both, "where")["ename"] == "NameError"
    assert both.good("%%on gpu\n1 + 1").text == "2"
    assert "* pi:" in both.good("%hosts").stdout


# --- %%px


def test_one_cell_on_all_of_them(both: Client) -> None:
    cell = both.good("%%px\nprint('a', where)\nimport sys; print('b', file=sys.stderr)\nwhere")
    assert sorted(cell.stdout.splitlines()) == ["[gpu] a gpu", "[pi] a pi"]
    assert sorted(cell.stderr.splitlines()) == ["[gpu] b", "[pi] b"]
    results = sorted(data["text/plain"] for data in cell.displays)
    assert [re.sub(r":\d+\]", ":N]", text) for text in results] == ["Out[gpu:N]: 'gpu'", "Out[pi:N]: 'pi'"]
    machines = {message.content["metadata"]["rpyc_kernel"]["machine"] for message in cell.of("display_data")}
    assert machines == {"gpu", "pi"}
    assert both.good("%%px --targets gpu\nprint(where)").stdout == "[gpu] gpu\n"
    cell = both.good("%%px --local\nprint(globals().get('where'))")
    assert sorted(cell.stdout.splitlines()) == ["None", "[gpu] gpu", "[pi] pi"]


def test_one_line_on_all_of_them(both: Client) -> None:
    cell = both.good("%px print('it', where, sep=\"'s \")\nx = input('?')\nx", answers=["asked"])
    assert sorted(cell.stdout.splitlines()[:2]) == ["[gpu] it's gpu", "[pi] it's pi"]
    assert cell.text == "'asked'"  # what follows runs where cells run, and may ask
    assert both.good("%px -t gpu --group-outputs type print(where)").stdout == "[gpu] gpu\n"
    assert "several machines" in _bad(both, "%px -t pi input('?')")["evalue"]
    assert _bad(both, "%px 1 / 0")["evalue"].startswith("2 of 2 machines have failed: gpu: ZeroDivisionError")
    both.good("%px --noblock only_here = where")
    assert both.good("%pxresult").status == "ok"
    assert both.complete("%px only_h")["matches"] == ["only_here"]


def test_errors_are_gathered_and_named_and_hold_nobody(both: Client, gate: Gate) -> None:
    cell = both.run("%%px\nprint(where)\nif where == 'gpu': 1 / 0")
    assert cell.status == "error"
    assert cell.error is not None
    assert cell.error["ename"] == "ParallelError"
    assert cell.error["evalue"] == "1 of 2 machines have failed: gpu: ZeroDivisionError: division by zero"
    assert "[gpu] " in cell.stderr
    assert "ZeroDivisionError" in cell.stderr
    assert "[pi] pi" in cell.stdout
    cell = both.run("%%px\nimport os\nif where == 'gpu': os._exit(3)\nraise SystemExit")
    assert cell.error is not None, "the one of the cell, and none of a machine's beside it"
    assert cell.error["evalue"].startswith("2 of 2 machines have failed: gpu: WorkerDied: The Python on")
    assert cell.error["evalue"].endswith("pi: SystemExit")
    assert "[gpu] WorkerDied: The Python on" in cell.stderr
    both.good("%%px -t gpu\nwhere = 'gpu'")
    question = both.run("%%px\ninput('?')")
    assert question.error is not None
    assert "several machines" in question.error["evalue"]
    cell = both.start("%%px\nprint('begun')\n" + gate.wait)
    both.wait_for(lambda: cell.stdout.count("begun") == 2)
    both.wait_for(lambda: "0 of 2 machines done; gpu, pi at work" in str(cell.displays), what="progress")
    both.interrupted(cell)
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == ("KeyboardInterrupt", "stopped on gpu, pi")
    assert both.good("%%px\nwhere").displays


def test_a_cell_that_nobody_waits_for(both: Client, gate: Gate) -> None:
    begun = both.good("%%px --noblock\nprint('line')\n" + gate.wait + "\nwhere")
    assert begun.stdout == "Runs on gpu, pi. %pxresult shows what comes of it.\n"
    assert both.good("%%local\n6 * 7").text == "42"
    cell = both.start("%pxresult")
    gate.open()
    both.finish(cell)
    assert cell.status == "ok"
    assert cell.stdout == "[gpu] line\n[pi] line\n"
    shown = [re.sub(r":\d+\]", "]", data["text/plain"]) for data in cell.displays]
    assert shown == ["Out[gpu]: 'gpu'", "Out[pi]: 'pi'"]
    assert both.good("%pxresult --group-outputs type").stdout == cell.stdout


def test_every_cell_on_all_of_them(both: Client) -> None:
    assert "%autopx is on: cells run on gpu, pi" in both.good("%autopx --group-outputs engine").stdout
    both.good("where = where.upper()")
    assert both.good("print(where)").stdout == "[gpu] GPU\n[pi] PI\n"
    assert both.good("%%on pi\nprint(where)").stdout == "PI\n"
    assert "off" in both.good("%autopx").stdout
    assert both.good("where").text == "'PI'"
    assert "takes type, engine or order" in _bad(both, "%%px --group-outputs x\n1")["evalue"]
    assert "no machine nobody" in _bad(both, "%%px --targets nobody\n1")["evalue"]


def test_a_name_that_another_machine_had_is_told(both: Client, own_remote: Remote, other: Remote) -> None:
    told = both.good(f"%connect {own_remote.address} --name gpu").stdout
    assert f"gpu was {other.address} until now, which is {other.address} from here on.\n" in told
    assert both.good(f"%%on {other.address}\nwhere").text == "'gpu'"


def test_commands_that_take_an_address_take_the_notebooks_names(both: Client, other: Remote) -> None:
    assert re.search(r"^\* gpu ", both.good("%sessions gpu").stdout, re.MULTILINE)
    assert both.good("%lease gpu").stdout == f"Nobody holds {other.address}.\n"
    assert re.search(r"^ok +port +\d+ is open", both.good("%doctor gpu").stdout, re.MULTILINE)
    assert both.good("%connect gpu").stdout.startswith(f"Still connected to {platform.node()} ({other.address})")
    assert both.good("where").text == "'gpu'"
    both.good("%connect gpu --new")
    assert _bad(both, "where")["ename"] == "NameError"
    assert {line[:6] for line in both.good("%hosts").stdout.splitlines()} == {"* gpu:", "  pi: "}
    assert "'nobody'" in _bad(both, "%lease nobody")["evalue"], "it is a host's name, which nobody knows"


def test_a_kernel_that_crashed_connects_to_a_machine_by_the_name_that_it_had(both: Client, kernel: Kernel) -> None:
    crash(kernel)
    both.good("%connect gpu")
    assert "* gpu: " in both.good("%hosts").stdout


@pytest.mark.parametrize("name", ["all", "a,b", "' pi'", "'a\x07'", "x" * 101])
def test_what_no_target_could_mean_is_no_name(front: Client, name: str) -> None:
    assert "A machine can't be called" in _bad(front, f"%connect 127.0.0.1:1 --name {name}")["evalue"]


def test_a_machine_that_is_down_does_not_hold_the_others(both: Client, other: Remote) -> None:
    other.__exit__(None, None, None)
    both.wait_for(lambda: "reconnecting" in both.good("%hosts").stdout, what="the link's loss")
    cell = both.run("%%px\nprint(where)")
    assert cell.stdout == "[pi] pi\n"
    assert cell.error is not None
    assert "1 of 2 machines have failed: gpu: The connection to" in cell.error["evalue"]
