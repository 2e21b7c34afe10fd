"""`rpyc-kernel shell`: a console on another machine, driven by a terminal."""

from __future__ import annotations

import os
import sys

import pexpect
import pytest

from tests.batch.commands import LINE
from tests.kernel.remotes import wait_until

pytestmark = pytest.mark.needs("linux")


def test_a_console_there(remote, private_jupyter):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "dumb"}
    argv = ["-c", LINE, "shell", remote.address, "--env", "WORD=forty"]
    with pexpect.spawn(sys.executable, argv, env=env, encoding="utf-8", timeout=60) as terminal:
        terminal.expect(r"In \[1\]")
        terminal.sendline("import os; os.environ['RK_WHERE'] + os.environ['WORD']")
        terminal.expect("'thereforty'")
        terminal.expect(r"In \[2\]")
        terminal.sendline("import time; print('be' + 'gins'); time.sleep(60)")
        terminal.expect("begins")
        terminal.sendintr()
        terminal.expect("KeyboardInterrupt")
        terminal.expect(r"In \[3\]")
        for _press in range(20):  # one is lost that comes before the prompt reads
            terminal.sendeof()
            if terminal.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=3) == 0:
                break
        terminal.wait()
    assert terminal.exitstatus == 0
    assert wait_until(lambda: not remote.processes())


def test_where_the_console_is_not_installed(start, remote, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'jupyter_console' else find(name, *more)\n"
    )
    command = start("shell", remote.address, env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
    assert command.end() == 1
    assert command.err == "shell needs jupyter_console: python3 -m pip install jupyter_console\n"


def test_an_address_that_is_none(start):
    command = start("shell", "http://pi")
    assert command.end() == 2
    assert "web page" in command.err
