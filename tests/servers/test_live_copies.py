"""Copies by a live connection: small ones in an answer, large ones past it, and nothing assigned where one can't be."""

from __future__ import annotations

import pytest

import rpyc_kernel
from rpyc_kernel.errors import AgentError, ArgumentError, ProtocolError, ValueRefusedError
from rpyc_kernel.live.remote import Remote
from tests.servers.rpyc_servers import start_server

MUCH = 5_000_000


@pytest.fixture(scope="module")
def remote():
    with start_server() as server, rpyc_kernel.connect(server.address, keep=60) as remote:
        yield remote


def test_a_value_that_is_large(remote: Remote) -> None:
    remote.execute(f"data = bytes(range(250)) * ({MUCH} // 250)")
    assert remote.value("data") == bytes(range(250)) * (MUCH // 250)
    remote.execute("changing = bytearray(data)")
    assert remote.value(remote.namespace["changing"]) == bytearray(remote.value("data"))
    assert remote.value("[data[:3], {'of': len(data)}]") == [b"\0\1\2", {"of": MUCH}]


def test_values_are_pushed(remote: Remote) -> None:
    data = bytes(MUCH)
    remote.push(small=[1, (2, "x")], large=data, again=data)
    assert remote.eval("small == [1, (2, 'x')] and len(large) == len(again) == 5_000_000")
    remote.push()


def twice(x):
    return 2 * x


def test_a_function_is_pushed(remote: Remote) -> None:
    remote.push(double=twice)
    assert remote.eval("double(21)") == 42


def test_all_or_none(remote: Remote) -> None:
    with pytest.raises(ValueRefusedError, match="lock is of the type"):
        remote.push(fine=1, lock=__import__("threading").Lock())
    for name in ("no name", "class", "", "a.b"):
        with pytest.raises(ArgumentError, match="can't be the name of a variable"):
            remote.push(fine=1, **{name: 2})
    assert not remote.eval("'fine' in globals()")


def test_a_copy_of_something_large_is_delivered(remote: Remote) -> None:
    data = bytearray(MUCH)
    there = remote.deliver(data)
    assert remote.builtins.len(there) == MUCH
    assert remote.value(there) == data


NO_COPIES = (
    "()",
    "(b'[1', )",
    "[b'1']",
    "(b'1', 'x')",
    "((1,),)",  # a name that is none
    "(None, (1,))",
    "(7, (1,))",
    "(service, (1,))",  # a netref
    "('7' * 101, (1,))",
    "('7',)",  # sizes that are none
    "('7', ())",
    "('7', 3)",
    "('7', '33')",
    "('7', b'33')",
    "('7', (1,), (1,))",
    "('7', [1])",
    "('7', (1, -1))",
    "('7', ('x',))",
    "('7', (True,))",
    "('7', (1.0,))",
    "('7', ((1,),))",
    "('7', (1, 10**400))",
)


@pytest.mark.parametrize("told", NO_COPIES)
def test_answers_that_are_no_copies(remote: Remote, told: str) -> None:
    """The service is the other machine's, and may answer what it likes."""
    remote.execute(
        "import gc\n"
        "service = next(each for each in gc.get_objects() if type(each).__name__ == 'SessionService')\n"
        f"service._copy = lambda value, name, peer: {told}"
    )
    try:
        with pytest.raises(ProtocolError, match="sent what an RPyC server would not send"):
            remote.value("1")
    finally:
        remote.execute("del service._copy")
    assert remote.value("1 + 1") == 2


def test_an_offer_that_is_not_there(remote: Remote) -> None:
    remote.execute(
        "import gc\n"
        "service = next(each for each in gc.get_objects() if type(each).__name__ == 'SessionService')\n"
        "service._copy = lambda value, name, peer: ('4711', (10,))"
    )
    try:
        with pytest.raises(AgentError, match="not there any more"):
            remote.value("1")
    finally:
        remote.execute("del service._copy")
