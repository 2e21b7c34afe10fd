"""Notebooks as bytes, and as models. Both ways may take long for large ones: on threads."""

from __future__ import annotations

from typing import Any

import nbformat
from nbformat.reader import NotJSONError
from tornado.web import HTTPError


def read(data: bytes, path: str) -> tuple[Any, dict[str, Any]]:
    """Return the notebook in a file, and what is wrong with its form.

    Raises:
        HTTPError: 400 where it is no notebook at all.
    """
    problem: dict[str, Any] = {}
    try:
        notebook = nbformat.reads(data.decode("utf-8"), as_version=4, capture_validation_error=problem)
    except (NotJSONError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HTTPError(400, f"Unreadable Notebook: {path} {str(error)[:500]}") from None
    return notebook, problem


def written(model: dict[str, Any], path: str) -> tuple[Any, bytes, str]:
    """Return the notebook of a model, its file, and the sentence on what is wrong with its form.

    Raises:
        HTTPError: 400 where it is no notebook at all.
    """
    if "content" not in model:
        raise HTTPError(400, "No file content provided")
    problem: dict[str, Any] = {}
    try:
        notebook = nbformat.from_dict(model["content"])
        text = nbformat.writes(notebook, version=nbformat.NO_CONVERT, capture_validation_error=problem)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HTTPError(400, f"{path} is no notebook: {str(error)[:500]}") from None
    wrong = problem.get("ValidationError")
    message = f"Notebook validation failed: {str(wrong)[:2000]}" if wrong else ""
    return notebook, f"{text.rstrip()}\n".encode(), message
