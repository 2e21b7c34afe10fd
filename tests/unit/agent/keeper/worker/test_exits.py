"""How a worker's end is told, by its exit code."""

import pytest

from rpyc_kernel.agent.keeper.worker.exits import describe_end


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (0, {"code": 0, "text": "ended with exit code 0"}),
        (3, {"code": 3, "text": "ended with exit code 3"}),
        (-9, {"signal": "SIGKILL", "text": "was ended by signal 9 (SIGKILL)"}),
        (-99, {"signal": "signal 99", "text": "was ended by signal 99 (signal 99)"}),
        # what Windows gives instead of a signal
        (0xC0000005, {"code": 0xC0000005, "text": "ended with exit code 0xC0000005"}),
    ],
)
def test_an_end(code, end):
    assert describe_end(code) == end
