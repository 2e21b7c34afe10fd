"""The recipe of docs/services.md, to the letter, on a machine without a network; and the notebook of the examples."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rpyc_kernel.errors import DiscoveryError
from rpyc_kernel.transport.discovery.registry import PORT, discover
from tests.faults.networks import Namespace, give_a_network
from tests.folders import Folder
from tests.kernel.kernels import SOURCE, Kernel
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.registries import start_registry
from tests.servers.rpyc_servers import Server, environment, start_server

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "services.md").read_text("utf-8")
pytestmark = pytest.mark.needs("ip")


def blocks(language: str, heading: str) -> list[str]:
    """What is written in that language below that heading."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (found,) = [each for each in section if each.startswith(heading + "\n")]
    return re.findall(rf"^```{language}\n(.*?)^```$", found, re.DOTALL | re.MULTILINE)


def in_a_shell(line: str) -> Server:
    """Run a line of the page as somebody would in a terminal, in the folder of the project."""
    folder = Folder("rk-doc-")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "PYTHONPATH": str(SOURCE), "HOME": folder.name})
    return Server(["sh", "-c", line], folder, env, ROOT)


@pytest.fixture(scope="module")
def recipe() -> Iterator[Namespace]:
    """The registry and the servers of the recipe, on a machine with nothing but its loopback."""
    needs("ip")
    *servers, _client = blocks("shell", "On one machine")
    assert len(servers) == 3
    namespace = Namespace("rk-recipe")
    try:
        with ExitStack() as stack:
            with namespace.inside():
                started = [stack.enter_context(in_a_shell(line)) for line in servers]
                assert wait_until(lambda: {"CALC", "CALCULATOR", "SLAVE"} <= set(listed()), 30), [
                    each.log for each in started
                ]
            yield namespace
    finally:
        namespace.close()


def found(name: str) -> tuple[tuple[str, int], ...]:
    try:
        return discover(name, timeout=1.0)
    except DiscoveryError:
        return ()


def listed() -> dict[str, tuple[tuple[str, int], ...]]:
    try:
        return discover(timeout=1.0)
    except DiscoveryError:
        return {}


@contextmanager
def notebook(namespace: Namespace) -> Iterator[Kernel]:
    """A kernel on that machine, which its front end reaches by files."""
    with namespace.inside():
        kernel = Kernel(transport="ipc")
        kernel.__enter__()
    try:
        yield kernel
    finally:
        kernel.__exit__(None, None, None)


def test_the_client_finds_the_calculator(recipe: Namespace) -> None:
    client = blocks("shell", "On one machine")[-1]
    with recipe.inside(), in_a_shell(client) as done:
        done.process.wait(60)
        assert "2 + 3 = 5\n" in done.log


def test_the_cells_of_the_recipe(recipe: Namespace) -> None:
    discovering, connecting = blocks("python", "On one machine")
    with notebook(recipe) as kernel:
        table = kernel.first.good(discovering).stdout.splitlines()
        found = [line.split() for line in table]
        assert [row[1:] for row in found if row[0] == "registry"] == [
            ["CALC", "127.0.0.1:18861"], ["CALCULATOR", "127.0.0.1:18861"], ["SLAVE", "127.0.0.1:18812"],
        ]  # fmt: skip
        cell = kernel.first.good(connecting)
        assert "(service SLAVE at 127.0.0.1:18812, no other is registered)" in cell.stdout
        assert int(str(cell.text)) != kernel.pid
        using = blocks("python", "Using one")
        assert [kernel.first.good(f"%%local\n{code}").text for code in using] == ["5"]


def test_what_runs_on_the_other_machine_uses_rpyc_itself(recipe: Namespace) -> None:
    """The two lines that the page names for remote cells; by name, RPyC needs a network for its broadcast."""
    lines = re.findall(r"`(rpyc\.connect\w*\(.*?)`", PAGE)
    assert lines == ['rpyc.connect("localhost", 18861).root.add(2, 3)', 'rpyc.connect_by_service("CALCULATOR")']
    with notebook(recipe) as kernel:
        kernel.first.good("%connect localhost\nimport rpyc")
        assert kernel.first.good(lines[0]).text == "5"


def test_rpycs_own_discovery_in_the_cells_of_a_machine_with_a_network() -> None:
    needs("ip")
    connected = Namespace("rk-connected")
    try:
        give_a_network(connected)
        with ExitStack() as stack:
            with connected.inside():
                stack.enter_context(start_registry("udp", host="0.0.0.0", port=PORT))
                stack.enter_context(start_server(port=18812))
                calculator = "python3 examples/calculator_service.py --register 255.255.255.255"
                stack.enter_context(in_a_shell(calculator))
                assert wait_until(lambda: found("CALCULATOR"), 30)
            kernel = stack.enter_context(notebook(connected))
            kernel.first.good("%connect localhost\nimport rpyc")
            assert kernel.first.good('rpyc.connect_by_service("CALCULATOR").root.add(2, 3)').text == "5"
    finally:
        connected.close()


def test_the_notebook_of_the_examples(recipe: Namespace) -> None:
    cells = json.loads((ROOT / "examples" / "discover.ipynb").read_text("utf-8"))["cells"]
    with notebook(recipe) as kernel:
        shown = [kernel.first.good("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
        assert shown[0].stdout == "SLAVE  127.0.0.1:18812\n"
        assert shown[-1].text == "5"


def test_what_the_registry_of_the_recipe_listens_on(recipe: Namespace) -> None:
    """The loopback only, as the page says, unlike RPyC's script."""
    ss = shutil.which("ss") or pytest.skip("needs ss")
    with recipe.inside():
        out = subprocess.run([ss, "-uln"], capture_output=True, text=True, timeout=30).stdout
    assert "127.0.0.1:18811" in out
    assert "0.0.0.0:18811" not in out
