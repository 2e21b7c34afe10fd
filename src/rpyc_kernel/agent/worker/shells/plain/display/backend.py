"""The matplotlib backend of the session: Agg's canvas, and figures that are shown as images in the cell.

Imported by matplotlib only, under the name that `figures.BACKEND` gives it.
"""

from __future__ import annotations

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from .figures import Figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FigureManager(FigureManagerBase):  # type: ignore[misc]
    """Knows one figure of pyplot."""

    def show(self) -> None:
        """``fig.show()``: show this figure now; it stays open."""
        if Figures.current is not None:
            Figures.current.show(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc]
    """Agg's."""

    manager_class = FigureManager


def new_figure_manager(num: Any, *args: Any, FigureClass: Any = None, **options: Any) -> FigureManager:  # noqa: N803
    """Called by ``plt.figure()``, with the names that matplotlib gives the arguments."""
    from matplotlib.figure import Figure

    return new_figure_manager_given_figure(num, (FigureClass or Figure)(*args, **options))


def new_figure_manager_given_figure(num: Any, figure: Any) -> FigureManager:
    """Called by ``plt.figure()`` for a figure that exists."""
    return FigureManager(FigureCanvas(figure), num)


def draw_if_interactive() -> None:
    """Older matplotlib calls this after each change: there is nothing to redraw."""


def show(*_args: Any, **_options: Any) -> None:
    """``plt.show()``: show what is open, and close it."""
    flush()


def flush() -> None:
    """Show all figures of pyplot in the order of their making, and close them."""
    managers = Gcf.get_all_fig_managers()
    if not managers:
        return
    try:
        if Figures.current is not None:
            for manager in managers:
                Figures.current.show(manager.canvas.figure)
    finally:
        Gcf.destroy_all()
