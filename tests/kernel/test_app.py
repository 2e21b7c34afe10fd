"""The kernel as Jupyter starts it: options, transports, keys, what it says when it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from tests import nursery
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import COMMAND, Kernel, private_environment, write_kernelspec
from tests.kernel.remotes import Remote, wait_until

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return private_environment(tmp_path)


def out(*arguments: str, env: dict[str, str], timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return nursery.run(["-m", "rpyc_kernel", *arguments], env=env, timeout=timeout)


@pytest.mark.alone
def test_kernel_info_answers_while_a_machine_is_unreachable(new_kernel: Callable[..., Kernel]) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        kernel = new_kernel(f"--RpycKernel.address=127.0.0.1:{hole.getsockname()[1]}")
        front = kernel.first
        front.kernel_info(5)
        cell = front.start("print('must not run')")
        front.wait_for(lambda: cell.input is not None)
        assert front.kernel_info(5)["language_info"]["name"] == "python"
        assert front.interrupted(cell) < 10
        assert cell.stdout == ""
        for filler in fillers:
            filler.close()


def test_an_address_as_option_needs_no_connect(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    front = new_kernel(f"--RpycKernel.address={remote.address}").first
    cell = front.good("import os; os.environ['RK_WHERE']")
    assert cell.text == "'there'"


@pytest.mark.alone
def test_an_open_port_is_told_of_in_the_first_cell_once(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    """0.0.0.0 leads to this machine, and as a text is no loopback address."""
    kernel = new_kernel(f"--RpycKernel.address=0.0.0.0:{remote.port}")
    cell = kernel.first.good("import os; os.environ['RK_WHERE']")
    assert (cell.text, cell.stderr.startswith("Mind that whoever reaches 0.0.0.0:")) == ("'there'", True)
    kernel.restart()
    assert kernel.first.good("1").stderr == ""


def test_an_address_from_the_environment_of_a_kernelspec_is_an_option_like_any(
    new_kernel: Callable[..., Kernel], remote: Remote
) -> None:
    front = new_kernel(command=[*COMMAND, f"--RpycKernel.address={remote.address}"]).first
    assert front.good("import os; os.environ['RK_WHERE']").text == "'there'"


def test_a_config_file_is_read(new_kernel: Callable[..., Kernel], remote: Remote, tmp_path: Path) -> None:
    config = tmp_path / "own_config.py"
    config.write_text(f"c.RpycKernel.address = {remote.address!r}\n")
    front = new_kernel(f"--config={config}").first
    assert front.good("import os; os.environ['RK_WHERE']").text == "'there'"


@pytest.mark.alone
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_transports(new_kernel: Callable[..., Kernel], remote: Remote, transport: str) -> None:
    kernel = new_kernel(transport=transport)
    connect(kernel.first, remote)
    assert kernel.first.good("6 * 7").text == "42"
    assert json.loads(Path(kernel.manager.connection_file).read_text())["transport"] == transport


def test_curve_keys(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    """What jupyter_client provisions where the kernelspec says that the kernel supports it."""
    kernel = new_kernel(transport_encryption="required", spec_metadata={"supported_encryption": ["curve"]})
    assert json.loads(Path(kernel.manager.connection_file).read_text())["curve_publickey"]
    connect(kernel.first, remote)
    assert kernel.first.good("6 * 7").text == "42"
    cell = kernel.first.start("import time; print('ready'); time.sleep(60)")
    kernel.first.wait_output(cell, "ready")
    assert kernel.first.interrupted(cell) < 10


def test_the_wheels_kernelspec_declares_what_works() -> None:
    source = Path(__file__).resolve().parents[2] / "src" / "rpyc_kernel" / "kernelspec" / "kernel.json"
    spec = json.loads(source.read_text())
    assert spec["interrupt_mode"] == "message"
    assert spec["language"] == "python"
    assert "{connection_file}" in spec["argv"]
    assert "curve" in spec["metadata"]["supported_encryption"]


def test_help_all_shows_our_options(env: dict[str, str]) -> None:
    done = out("--help-all", env=env)
    assert done.returncode == 0
    for name in (
        "--RpycKernel.address",
        "--RpycKernel.keep",
        "--IPKernelApp.connection_file",
        "--RpycKernelApp.log_level",
    ):
        assert name in done.stdout or name.replace("IPKernelApp", "RpycKernelApp") in done.stdout


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"shell_port": "x"}', '{"transport": "carrier-pigeon", "ip": "127.0.0.1"}']
)
def test_a_connection_file_that_is_none_is_one_line(env: dict[str, str], tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    done = out("-f", str(path), env=env)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert str(path) in lines[0]


def test_a_port_that_is_taken_is_one_line_and_the_end(env: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "kernel.json"
        write_connection_file(str(file), iopub_port=taken.getsockname()[1])
        done = out("-f", str(file), env=env)
    assert done.returncode == 1
    assert "rpyc-kernel cannot start: ZMQError: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--RpycKernel.keep=soon", "--RpycKernel.no_such_option=1", "--no-such-flag"])
def test_an_option_that_is_none_shows_no_traceback(env: dict[str, str], option: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{")  # so that it ends
    done = out(option, "-f", str(path), env=env)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.alone
def test_it_is_quiet_by_default(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    kernel = new_kernel()
    connect(kernel.first, remote)
    kernel.first.good("print(1)")
    kernel.first.run("1/0")
    log = [line for line in kernel.log.read_text().splitlines() if "IPKernelApp" not in line and "CurveZMQ" not in line]
    assert [line for line in log if line.strip() and "NOTE" not in line] == [], log


@pytest.mark.alone
def test_debug_says_what_happens(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    kernel = new_kernel("--debug")
    connect(kernel.first, remote)
    assert remote.address in kernel.log.read_text()


def test_a_kernel_whose_front_end_dies_keeps_the_session(own_remote: Remote) -> None:
    """No shutdown was asked for: the user closed the lid. The session stays for its keep."""
    kernel = Kernel()
    with kernel as front:
        connect(front, own_remote)
        worker = int(str(front.good("import os; os.getpid()").text))
        os.kill(kernel.pid, signal.SIGKILL)
        assert wait_until(lambda: not kernel.alive(), 5)
        time.sleep(0.5)  # what must not happen has no event to wait for
        assert worker in own_remote.processes()


def test_jupyter_lists_the_spec_it_was_given(env: dict[str, str], tmp_path: Path) -> None:
    write_kernelspec(tmp_path / "share")
    env["JUPYTER_PATH"] = str(tmp_path / "share")
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "kernelspec", "list", "--json"],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )
    assert json.loads(done.stdout)["kernelspecs"]["rpyc"]["spec"]["interrupt_mode"] == "message"


@pytest.mark.alone
def test_the_kernel_has_not_imported_debugpy_and_a_local_cell_may(front: Client) -> None:
    code = "%%local\nimport sys\nbefore = 'debugpy' in sys.modules\nimport debugpy\nprint(before, debugpy.__name__)"
    assert front.good(code).stdout == "False debugpy\n"


def test_it_ends_also_where_its_control_thread_is_behind(kernel: Kernel) -> None:
    """What is published as the iopub thread ends would wait for that thread for ever."""
    kernel.first.good(
        "%%local\nimport collections, threading\n"
        "kernel = get_ipython().kernel\n"
        "iopub, loop = kernel.iopub_socket.io_thread, kernel.io_loop.asyncio_loop\n"
        "class Slow(collections.deque):\n"
        "    def append(self, each):\n"
        "        super().append(each)\n"
        "        if threading.current_thread().name == 'Control' and not loop.is_running(): iopub.thread.join(0.5)\n"
        "iopub._events = Slow(iopub._events)"
    )
    assert kernel.shutdown() < 8
