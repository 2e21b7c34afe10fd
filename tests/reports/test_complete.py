"""Each public report has a test."""

from __future__ import annotations

import re
from pathlib import Path

from tests.reports.conftest import REPORTS


def test_each_report_has_a_test() -> None:
    tested = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        tested.update(re.findall(r'^@of\("([^"]+)"', path.read_text(), re.MULTILINE))
    assert tested == set(REPORTS)
