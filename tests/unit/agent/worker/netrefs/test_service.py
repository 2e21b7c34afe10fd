"""Which of RPyC's dialects a live connection's other end speaks."""

import importlib

import pytest
import rpyc

from rpyc_kernel.agent.worker.netrefs import service


@pytest.mark.parametrize(
    ("version", "old"),
    [((4, 1, 5), True), ((5, 3, 1), True), (("6", "0", "2"), False), (("10", "0", "0"), False)],
)
def test_versions_are_compared_as_numbers(version, old, monkeypatch):
    monkeypatch.setattr(rpyc.version, "version", version)
    try:
        assert importlib.reload(service).IS_OLD is old
    finally:
        monkeypatch.undo()
        importlib.reload(service)
