"""A front end that reads slowly gets everything all the same: it holds the other machine's Python back."""

import time
from collections.abc import Callable, Iterator

import pytest
from jupyter_client import BlockingKernelClient

from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")

# Far more than the 1,000 messages that ZeroMQ queues on either side, and what the sockets between them hold.
MANY = 20_000


@pytest.fixture
def slow(new_kernel: Callable[..., Kernel], remote: Remote) -> Iterator[BlockingKernelClient]:
    """A front end as Jupyter makes it (that of the other tests has no limits), which reads only when it is told to."""
    kernel = new_kernel()
    connect(kernel.first, remote)
    client = BlockingKernelClient()
    client.load_connection_file(kernel.manager.connection_file)
    client.start_channels()
    client.wait_for_ready(timeout=30)
    yield client
    client.stop_channels()


def test_a_front_end_that_pauses_loses_nothing(slow: BlockingKernelClient) -> None:
    request = slow.execute(f"for number in range({MANY}): display(number)")
    time.sleep(4)  # the pause that is tested
    shown = []
    while True:
        message = slow.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "display_data":
            shown.append(int(message["content"]["data"]["text/plain"]))
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    assert shown == list(range(MANY))
