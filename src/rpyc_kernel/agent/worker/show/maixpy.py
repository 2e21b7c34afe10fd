"""MaixPy's own ``display``: what a notebook shows there is shown in the cell, and on the board's screen as before.

MaixPy3 has a function ``maix.display.show(img)``, MaixPy 4 a class ``maix.display.Display`` with a method ``show``.
"""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_SEEN = "_rpyc_kernel_shows"


def mind(module: Any, show: Callable[..., None]) -> None:
    """Show each picture in the cell too that MaixPy shows on the board's screen.

    Args:
        module: The package ``maix``, or its ``display``, just imported.
        show: Shows a picture in the cell.
    """
    display = getattr(module, "display", None) if module.__name__ == "maix" else module
    if display is None or hasattr(display, _SEEN):
        return
    function, of_class = getattr(display, "show", None), getattr(getattr(display, "Display", None), "show", None)
    if of_class is not None:
        display.Display.show = _also(of_class, show, 1, display)
    if callable(function):
        display.show = _also(function, show, 0, display)
    setattr(display, _SEEN, True)


def _also(function: Callable[..., Any], show: Callable[..., None], index: int, display: Any) -> Callable[..., Any]:
    """The function, which shows its argument of that index in the cell too."""

    @functools.wraps(function)
    def shows(*args: Any, **kwargs: Any) -> Any:
        image = args[index] if len(args) > index else kwargs.get("img")
        if image is None and callable(getattr(display, "as_image", None)):
            image = display.as_image()
        if isinstance(image, bytes) and not image.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            image = _of_screen(image, display)
        if image is not None:
            show(image)
        if (
            "remote_show" in _parameters(function)[len(args) :]
        ):  # its MJPEG server, whose queue fills up where nobody looks at it
            kwargs.setdefault("remote_show", False)
        return function(*args, **kwargs)

    return shows


def _parameters(function: Any) -> Any:
    code = getattr(function, "__code__", None)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()


def _of_screen(pixels: bytes, display: Any) -> Any:
    """Bare pixels, which MaixPy3 takes for a picture as large as the screen."""
    try:
        width, height = int(display.width()), int(display.height())
        return memoryview(pixels).cast("B", (height, width, 3))
    except (AttributeError, TypeError, ValueError):
        return None
