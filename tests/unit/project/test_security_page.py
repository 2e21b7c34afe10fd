"""docs/security.md: each promise names its tests, and there are such tests."""

import re

import pytest
from sources import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
PROMISES = re.findall(r"^\| (?!promise)([^|`-][^|]+) \| (.*`tests/.*) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("promise", "tests"), PROMISES, ids=[promise[:40] for promise, _tests in PROMISES])
def test_a_promise_is_tried(promise, tests):
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
    assert named
    assert tests.count("`") == 2 * len(named)
    for path, name in named:
        text = (ROOT / path).read_text("utf-8")
        assert not name or re.search(rf"^def {name}\(", text, re.MULTILINE), name


def test_all_promises_were_found():
    section = TEXT.partition("## Promises")[2].partition("\n## ")[0]
    assert len(PROMISES) == len(re.findall(r"^\|", section, re.MULTILINE)) - 2 > 10
