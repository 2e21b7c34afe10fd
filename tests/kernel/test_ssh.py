"""A notebook on a machine that has an ssh server and a Python, from its first cell to a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.kernels import Kernel
from tests.kernel.results import refused
from tests.needs import needs
from tests.servers.ssh_servers import SshServer

pytestmark = pytest.mark.mainly("plain")


def test_a_notebook_by_ssh(new_kernel: Callable[..., Kernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = needs("python3.8")
    with SshServer() as sshd:
        monkeypatch.setenv("PATH", sshd.path)
        front = new_kernel().first
        refused(
            front.run("%connect ssh://machine --python ml\nprint('must not run')"), "no Python 'ml' was found there"
        )
        cell = front.good(f"%connect ssh://machine --python {python} --cwd {tmp_path} --env RK_A=1\nimport os, sys")
        assert f"ssh://machine?python={python}" in cell.stdout
        told = "os.getcwd(), os.environ['RK_A'], '%d.%d' % sys.version_info[:2]"
        expected = f"('{tmp_path}', '1', '3.8')"
        assert front.good(told).text == expected
        sshd.kill_clients()  # the link is dialled again, with the same Python
        assert front.good(told).text == expected
        front.good("%restart")
        assert front.good(f"import os, sys; {told}").text == expected
        assert f"ssh://machine?python={python}" in front.good("%hosts").stdout
        assert front.good("%ping").stdout
        live = front.run("%%local\nremote.builtins.len('abc')")  # which alone needs rpyc there
        assert live.error is not None
        assert "No module named 'rpyc'); install it for that Python" in live.error["evalue"]
        assert "rpyc_kernel/" not in live.traceback
        assert front.good(told).text == expected
        assert len(sshd.commands) == 3  # one that found no Python, one that was killed, and the one that is there
