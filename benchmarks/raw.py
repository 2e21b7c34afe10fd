"""Measure what a bare socket of this machine carries, to compare with."""

from __future__ import annotations

import socket
import threading
import time


def carry(size: int) -> float:
    """Send bytes over loopback, and wait for an answer of one byte.

    Args:
        size: How many bytes.

    Returns:
        Seconds.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            peer, _address = listener.accept()
            with peer:
                left = size
                while left:
                    left -= len(peer.recv(1 << 18))
                peer.sendall(b"!")

        thread = threading.Thread(target=take)
        thread.start()
        with socket.create_connection(listener.getsockname()) as sock:
            data = b"x" * size
            started = time.perf_counter()
            sock.sendall(data)
            sock.recv(1)
            took = time.perf_counter() - started
        thread.join()
    return took
