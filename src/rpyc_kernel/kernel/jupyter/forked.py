"""What processes forked by a local cell print, handed in without a TCP port where the kernel listens on Unix sockets.

ipykernel's ``IOPubThread`` listens on a port of 127.0.0.1 for that, whatever the transport is. This reaches into 7.4's:
``_setup_pipe_in``, ``_setup_pipe_out`` and what they set.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread
from zmq.eventloop.zmqstream import ZMQStream


class UnixIOPubThread(IOPubThread):
    """ipykernel's, with a Unix socket at *path* in place of the port."""

    def __init__(self, socket: Any, path: str, session: Any) -> None:
        self._pipe_path = path
        super().__init__(socket, pipe=True, session=session)

    def _setup_pipe_in(self) -> None:
        self._pipe_uuid = os.urandom(16)
        pipe_in = self.socket.context.socket(zmq.PULL)
        pipe_in.linger = 0
        try:
            pipe_in.bind(f"ipc://{self._pipe_path}")
        except zmq.ZMQError as error:
            warnings.warn(f"What forked processes print won't be shown: {self._pipe_path}: {error}", stacklevel=2)
            self._pipe_flag = False
            pipe_in.close()
            return
        self._pipe_in = ZMQStream(pipe_in, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple[Any, Any]:
        context = zmq.Context()
        pipe_out = context.socket(zmq.PUSH)
        pipe_out.linger = 3000  # milliseconds, as ipykernel's
        pipe_out.connect(f"ipc://{self._pipe_path}")
        return context, pipe_out

    def stop(self) -> None:
        """End the thread, and remove the socket; a manager removes only those of the connection file."""
        super().stop()
        if self._is_master_process():
            Path(self._pipe_path).unlink(missing_ok=True)
