"""Notebook files: what is read, parameters by papermill's convention, and that a file is written whole."""

from __future__ import annotations

import copy
import json
import math

import nbformat
import papermill.cli
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.parameterize import parameterize_notebook

from rpyc_kernel.batch import notebook as notebooks
from rpyc_kernel.errors import ArgumentError, NotebookFileError

KERNELSPEC = {"name": "python3", "language": "python", "display_name": "Python 3"}


def cell(source, *tags):
    return new_code_cell(source, metadata={"tags": [*tags]})


def notebook(*cells):
    return new_notebook(cells=[*cells], metadata={"kernelspec": KERNELSPEC, "papermill": {}})


@pytest.mark.parametrize(
    "text",
    [
        "True",
        "False",
        "None",
        "true",
        "1",
        "-3",
        "1_000",
        " 7 ",
        "1.5",
        "1e3",
        "nan",
        "-inf",
        "0x10",
        "",
        "a=b",
        "[1]",
        "é",
    ],
)
def test_values_are_papermills(text):
    name, value = notebooks.parameter(f"x={text}")
    expected = papermill.cli._resolve_type(text)
    assert name == "x"
    assert type(value) is type(expected)
    assert value == expected or math.isnan(value)


@pytest.mark.parametrize(
    "cells",
    [
        [cell("a = 1", "parameters"), cell("a")],
        [
            new_markdown_cell("# title", metadata={"tags": []}),
            cell("b = 2"),
            cell("a = 1", "other", "parameters"),
            cell("a"),
        ],
        [cell("a = 1", "parameters"), cell("a = 5", "injected-parameters"), cell("a")],
        [cell("a = 5", "injected-parameters"), cell("a = 1", "parameters")],
        [cell("a")],
    ],
    ids=["after the defaults", "further down", "again", "elsewhere", "nowhere"],
)
def test_the_cell_of_values_is_where_papermill_puts_it(cells):
    values = {"a": 3, "b": 'it\'s "quoted"\n\\é', "c": None, "d": True, "e": math.nan, "f": -math.inf, "g": 1.5}
    ours, theirs = notebook(*copy.deepcopy(cells)), notebook(*copy.deepcopy(cells))
    found = notebooks.inject(ours, values)
    theirs = parameterize_notebook(theirs, values)
    assert found == any({"parameters", "injected-parameters"} & {*each.metadata.get("tags", [])} for each in cells)
    shape = [(each.cell_type, each.metadata) for each in ours.cells]
    assert shape == [(each.cell_type, each.metadata) for each in theirs.cells]
    assert ours.metadata == theirs.metadata
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        if "injected-parameters" not in mine.metadata.get("tags", []):
            assert mine.source == other.source
            continue
        names = {}, {}
        exec(mine.source, names[0])
        exec(other.source, names[1])
        del names[0]["__builtins__"], names[1]["__builtins__"]
        assert repr(names[0]) == repr(names[1])
        assert mine.source.startswith("# Parameters\n")
    nbformat.validate(ours)


@pytest.mark.parametrize("text", ["", "a", "=1", "1a=2", "a-b=1", "a b=1", "class=1", "None=1"])
def test_what_is_no_parameter(text):
    with pytest.raises(ArgumentError, match="name=value"):
        notebooks.parameter(text)


def test_reading_takes_outputs_away_and_knows_old_formats(tmp_path):
    path = tmp_path / "old.ipynb"
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [{"cell_type": "code",
        "input": "1", "language": "python", "outputs": [{"output_type": "stream", "stream": "stdout", "text": "x"}],
        "prompt_number": 3, "collapsed": False, "metadata": {}}]}]}  # fmt: skip
    path.write_text(json.dumps(old))
    (read,) = notebooks.read(path).cells
    assert (read.source, read.outputs, read.execution_count) == ("1", [], None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no notebook"),
        ("print(1)", "no notebook"),
        ("[]", "no notebook"),
        ("{}", "no notebook"),
        ("\ufeff{", "no notebook"),
        ('{"nbformat": 99, "nbformat_minor": 0, "cells": [], "metadata": {}}', "no notebook"),
        ('{"nbformat": 4, "nbformat_minor": 4, "cells": [{"cell_type": 3}], "metadata": {}}', "no notebook"),
        (json.dumps(new_notebook(metadata={"kernelspec": {**KERNELSPEC, "language": "R"}})), "for R"),
    ],
)
def test_what_is_no_notebook_for_here(tmp_path, content, words):
    path = tmp_path / "x.ipynb"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(NotebookFileError, match=words) as raised:
        notebooks.read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.ipynb"
    notebooks.write(notebook(cell("1")), path)
    assert notebooks.read(path).cells[0].source == "1"
    with pytest.raises(NotebookFileError, match="can't be written"):
        notebooks.write(notebook(), tmp_path / "missing" / "x.ipynb")
    assert [*tmp_path.iterdir()] == [path]
