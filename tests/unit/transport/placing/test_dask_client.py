"""What Dask's client does within a deadline."""

import socket
import threading

import pytest

from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.placing import dask_client
from rpyc_kernel.transport.placing.dask_client import beside, is_refused, open_client


def test_what_it_gives_and_raises():
    assert beside(lambda _given_up: 5, Deadline(60.0)).result() == 5
    assert beside(lambda _given_up: 5, Deadline(None)).result() == 5
    failed = beside(lambda _given_up: 1 // 0, Deadline(60.0))
    assert isinstance(failed.exception(), ZeroDivisionError)


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_does_not_end_is_given_up(cancelled, monkeypatch):
    monkeypatch.setattr(dask_client, "GRACE_S", 0.1)
    cancel, heard = threading.Event(), threading.Event()
    if cancelled:
        cancel.set()
    given_up = beside(lambda gone: heard.set() if gone.wait(60) else None, Deadline(60.0 if cancelled else 0.1, cancel))
    assert heard.wait(60)
    assert given_up.result(60) is None


def test_a_client_that_nobody_waits_for_is_closed(monkeypatch):
    distributed = pytest.importorskip("distributed")
    closed, gone = threading.Event(), threading.Event()

    class Client:
        def __init__(self, _where, timeout):
            gone.set()

        def close(self, timeout):
            closed.set()

    monkeypatch.setattr(distributed, "Client", Client)
    with pytest.raises(TimeoutError):
        open_client("tcp://127.0.0.1:1", Deadline(60.0), gone)
    assert closed.wait(60)


def test_whether_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert not is_refused(where, Deadline(60.0))
    assert is_refused(where, Deadline(60.0))
    assert not is_refused("tcp://[", Deadline(60.0))
    assert not is_refused("inproc://here", Deadline(60.0))
