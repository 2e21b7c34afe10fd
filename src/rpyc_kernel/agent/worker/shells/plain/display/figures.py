"""Matplotlib's figures, shown as images. matplotlib is not imported before the user imports it.

An import hook notices when matplotlib comes in and makes `backend` its backend. ``MPLBACKEND`` would do the same but
reach child processes, which have no such module.
"""

from __future__ import annotations

import os
import sys

from ....import_hooks import when_imported
from . import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    Bundle = Dict[str, Any]

BACKEND = "module://" + __name__.rpartition(".")[0] + ".backend"
#: the mime type of each form of InlineBackend.figure_format
FORMATS = {"png": "image/png", "retina": "image/png", "svg": "image/svg+xml", "jpeg": "image/jpeg", "jpg": "image/jpeg"}


class Figures:
    """Shows figures through `publish`, at the end of each cell and at ``plt.show()``."""

    current: Optional[Figures] = None  #: of this process, for the backend

    def __init__(self, publish: Callable[[str, Bundle], None]) -> None:
        self._publish = publish
        self.format = "png"
        Figures.current = self
        formats.register(is_figure, self.bundle)
        when_imported("matplotlib", activate)

    def flush(self) -> None:
        """Show what pyplot has open, and close it. Does nothing unless pyplot uses our backend."""
        backend = sys.modules.get(BACKEND[len("module://") :])
        if backend is not None and sys.modules["matplotlib"].get_backend() == BACKEND:
            backend.flush()

    def select(self) -> None:
        """Make ours the backend again, for ``%matplotlib inline``."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.switch_backend(BACKEND)
        else:
            sys.modules["matplotlib"].use(BACKEND)

    def show(self, figure: Any) -> None:
        """Publish one figure."""
        data, metadata = formats.mime_bundle(figure)
        if any(mime.startswith("image/") for mime in data):
            self._publish("display_data", {"data": data, "metadata": metadata, "transient": {}})

    def bundle(self, figure: Any) -> Tuple[Bundle, Bundle]:
        """A figure as an image; nothing if there is nothing on it."""
        if not figure.axes and not figure.lines and not getattr(figure, "texts", None):
            return {}, {}
        import io

        retina = self.format == "retina"
        form = {"retina": "png", "jpg": "jpeg"}.get(self.format, self.format)
        stream = io.BytesIO()
        if figure.canvas is None or not hasattr(figure.canvas, "print_figure"):
            from matplotlib.backend_bases import FigureCanvasBase

            FigureCanvasBase(figure)
        figure.canvas.print_figure(
            stream,
            format=form,
            facecolor=figure.get_facecolor(),
            edgecolor=figure.get_edgecolor(),
            dpi=figure.dpi * 2 if retina else figure.dpi,
            bbox_inches="tight",
        )
        raw = stream.getvalue()
        mime = FORMATS[self.format]
        if form == "svg":
            return {mime: raw.decode("utf-8")}, {}
        if retina:
            width, height = _png_size(raw)
            return {mime: raw}, {mime: {"width": width // 2, "height": height // 2}}
        return {mime: raw}, {}


def is_figure(value: Any) -> bool:
    """True for a matplotlib Figure; false without matplotlib, which isn't imported for this."""
    module = sys.modules.get("matplotlib.figure")
    figure = getattr(module, "Figure", None)
    return isinstance(figure, type) and isinstance(value, figure)


def activate(matplotlib: Any) -> None:
    """Make ours the backend, unless the environment of this machine asks for another one."""
    chosen = os.environ.get("MPLBACKEND", "")
    if chosen and "inline" not in chosen:
        return
    matplotlib.use(BACKEND)


def _png_size(raw: bytes) -> Tuple[int, int]:
    return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
