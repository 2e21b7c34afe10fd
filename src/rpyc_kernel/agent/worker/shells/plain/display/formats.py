"""The mime bundle of a value: all forms of it among which a front end chooses."""

from __future__ import annotations

import sys
from binascii import b2a_base64

from .pretty import pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, Dict, Optional, Tuple

    Bundle = Dict[str, Any]

#: the method that gives each form, and whether it gives bytes, which messages carry as base64
_METHODS = (
    ("text/html", "_repr_html_"),
    ("text/markdown", "_repr_markdown_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("application/pdf", "_repr_pdf_"),
    ("image/jpeg", "_repr_jpeg_"),
    ("text/latex", "_repr_latex_"),
    ("application/json", "_repr_json_"),
    ("application/javascript", "_repr_javascript_"),
)

#: a test for values → the function that makes their bundle, for classes without display methods: matplotlib's figures
_others: Dict[Callable[[Any], bool], Callable[[Any], Tuple[Bundle, Bundle]]] = {}


def register(matches: Callable[[Any], bool], bundle: Callable[[Any], Tuple[Bundle, Bundle]]) -> None:
    """Teach `mime_bundle` a class that doesn't say how it is shown."""
    _others[matches] = bundle


def mime_bundle(
    value: Any, include: Optional[Container[str]] = None, exclude: Optional[Container[str]] = None
) -> Tuple[Bundle, Bundle]:
    """``(data, metadata)`` of a value; both empty if it has shown itself by ``_ipython_display_``.

    A method that raises costs its own form only; what happened is written to stderr. KeyboardInterrupt passes.
    """
    shown = _method(value, "_ipython_display_")
    if shown is not None:
        try:
            shown()
            return {}, {}
        except NotImplementedError:
            pass
        except Exception as error:
            _report(value, "_ipython_display_", error)
            return {}, {}
    data: Bundle = {}
    metadata: Bundle = {}
    own = _method(value, "_repr_mimebundle_")
    if own is not None:
        _merge(_call(value, "_repr_mimebundle_", lambda: own(include=include, exclude=exclude)), data, metadata)
    for matches, bundle in list(_others.items()):
        if matches(value):
            found = _call(value, "image", lambda bundle=bundle: bundle(value))  # type: ignore[misc]
            _merge(found, data, metadata)
    for mime, name in _METHODS:
        if mime in data or not _wanted(mime, include, exclude) or (mime == "image/jpeg" and "image/png" in data):
            continue  # an image that has both (PIL) would cross the wire twice
        method = _method(value, name)
        if method is None:
            continue
        _one(mime, _call(value, name, method), data, metadata)
    if "text/plain" not in data and _wanted("text/plain", include, exclude):
        data["text/plain"] = plain_text(value)
    data = {mime: form for mime, form in data.items() if _wanted(mime, include, exclude)}
    return encode(data), metadata


def plain_text(value: Any) -> str:
    """The text of a value. Where its ``__repr__`` raises, a text that says so, with the traceback on stderr."""
    try:
        return pretty(value)
    except Exception as error:
        _report(value, "__repr__", error)
        return "<%s object at 0x%x, whose __repr__ raised %s>" % (
            type(value).__name__,
            id(value),
            type(error).__name__,
        )


def encode(data: Bundle) -> Bundle:
    """The bundle as messages carry it: bytes as base64 text."""
    found = {}
    for mime, form in data.items():
        binary = isinstance(form, (bytes, bytearray, memoryview))
        found[str(mime)] = b2a_base64(form).decode("ascii") if binary else form
    return found


def _wanted(mime: str, include: Optional[Container[str]], exclude: Optional[Container[str]]) -> bool:
    if include is not None and mime not in include:
        return False
    return exclude is None or mime not in exclude


def _method(value: Any, name: str) -> Any:
    """A display method of an object, None if it has none. Classes describe their instances, not themselves."""
    if isinstance(value, type):
        return None
    try:
        if getattr(value, "_rpyc_kernel_no_such_method_", None) is not None:
            return None  # it answers to any name
        method = getattr(value, name, None)
    except Exception:
        return None
    return method if callable(method) else None


def _call(value: Any, name: str, method: Callable[[], Any]) -> Any:
    try:
        return method()
    except NotImplementedError:
        return None
    except Exception as error:
        _report(value, name, error)
        return None


def _one(mime: str, form: Any, data: Bundle, metadata: Bundle) -> None:
    if isinstance(form, tuple) and len(form) == 2 and isinstance(form[1], dict):
        form, about = form
        if form is not None and about:
            metadata[mime] = about
    if form is not None:
        data[mime] = form


def _merge(found: Any, data: Bundle, metadata: Bundle) -> None:
    if isinstance(found, tuple) and len(found) == 2:
        found, about = found
        if isinstance(about, dict):
            metadata.update(about)
    if isinstance(found, dict):
        data.update(found)


def _report(value: Any, name: str, error: Exception) -> None:
    from .tracebacks import format_error

    sys.stderr.write("%s of a %s:\n%s\n" % (name, type(value).__name__, "\n".join(format_error(error))))
