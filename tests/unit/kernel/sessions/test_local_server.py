"""The server of a notebook that has named no machine, where it can't be started."""

import sys
import tempfile

import pytest

from rpyc_kernel.errors import AgentError
from rpyc_kernel.kernel.sessions.local_server import EmbeddedServer


def test_why_it_can_not_be_started_is_told_and_nothing_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(AgentError, match=r"own Python can't be started: No such file or directory\."):
        EmbeddedServer()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(AgentError, match="can't be started"):
        EmbeddedServer()
