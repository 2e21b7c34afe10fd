"""The server behind a running cell goes, and comes back: nothing that the cell gives out is lost."""

from __future__ import annotations

from tests.kernel.kernels import Kernel
from tests.servers.rpyc_servers import start_server

LINES = 60
CODE = f"""
import sys, time
for i in range({LINES}):
    print("line", i)
    print("noise", i, file=sys.stderr)
    time.sleep(0.05)
"last"
"""


def test_a_server_that_is_killed_and_started_again() -> None:
    with Kernel() as client:
        with start_server() as first:
            client.good(f"%connect {first.address}\nkept = 1")
            cell = client.start(CODE)
            client.wait_output(cell, "line 5\n")
            port = first.port
            first.kill()
            client.wait_for(lambda: cell.displays, 10, "the line that says so")
        with start_server(port=port):
            client.finish(cell, 60)
            assert cell.status == "ok"
            assert cell.stdout == "".join(f"line {i}\n" for i in range(LINES))
            assert cell.stderr == "".join(f"noise {i}\n" for i in range(LINES))
            assert cell.text == "'last'"
            assert "lost, reconnecting" in cell.displays[0]["text/plain"]
            updates = [message.content["data"]["text/plain"] for message in cell.of("update_display_data")]
            assert updates == [f"link to 127.0.0.1:{port} was lost, and is back"]
            assert client.good("kept").text == "1"


def test_a_server_that_does_not_come_back_is_told_and_the_notebook_goes_on() -> None:
    with Kernel() as client:
        with start_server() as first:
            client.good(f"%connect {first.address}")
            cell = client.start("import time\nprint('on')\ntime.sleep(600)")
            client.wait_output(cell, "on")
            first.kill()
            client.interrupted(cell)
        assert cell.status == "error"
        with start_server() as second:
            assert client.good(f"%connect {second.address}\n1 + 1").text == "2"
