"""scripts/check_docs.py: it finds each kind of fault; `make docs` runs it on the documents themselves."""

from pathlib import Path

import check_docs
import pytest
from check_docs import ROOT, links, names, wrong_link, wrong_names

PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Write a document, and the folder that it stands in is the repository's."""
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)

    def write(text: str) -> Path:
        file = tmp_path / "page.md"
        file.write_text(text)
        return file

    return write


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("live.md", ""),
        ("../README.md#security", ""),
        ("../README.zh.md#安全", ""),
        ("#spawned-workers", ""),
        ("https://semver.org/", ""),
        ("no-such-page.md", "no such file"),
        ("../../etc", "no such file"),
        ("live.md#no-such-heading", "no such heading"),
        ("#no-such-heading", "no such heading"),
        ("https://", "neither"),
        ("javascript:alert(1)", "neither"),
    ],
)
def test_a_link_leads_to_something(target, reason):
    found = wrong_link(PAGE, target)
    assert (reason in found) if reason else (found == "")


@pytest.mark.parametrize(
    "span",
    [
        "agent/wire.py",
        "agent/wire.py:Message.decode",
        "worker/io/",
        "rpyc_kernel.connect",
        "python -m rpyc_kernel.install --remove",
        "rpyc_kernel.transports",
        "tests/unit/project/test_check_docs.py::test_what_is_there_is_found",
        "/proc",
        "a/b.py",
        "theirs.py",
    ],
)
def test_what_is_there_is_found(span):
    assert list(wrong_names(span, bare=False)) == []


@pytest.mark.parametrize(
    "span",
    [
        "agent/no_such_file.py",
        "agent/wire.py:Message.no_such_method",
        "worker/no_such_folder/",
        "rpyc_kernel.no_such_name",
        "python -m rpyc_kernel.no_such_module",
        "tests/unit/project/test_check_docs.py::test_that_there_is_not",
    ],
)
def test_what_is_missing_is_told(span):
    assert len(list(wrong_names(span, bare=False))) == 1


def test_a_bare_file_name_is_ours_in_a_document_about_us():
    assert list(wrong_names("theirs.py", bare=True)) == ["there is no theirs.py"]
    assert list(wrong_names("kernel_shim.py", bare=True)) == []


def test_code_is_no_prose_and_lines_are_counted(page):
    file = page(
        "# A\n\n```text\n[a](nowhere.md) `agent/nowhere.py`\n```\n\n`[b](nowhere.md)`\n\n"
        "[c](nowhere.md)\n`agent/nowhere.py`\n"
    )
    assert [(fault.line, "nowhere.md" in fault.text) for fault in links(file)] == [(9, True)]
    assert [fault.line for fault in names(file)] == [10]


def test_imports_of_a_code_block_are_looked_up(page):
    file = page("```python\nfrom rpyc_kernel.errors import RpycKernelError, NoSuchError\n```\n")
    assert [str(fault) for fault in names(file)] == ["page.md:2: rpyc_kernel.errors has no NoSuchError"]


def test_a_heading_that_stands_twice_has_two_anchors(page):
    assert check_docs.anchors(page("## A `b` c\n## [Two](x.md) words!\n## Two words\n")) == {
        "a-b-c",
        "two-words",
        "two-words-1",
    }


def test_another_dialect_is_told(page):
    file = page('"""Do it.\n\n:param x: This.\n:raises ValueError: That.\n"""\n')
    assert [fault.text for fault in check_docs.docstrings(file)] == [":param x: is in another dialect than Google's"]
