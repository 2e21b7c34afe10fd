"""A kernel's socket becomes a worker's; where it can't, the broker passes bytes."""

from __future__ import annotations

import socket
import threading

import pytest

from rpyc_kernel.agent.direct import handover
from tests.unit.agent.direct.pairs import tcp_pair, tls_pair

MUCH = bytes(range(256)) * 20_000  # 5 MB: more than all sockets between hold
PATIENCE_S = 20.0
PIECE_BYTES = 50_000


def receive(sock, count):
    data = bytearray()
    while len(data) < count and (piece := sock.recv(min(1 << 16, count - len(data)))):
        data += piece
    return bytes(data)


@pytest.fixture(params=["tcp", "tls"])
def line(request, tmp_path):
    """The kernel's end, and the end that a worker has got, of a connection that a broker has handed over."""
    kernel, server = tcp_pair() if request.param == "tcp" else tls_pair(tmp_path)
    broker, worker = socket.socketpair()
    thread = threading.Thread(target=handover.hand_over, args=(server, broker), daemon=True)
    thread.start()
    handed = handover.receive_handed(worker)
    assert (handed is not None) == (request.param == "tcp")
    end = handed or worker
    for sock in (kernel, end):
        sock.settimeout(PATIENCE_S)
    yield kernel, end, worker, thread
    for sock in (kernel, end, worker, server):
        sock.close()


def test_bytes_go_both_ways(line):
    kernel, end, _worker, _thread = line
    for one, other in ((kernel, end), (end, kernel)):
        sender = threading.Thread(target=one.sendall, args=(MUCH,), daemon=True)
        sender.start()
        assert receive(other, len(MUCH)) == MUCH
        sender.join(PATIENCE_S)


def test_both_ways_at_once(line):
    """The kernel's end has one thread, since OpenSSL's sockets are for one."""
    kernel, end, _worker, _thread = line
    got = []
    threads = [
        threading.Thread(target=end.sendall, args=(MUCH,), daemon=True),
        threading.Thread(target=lambda: got.append(receive(end, len(MUCH))), daemon=True),
    ]
    for thread in threads:
        thread.start()
    came = b""
    for start in range(0, len(MUCH), PIECE_BYTES):
        kernel.sendall(MUCH[start : start + PIECE_BYTES])
        came += receive(kernel, min(PIECE_BYTES, len(MUCH) - start))
    for thread in threads:
        thread.join(PATIENCE_S)
    assert came == MUCH
    assert got == [MUCH]


def test_a_worker_that_is_done_ends_the_connection(line):
    kernel, end, worker, thread = line
    end.close()
    worker.close()
    assert kernel.recv(1) == b""
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_kernel_that_goes_is_noticed(line):
    kernel, end, worker, thread = line
    kernel.close()
    assert end.recv(1) == b""
    end.close()
    worker.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_broker_that_goes_hands_nothing_over():
    broker, worker = socket.socketpair()
    broker.close()
    with worker, pytest.raises(OSError, match="gone"):
        handover.receive_handed(worker)
