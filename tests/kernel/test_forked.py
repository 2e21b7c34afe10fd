"""What processes print that a local cell has forked, and how it comes to the kernel."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.kernel.kernels import Kernel

FORK = """\
%%local
import os, sys
pid = os.fork()
if pid == 0:
    print("from the child", end="", flush=True)
    os._exit(0)
n = sys.stdout.write(f"the child ended with {os.waitpid(pid, 0)[1]}\\n")
"""


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_what_a_forked_process_prints_is_shown(new_kernel: Callable[..., Kernel], transport: str) -> None:
    """Each is one piece, which `print` of several words is not.

    Over ipc, ipykernel's thread for file descriptors adds what it reads to the same buffer, between two pieces too;
    over TCP each comes on a connection of its own, and ipykernel keeps no order among them.
    """
    front = new_kernel(transport=transport).first
    cell = front.good(FORK)
    assert "the child ended with 0\n" in cell.stdout
    front.wait_output(cell, "from the child")


def test_a_kernel_on_unix_sockets_listens_on_no_port(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(transport="ipc")
    kernel.first.good("%%local\n1")
    sockets = psutil.Process(kernel.pid).net_connections("all")
    assert [
        each.laddr for each in sockets if each.status == psutil.CONN_LISTEN and not isinstance(each.laddr, str)
    ] == []
    folder = Path(kernel.manager.connection_file).parent
    assert len([path for path in folder.iterdir() if path.is_socket()]) == 5
    kernel.shutdown()
    assert [path for path in folder.iterdir() if path.is_socket()] == []
