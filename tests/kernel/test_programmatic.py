"""docs/programmatic.md: kernels that scripts start, as the document's own command lines start them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kernel.documents import Terminal
from tests.kernel.remotes import Remote, wait_until


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Remote, Remote]]:
    with Remote("plain") as first, Remote("plain") as second:
        yield first, second


@pytest.fixture
def terminal(machines: tuple[Remote, Remote], tmp_path: Path) -> Iterator[Terminal]:
    """Whatever is run in it, no session may stay on the machines."""
    yield Terminal(tmp_path, *machines)
    for machine in machines:
        assert wait_until(lambda machine=machine: not machine.processes()), machine.processes()


@pytest.fixture
def there(machines: tuple[Remote, Remote]) -> str:
    """The folder of cells on the first machine."""
    return str(machines[0].work)


def test_kernels_are_listed(terminal: Terminal) -> None:
    spec = terminal.folder.parent / "share" / "kernels" / "rpyc"
    assert re.search(rf"rpyc +{spec}\n", terminal.run("jupyter kernelspec list"))
    told = terminal.run("python examples/programmatic/list_kernels.py")
    assert f"rpyc: Python (RPyC), in {spec}" in told
    assert re.search(rf"Available kernels:\n(.*\n)*  rpyc +{spec}\n", told)
    order = [told.index(f"  {folder}\n") for folder in (spec.parent, "/usr/local/share/jupyter/kernels")]
    assert order == sorted(order)
    assert f"  {terminal.env['JUPYTER_DATA_DIR']}/kernels\n" in told
    assert f"  {terminal.env['IPYTHONDIR']}/kernels\n" in told


def test_one_kernel(terminal: Terminal, there: str) -> None:
    here = terminal.run("python examples/programmatic/one_kernel.py")
    assert f"hello from {terminal.folder}\nstatus: ok\nvalue: 42\ntwice: 40\n" in here
    told = terminal.run("python examples/programmatic/one_kernel.py --address 192.168.43.44")
    assert f"hello from {there}\nstatus: ok\nvalue: 42\ntwice: 40\n" in told


def test_three_seconds_are_enough(terminal: Terminal) -> None:
    assert "value: 42" in terminal.run("python examples/programmatic/one_kernel.py --timeout 3")


def test_run_kernel_that_leaves_no_session(terminal: Terminal) -> None:
    assert "45\n" in terminal.run("python examples/programmatic/short.py --address 192.168.43.44")


def test_questions(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/questions.py --address 192.168.43.44")
    assert "asked: Name? \nasked: Password? \nAda has a password of 6 letters\n" in told
    assert "without stdin: StdinNotImplementedError\n" in told


def test_stop_and_restart(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/stop_and_restart.py --address 192.168.43.44")
    assert "stopped: KeyboardInterrupt\nx is still 1\n" in told
    assert "after a restart: False\n" in told


def test_several_machines(terminal: Terminal, machines: tuple[Remote, Remote]) -> None:
    told = terminal.run("python examples/programmatic/several_machines.py 192.168.43.44 192.168.43.45")
    for machine in machines:
        assert f"{machine.address}: {machine.work}\n" in told


def test_the_connection_file(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/connection_file.py")
    written, found = re.search(r"written to (\S+)", told), re.search(r"found at (\S+)", told)
    assert written is not None
    assert found is not None
    assert f"Could not find '{Path(written[1]).name}' in ['.', '{terminal.runtime}']\n" in told
    assert Path(found[1]).parent == terminal.runtime
    assert told.count("there still: False\n") == 2
    assert "mode 0o600\n" in told
    content = json.loads(told[told.index("{") : told.index("}") + 1])
    assert (content["ip"], content["transport"], content["signature_scheme"]) == ("127.0.0.1", "tcp", "hmac-sha256")
    assert list(terminal.runtime.iterdir()) == []


def test_new_ports(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/new_ports.py")
    before, after = (set(json.loads(ports)) for ports in re.findall(r"ports: (.*)", told))
    assert not before & after
    assert "answers\n" in told


def test_only_what_is_signed_is_run_and_only_once(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/signatures.py")
    assert "run: ['right key', 'once']\n" in told
    for reason in ("Invalid Signature", "Unsigned Message", "Duplicate Signature"):
        assert reason in told


@pytest.mark.parametrize(
    "line",
    ["python examples/programmatic/encrypted.py", "python examples/programmatic/encrypted.py --transport ipc"],
)
def test_encrypted(terminal: Terminal, line: str) -> None:
    told = terminal.run(line)
    assert "encrypted\nkeys: curve_publickey curve_secretkey\n" in told
    assert "without them: no answer\n" in told
    assert "without encryption" not in told


def test_without_tcp(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/without_tcp.py")
    assert "no port needed\nsockets: kernel-ipc-1 kernel-ipc-2 kernel-ipc-3 kernel-ipc-4 kernel-ipc-5" in told
    assert "ports: []\nleft: []\n" in told


def test_logs_of_an_application_and_of_its_kernel(terminal: Terminal) -> None:
    told = terminal.run("python examples/programmatic/logs.py --log-level=INFO")
    assert "[Logs] asking the kernel\n" in told
    assert "it has answered" not in told
    assert "DEBUG" not in told
    assert "INFO rpyc_kernel.kernel" in (terminal.folder / "kernel.log").read_text()
    told = terminal.run(
        "python examples/programmatic/logs.py --debug --kernel-log=debug.log"
        " --Logs.log_format='%(levelname)s %(message)s'"
    )
    assert re.search(r"^DEBUG Starting kernel: .*--RpycKernel.log_level=DEBUG", told, re.MULTILINE)
    assert "INFO asking the kernel\n" in told
    assert "DEBUG it has answered\n" in told
    assert "INFO rpyc_kernel.kernel" in (terminal.folder / "debug.log").read_text()


def check(path: Path, folder: str, value: str) -> None:
    """A notebook that has run in that folder, and whose last cell gave that value."""
    *_, printed, last = nbformat.read(path, as_version=4).cells
    assert printed.outputs[0].text == f"in {folder}\n"
    assert last.outputs[0].data["text/plain"] == value
    assert last.execution_count > printed.execution_count > 0


def test_a_script_is_saved_as_a_notebook(terminal: Terminal, there: str) -> None:
    line = "python examples/programmatic/save_notebook.py script.py saved.ipynb --address 192.168.43.44"
    assert "2 cells in saved.ipynb\n" in terminal.run(line)
    check(terminal.folder / "saved.ipynb", there, "42")


def test_a_script_is_saved_up_to_the_cell_that_fails(terminal: Terminal) -> None:
    (terminal.folder / "script.py").write_text("print('first')\n# %%\n1/0\n# %%\nprint('must not run')\n")
    line = "python examples/programmatic/save_notebook.py script.py saved.ipynb --address 192.168.43.44"
    assert "cell 2 failed: ZeroDivisionError: division by zero\n" in terminal.run(line)
    first, second = nbformat.read(terminal.folder / "saved.ipynb", as_version=4).cells
    assert (first.outputs[0].text, second.outputs[0].ename) == ("first\n", "ZeroDivisionError")


def test_notebooks_are_executed_on_a_machine(terminal: Terminal, there: str) -> None:
    result = terminal.folder / "result.ipynb"
    terminal.run("python examples/programmatic/execute_notebook.py notebook.ipynb result.ipynb --address 192.168.43.44")
    check(result, there, "7")
    result.unlink()
    terminal.run(
        "python examples/programmatic/with_parameters.py notebook.ipynb result.ipynb --address 192.168.43.44"
        """ --parameters '{"factor": 6}'"""
    )
    check(result, there, "42")
    result.unlink()
    terminal.run(
        "jupyter nbconvert --to notebook --execute --output result"
        " --ExecutePreprocessor.extra_arguments=--address=192.168.43.44 notebook.ipynb"
    )
    check(result, there, "7")


def test_notebooks_are_executed_by_a_kernelspec_of_the_machine(terminal: Terminal, there: str) -> None:
    result = terminal.folder / "result.ipynb"
    terminal.run("python -m rpyc_kernel.install --name board --connect 192.168.43.44")
    terminal.run("jupyter execute --kernel_name=board --output=result notebook.ipynb")
    check(result, there, "7")
    result.unlink()
    terminal.run("papermill -k board -p factor 6 notebook.ipynb result.ipynb")
    check(result, there, "42")
