"""The stop button while the kernel is connecting."""

import socket

from tests.kernel.client import Client

SOON = 10.0
"""Seconds that a loaded machine may take for what is meant to take a few milliseconds."""


def listener(backlog: int = 5) -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(backlog)
    server.settimeout(10)
    return server


def test_connecting_to_a_silent_port_can_be_interrupted(front: Client) -> None:
    with listener() as silent:
        cell = front.start(f"%connect 127.0.0.1:{silent.getsockname()[1]}")
        conversation, _ = silent.accept()
        with conversation:
            assert front.interrupted(cell) < SOON
    assert cell.status == "error"
    assert cell.error is not None
    assert "rpyc_kernel/" not in cell.traceback
    assert front.good("%%local\n1").text == "1"


def test_connecting_to_a_black_hole_can_be_interrupted(front: Client) -> None:
    """A full backlog swallows connections as a firewall does that drops packets."""
    with listener(0) as hole:
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        cell = front.start(f"%connect 127.0.0.1:{hole.getsockname()[1]}\nprint('must not run')")
        front.wait_for(lambda: cell.input is not None, what="the start of the cell")
        assert front.interrupted(cell) < SOON
        for filler in fillers:
            filler.close()
    assert cell.status == "error"
    assert cell.stdout == ""
    assert front.good("%%local\n1").text == "1"
