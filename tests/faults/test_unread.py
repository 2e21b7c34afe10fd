"""A hundred thousand lines that nobody has read, shown by a real Jupyter server with its default rate limits."""

import sys
from pathlib import Path

import pytest

from benchmarks.processes import Processes
from benchmarks.replay import LINES, replays


@pytest.mark.needs("linux")
def test_unread_lines_reach_the_page_of_a_jupyter_server():
    with Processes() as processes:
        (found,) = replays(processes, Path(sys.executable), 1)
    assert found.errors == []
    assert (found.lost, found.doubled, found.reordered, found.complaints) == (0, 0, 0, 0), found
    assert found.unread_bytes > 40 * LINES
    assert found.seconds < 60, found  # 6 on a machine that does nothing else: docs/reliability.md
