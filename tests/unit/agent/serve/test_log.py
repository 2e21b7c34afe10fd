"""The daemon's log: a line for each event, whatever a stranger sends, and not too many."""

import io
import json

import pytest

from rpyc_kernel.agent.serve.log import MAX_LINES, WINDOW_S, EventLog


def test_text():
    out = io.StringIO()
    EventLog(stream=out).info("connected", peer="10.0.0.2:55", client="ada@laptop", nothing="", failures=3, why="a b")
    assert (
        out.getvalue().split(" ", 1)[1] == 'info: connected peer=10.0.0.2:55 client=ada@laptop failures=3 why="a b"\n'
    )


def test_json():
    out = io.StringIO()
    EventLog("json", out).warning("refused", peer="::1", failures=2)
    line = json.loads(out.getvalue())
    assert line.pop("time")
    assert line == {"level": "warning", "event": "refused", "peer": "::1", "failures": 2}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_stays_one_line_whatever_is_in_it(form):
    out = io.StringIO()
    EventLog(form, out).warning(
        "refused", reason="evil\n2026 info: all is well\x1b[2J" + "x" * 10_000, peer='a "b" c=d'
    )
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    assert len(out.getvalue()) < 600


def test_a_flood_is_counted_and_not_written():
    now = [0.0]
    out = io.StringIO()
    log = EventLog(stream=out, clock=lambda: now[0])
    for _ in range(1000):
        log.warning("refused")
    log.info("connected")
    assert len(out.getvalue().splitlines()) == MAX_LINES + 1
    now[0] = WINDOW_S
    log.warning("refused")
    assert f"more warnings were left out count={1000 - MAX_LINES}" in out.getvalue().splitlines()[-2]


def test_a_reader_that_is_gone_harms_nobody():
    out = io.StringIO()
    out.close()
    EventLog(stream=out).info("connected")
