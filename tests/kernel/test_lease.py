"""`%lease`: others see who holds a board, and are refused politely or wait in line."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rpyc_kernel.link import leasing
from rpyc_kernel.transport.address import Address
from tests.kernel.client import Client
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def bob(own_remote: Remote) -> Iterator[Address]:
    """The machine, which Bob holds."""
    address = Address.parse(own_remote.address)
    leasing.ask(address, "bob@desk", seconds=3600, note="calibrating", cancel=threading.Event())
    yield address
    leasing.ask(address, "bob@desk", end=True, cancel=threading.Event())


def test_who_connects_is_told_who_has_it_and_may_wait(front: Client, own_remote: Remote, bob: Address) -> None:
    where = own_remote.address
    held = f"bob@desk holds {where} for another 60 min (calibrating)."
    error = front.run(f"%connect {where}").error
    assert error is not None
    assert error["evalue"] == f"{held} In a notebook, %lease {where} --wait waits until it is free."
    assert front.good(f"%lease {where}").stdout == held + "\n"
    error = front.run(f'%lease {where} --for 1h "mine"').error
    assert error is not None
    assert error["evalue"] == f"{held} --wait waits in line."

    stopped = front.start(f"%lease {where} --wait\n%connect {where}")
    front.wait_output(stopped, "Waiting in line")
    front.interrupt()
    front.finish(stopped)
    assert stopped.error is not None
    waits = front.start(f"%lease {where} --wait\n%connect {where}\n6 * 7")
    front.wait_output(waits, "Waiting in line")
    leasing.ask(bob, "bob@desk", end=True, cancel=threading.Event())
    front.finish(waits)
    assert waits.text == "42"

    mine = front.good(f'%lease {where} --for 2h "mine"').stdout
    assert mine.endswith("for another 2 h (mine).\n")
    assert leasing.ask(bob, "bob@desk", seconds=60, cancel=threading.Event()).held == mine.strip()
    front.good(f"%connect {where} --new")  # whoever has it isn't held up
    assert front.good("%lease --end").stdout == f"Nobody holds {where}.\n"
