"""Matplotlib's figures, shown as images, without importing matplotlib before the user does.

An import hook notices when matplotlib comes in and makes `backend` its backend. ``MPLBACKEND`` would do the same but
reach child processes, which have no such module.
"""

from __future__ import annotations

import os
import sys

from . import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    Bundle = Dict[str, Any]

BACKEND = "module://" + __name__.rpartition(".")[0] + ".backend"
#: forms of InlineBackend.figure_format and what they are
FORMATS = {"png": "image/png", "retina": "image/png", "svg": "image/svg+xml", "jpeg": "image/jpeg", "jpg": "image/jpeg"}


class Figures:
    """Shows figures through `publish`, at the end of each cell and at ``plt.show()``."""

    current: Optional[Figures] = None  #: of this process, for the backend

    def __init__(self, publish: Callable[[str, Bundle], None]) -> None:
        self._publish = publish
        self.format = "png"
        Figures.current = self
        formats.register(is_figure, self.bundle)
        if "matplotlib" in sys.modules:
            activate(sys.modules["matplotlib"])
        else:
            _Watch.install()

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


class _Watch:
    """A meta path finder that finds nothing itself but sees matplotlib being imported, once."""

    busy = False

    @classmethod
    def install(cls) -> None:
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.insert(0, cls())

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "matplotlib" or self.busy:
            return None
        import importlib.util

        self.busy = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.busy = False
        if spec is None or spec.loader is None:
            return None  # not installed, or not yet: the next attempt may find it
        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Matplotlib's own loader, with one call after it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            activate(module)
        except Exception as error:
            sys.stderr.write("matplotlib's figures will not be shown: %s\n" % error)
