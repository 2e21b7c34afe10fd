"""The functions of ``IPython.display``, and all that it has, for machines without IPython.

They show what IPython's do, but for three: the front end is on another machine than the files, so that `Video` embeds a
file unless ``embed=False`` says otherwise; `YouTubeVideo` fetches no thumbnail; `Code` has no colours.
"""

from __future__ import annotations

import builtins
import os

from ..display.publish import DisplayHandle, Displays
from .audio import Audio
from .links import FileLink, FileLinks, IFrame, VimeoVideo, YouTubeVideo
from .media import Image, Video
from .objects import DisplayObject
from .text import HTML, JSON, SVG, Code, Javascript, Latex, Markdown, Math, Pretty, TextDisplayObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

__all__ = [
    "HTML",
    "JSON",
    "SVG",
    "Audio",
    "Code",
    "DisplayHandle",
    "DisplayObject",
    "FileLink",
    "FileLinks",
    "IFrame",
    "Image",
    "Javascript",
    "Latex",
    "Markdown",
    "Math",
    "Pretty",
    "ProgressBar",
    "TextDisplayObject",
    "Video",
    "VimeoVideo",
    "YouTubeVideo",
    "clear_output",
    "display",
    "display_html",
    "display_javascript",
    "display_jpeg",
    "display_json",
    "display_latex",
    "display_markdown",
    "display_pdf",
    "display_png",
    "display_pretty",
    "display_svg",
    "publish_display_data",
    "set_matplotlib_close",
    "set_matplotlib_formats",
    "update_display",
]


class ProgressBar(DisplayObject):
    """A bar that a loop over it fills."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.html_width = "60ex"
        self.text_width = 60
        self._progress = 0
        self._display_id = os.urandom(8).hex()

    def __repr__(self) -> str:
        filled = "=" * int(self.text_width * self.progress / self.total if self.total else 0)
        return "[%s] %s/%s" % (filled.ljust(self.text_width), self.progress, self.total)

    def _repr_html_(self) -> str:
        return "<progress style='width:%s' max='%s' value='%s'></progress>" % (
            self.html_width,
            self.total,
            self.progress,
        )

    def display(self) -> None:
        """Show it."""
        display(self, display_id=self._display_id)

    def update(self) -> None:
        """Show how far it is, where it was shown."""
        display(self, display_id=self._display_id, update=True)

    @property
    def progress(self) -> int:
        return self._progress

    @progress.setter
    def progress(self, value: int) -> None:
        self._progress = value
        self.update()

    def __iter__(self) -> ProgressBar:
        self.display()
        self._progress = -1  # the first step is 0
        return self

    def __next__(self) -> int:
        self.progress += 1
        if self.progress >= self.total:
            raise StopIteration
        return self.progress


def display(*objs: Any, **options: Any) -> Optional[DisplayHandle]:
    """Show objects in the front end, in every form they have."""
    return Displays.of_process().display(*objs, **options)


def update_display(obj: Any, *, display_id: str, **options: Any) -> None:
    """Change what is shown under this id to the object."""
    Displays.of_process().update_display(obj, display_id=display_id, **options)


def clear_output(wait: bool = False) -> None:
    """Remove what the cell has shown; with `wait` only when something new comes."""
    Displays.of_process().clear_output(wait)


def publish_display_data(data: Any, metadata: Any = None, **options: Any) -> None:
    """Show a bundle ``{mime type: data}``."""
    options.pop("source", None)
    display(data, metadata=metadata, raw=True, **options)


def set_matplotlib_formats(*formats: str, **_options: Any) -> None:
    """How figures are shown: png, retina, svg or jpeg; of several the first."""
    builtins.get_ipython().run_line_magic("config", "InlineBackend.figure_format = %r" % formats[0])  # type: ignore[attr-defined]


def set_matplotlib_close(close: bool = True) -> None:
    """Figures are closed when they were shown, in any case."""


def _display_as(name: str, mime: str) -> Callable[..., None]:
    def show(*objs: Any, raw: bool = False, metadata: Any = None) -> None:
        about = {mime: metadata} if metadata else None
        if raw:
            display(*({mime: obj} for obj in objs), raw=True, metadata=about)
        else:
            display(*objs, include=[mime], metadata=about)

    show.__name__ = show.__qualname__ = "display_" + name
    show.__doc__ = "Show objects as %s alone; with `raw` they are data of this type." % mime
    return show


display_pretty = _display_as("pretty", "text/plain")
display_html = _display_as("html", "text/html")
display_markdown = _display_as("markdown", "text/markdown")
display_svg = _display_as("svg", "image/svg+xml")
display_png = _display_as("png", "image/png")
display_jpeg = _display_as("jpeg", "image/jpeg")
display_latex = _display_as("latex", "text/latex")
display_json = _display_as("json", "application/json")
display_javascript = _display_as("javascript", "application/javascript")
display_pdf = _display_as("pdf", "application/pdf")
