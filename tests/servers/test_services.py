"""A service that somebody has written, used through `rpyc_kernel.service`: RPyC's rules, on servers of each dialect.

The service is our own example, as a user would start it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rpyc_kernel
from rpyc_kernel import errors
from tests.folders import Folder
from tests.kernel.kernels import SOURCE
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.registries import registered, start_registry
from tests.servers.rpyc_servers import Server, environment, free_port
from tests.servers.venvs import VERSIONS, venv

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PYTHONS = dict(reversed(VERSIONS))  # the first Python of each RPyC


@pytest.fixture(params=["4.1.5", "5.3.1", "6.0.2"])
def rpyc(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start_calculator(*options: str, rpyc: str = "6.0.2", port: int = 0) -> Server:
    """``examples/calculator_service.py``, listening. To be used in a ``with`` block."""
    port = port or free_port()
    folder = Folder("rk-calculator-")
    command = [str(venv(PYTHONS[rpyc], rpyc)), str(EXAMPLES / "calculator_service.py"), "--port", str(port), *options]
    server = Server(command, folder, environment({}), None)
    server.port = port
    server.wait_for(lambda: "listening on" in server.log)
    return server


@contextmanager
def using(where: str, **options: Any) -> Iterator[Any]:
    """The root of the service there."""
    root = rpyc_kernel.service(where, **options)
    try:
        yield root
    finally:
        root.____conn__.close()


def test_what_is_exposed(rpyc: str) -> None:
    with start_calculator(rpyc=rpyc) as server, using(server.address) as calculator:
        assert calculator.add(2, 3) == 5
        assert calculator.digits == 15
        assert calculator.exposed_add(2, 3) == 5
        assert [calculator.keep(4), calculator.keep(5)] == [4, 9]
        assert calculator.get_service_name() == "CALCULATOR"
        assert tuple(calculator.get_service_aliases()) == ("CALCULATOR", "CALC")
        assert calculator.result().unit == "apples"
        assert "CalculatorService" in repr(calculator)


def test_a_function_of_ours_is_called_back(rpyc: str) -> None:
    seen = []

    def square(number: int) -> int:
        seen.append((number, os.getpid()))
        return number**2

    with start_calculator(rpyc=rpyc) as server, using(server.address) as calculator:
        assert calculator.apply(square, [1, 2, 3]) == 14
    assert seen == [(1, os.getpid()), (2, os.getpid()), (3, os.getpid())]


def test_what_is_raised_there_is_caught_as_what_it_is(rpyc: str) -> None:
    with start_calculator(rpyc=rpyc) as server, using(server.address) as calculator:
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            calculator.divide(1, 0)
        assert calculator.divide(1, 4) == 0.25


@pytest.mark.parametrize("name", ["forget", "total", "clients", "_protect", "nothing", "say"])
def test_what_is_not_exposed_is_refused(rpyc: str, name: str) -> None:
    with start_calculator("--serve", "instance", rpyc=rpyc) as server, using(server.address) as calculator:
        calculator.keep(3)
        with pytest.raises(AttributeError, match=name):
            getattr(calculator, name)
        with pytest.raises(AttributeError):
            calculator.total = 0
        with pytest.raises(AttributeError, match="value"):
            _ = calculator.result().value
        assert calculator.keep(0) == 3


def test_allow_public_attrs(rpyc: str) -> None:
    with start_calculator("--public", rpyc=rpyc) as server, using(server.address) as calculator:
        calculator.keep(3)
        assert calculator.total == 3
        assert calculator.result().value == 3
        calculator.forget()
        assert calculator.add(0, 1) == 1
        assert calculator.total == 0
        with pytest.raises(AttributeError, match="_nothing"):
            _ = calculator._nothing


@pytest.mark.parametrize(
    ("how", "totals"),
    [("class", [1, 1, 2]), ("instance", [6, 7, 8]), ("classpartial", [6, 6, 7])],
)
def test_who_shares_the_total(rpyc: str, how: str, totals: list[int]) -> None:
    with start_calculator("--serve", how, "--total", "5", rpyc=rpyc) as server:
        with using(server.address) as one, using(server.address) as other:
            assert [one.keep(1), other.keep(1), one.keep(1)] == totals


def test_the_server_sees_clients_come_and_go(rpyc: str) -> None:
    with start_calculator("--serve", "instance", rpyc=rpyc) as server:
        with using(server.address) as one:
            one.add(1, 1)
            assert "connected: 1 here" in server.log
            with using(server.address) as other:
                other.keep(3)
                assert "connected: 2 here" in server.log
            assert wait_until(lambda: "disconnected: 1 here, the total is 3" in server.log)
        assert wait_until(lambda: "disconnected: 0 here" in server.log)


def test_on_a_unix_socket(rpyc: str, tmp_path: Path) -> None:
    needs("posix")
    path = tmp_path / "s"
    with start_calculator("--socket", str(path), rpyc=rpyc), using(f"unix://{path}") as calculator:
        assert calculator.add(2, 3) == 5


# --- by name


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_by_its_names_in_any_case(rpyc: str, kind: str) -> None:
    with start_registry(kind) as registry:
        options = ["--register", registry.address, *["--tcp"] * (kind == "tcp")]
        with start_calculator(*options, rpyc=rpyc) as server:
            assert registered(registry.address, "CALCULATOR") == (("127.0.0.1", server.port),)
            for name in ("CALCULATOR", "Calculator", "calc", "service:CALC"):
                with using(name, registry=registry.address) as calculator:
                    assert calculator.add(2, 3) == 5


def test_of_several_the_first_that_can_be_connected_to() -> None:
    with start_registry("udp") as registry:
        options = ["--register", registry.address]
        with start_calculator(*options) as one, start_calculator(*options) as other:
            (_host, first), _second = registered(registry.address, "CALC", 2)
            (one if one.port == first else other).kill()
            with using("CALC", registry=registry.address) as calculator:
                assert calculator.add(2, 3) == 5
            (other if one.port == first else one).kill()
            with pytest.raises(errors.ServiceDownError, match=r"None of the 2 servers .* CALC .*No server is list"):
                rpyc_kernel.service("CALC", registry=registry.address)


def test_none_of_that_name_is_a_sentence() -> None:
    with start_registry("udp") as registry:
        with pytest.raises(errors.NotRegisteredError, match=r"CALC .*auto_register=True.*docs/services\.md"):
            rpyc_kernel.service("calc", registry=registry.address)
        with pytest.raises(errors.NobodyListeningError):
            rpyc_kernel.service(f"127.0.0.1:{free_port()}")
        with pytest.raises(errors.AddressError, match="write the port"):
            rpyc_kernel.service("localhost")


# --- the example's client


def test_the_client_of_the_example(rpyc: str) -> None:
    with start_calculator(rpyc=rpyc) as server:
        done = run_client(server.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "2 + 3 = 5\ndigits: 15\ntotal: 4 9\nsquares of 1, 2, 3, taken here and added up there: 14\n"
        "there: division by zero\nforget() is not exposed\n"
    )


def test_the_client_says_how_it_is_used() -> None:
    assert "python calculator.py localhost:18861" in run_client().stderr


def run_client(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "calculator.py"), *arguments]
    env = environment({}) | {"PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL)
