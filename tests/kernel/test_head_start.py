"""The session of a machine that is known when the kernel starts begins before the first cell, and is that cell's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until

pytestmark = [pytest.mark.alone, pytest.mark.mainly("plain")]  # what the kernel does before there is a shell


class Sessions:
    """The sessions that begin on a server's machine from now on."""

    def __init__(self, remote: Remote) -> None:
        self._address = Address.parse(remote.address)
        self._before = {entry.session for entry in listing.sessions(self._address)}  # others' of this user

    def entries(self) -> list[listing.SessionEntry]:
        found = listing.sessions(self._address)
        return [entry for entry in found if entry.answers and entry.session not in self._before]

    def ids(self) -> list[str]:
        return [entry.session for entry in self.entries()]

    def has_begun(self) -> str:
        """Wait for the session that has begun, and return its id."""
        assert wait_until(lambda: len(self.ids()) == 1)
        return self.ids()[0]


@pytest.fixture
def sessions(own_remote: Remote) -> Sessions:
    return Sessions(own_remote)


def test_the_first_cell_runs_in_the_session_that_has_begun(
    new_kernel: Callable[..., Kernel], own_remote: Remote, sessions: Sessions
) -> None:
    kernel = new_kernel(f"--RpycKernel.address={own_remote.address}", "--RpycKernel.keep=600")
    begun = sessions.has_begun()
    assert kernel.first.good("6 * 7").text == "42"
    [entry] = sessions.entries()
    assert entry.session == begun
    assert entry.held
    assert kernel.first.good("%restart").status == "ok"
    kernel.restart()
    assert wait_until(lambda: sessions.ids() not in ([], [begun]))  # a fresh one, at once
    begun = sessions.has_begun()
    assert kernel.client().good("6 * 7").text == "42"
    assert sessions.ids() == [begun]


def test_a_session_that_is_not_wanted_ends(
    new_kernel: Callable[..., Kernel], own_remote: Remote, remote: Remote, sessions: Sessions, tmp_path: Path
) -> None:
    other = new_kernel(f"--RpycKernel.address={own_remote.address}").first
    sessions.has_begun()
    other.good(f'$connect("{remote.address}")')
    assert wait_until(lambda: not sessions.ids())

    config = tmp_path / "own_config.py"
    config.write_text("c.RpycKernel.environment = {'MINE': 'yes'}")
    kernel = new_kernel(f"--RpycKernel.address={own_remote.address}", f"--config={config}")  # not understood so early
    assert kernel.first.good("import os; os.environ['MINE']").text == "'yes'"
    assert len(sessions.ids()) == 1


def test_a_kernel_without_a_cell_leaves_nothing(
    new_kernel: Callable[..., Kernel], own_remote: Remote, sessions: Sessions
) -> None:
    kernel = new_kernel(f"--RpycKernel.address={own_remote.address}")
    sessions.has_begun()
    kernel.shutdown()
    assert wait_until(lambda: not sessions.ids())


def test_a_server_that_was_started_again_meanwhile(
    new_kernel: Callable[..., Kernel], own_remote: Remote, sessions: Sessions
) -> None:
    kernel = new_kernel(f"--RpycKernel.address={own_remote.address}")
    begun = sessions.has_begun()
    own_remote.options["port"] = own_remote.port
    own_remote.running.__exit__(None, None, None)
    own_remote.start()
    assert kernel.first.good("6 * 7").text == "42"
    assert sessions.ids() == [begun]


@pytest.mark.parametrize("option", ["--RpycKernel.cwd=/nowhere", "--RpycKernel.python=/nowhere/python"])
def test_what_cannot_begin_is_told_by_the_first_cell(
    new_kernel: Callable[..., Kernel], own_remote: Remote, option: str
) -> None:
    cell = new_kernel(f"--RpycKernel.address={own_remote.address}", option).first.run("1")
    assert cell.error is not None
    assert "/nowhere" in cell.error["evalue"]
