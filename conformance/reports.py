"""Runs cases of public bug reports (`tests/reports`), on both shells and on a local ipykernel."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance import suites

FOLDER = suites.ROOT / "tests" / "reports"
COLUMNS = {"ipython": "IPython there", "plain": "built-in shell", "ipykernel": "local ipykernel"}
NOT_HERE = "n/a"
"""The mark in the table where that kind of machine hasn't got the subject of the report."""


def run() -> dict[str, dict[str, str]]:
    """Run all of them. Return "passed", "failed" or "skipped", by the report's id and the kind of machine."""
    found: dict[str, dict[str, str]] = {}
    for reference in ("", "1"):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "reports.xml"
            options = ["tests/reports", "-m", "report", "-n", "2", "--dist", "loadfile"]
            env = {"RPYC_KERNEL_TESTS_REFERENCE": reference} if reference else {}
            suites.run(Path(sys.executable), options, suites.ROOT, report, env)
            for case in ET.parse(report).iter("testcase"):
                properties = {each.get("name"): each.get("value") or "" for each in case.iter("property")}
                if "report" in properties:
                    kinds = found.setdefault(properties["report"], {})
                    status = suites.outcome(case).status
                    if kinds.get(properties["machine"]) != "failed":
                        kinds[properties["machine"]] = status
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    """Return a table in Markdown, with a line for each report."""
    rows = ["| report | what happens elsewhere | " + " | ".join(COLUMNS.values()) + " |", "| --- " * 5 + "|"]
    for each in json.loads((FOLDER / "reports.json").read_text(encoding="utf-8")):
        marks = [found.get(each["id"], {}).get(kind, "skipped") for kind in COLUMNS]
        words = [NOT_HERE if mark == "skipped" else mark for mark in marks]
        symptom = each["symptom"].replace("|", "\\|").split(": ")[0]
        rows.append(f"| {each['source']} | {symptom} | {' | '.join(words)} |")
    return "\n".join(rows)


def wrong(found: dict[str, dict[str, str]]) -> list[str]:
    """Return the names of the reports that fail on a machine of ours."""
    ours = [kind for kind in COLUMNS if kind != "ipykernel"]
    return [f"{name} ({kind})" for name, kinds in found.items() for kind in ours if kinds.get(kind) == "failed"]
