"""``show``, the name that each session has; what is behind it is imported when it is first called."""

from __future__ import annotations

import builtins

from ..import_hooks import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..frontend import Frontend
    from .screen import Screen


def install(frontend: Frontend) -> None:
    """Make ``show`` and ``plot_live`` builtins: so they are no variables of the user's, who may have such names."""
    screen: Optional[Screen] = None

    def screen_of() -> Screen:
        nonlocal screen
        if screen is None:
            from .screen import Screen

            frontend.screen = screen = Screen(frontend)
        return screen

    def show(
        frame: Any,
        *,
        bgr: bool = False,
        fps: float = 30.0,
        quality: int = 85,
        id: str = "",
        name: str = "",
        save: Any = "",
    ) -> None:
        """Show a picture in the cell, in the place of the one before: what a camera gives, in a loop, is a video.

        Parameters
        ----------
        frame
            a numpy array (grey, RGB or RGBA; uint8, bool, or floats from 0 to 1), a PIL image, JPEG or PNG as bytes,
            a matplotlib figure, an image of MaixPy
        bgr
            the colours of an array are in OpenCV's order
        fps
            pictures a second, at most. Newer ones take the place of older ones, and the last one is always shown
        quality
            of the JPEG, 1 to 99; 100 is PNG, which loses nothing. Where neither OpenCV nor PIL is, all is PNG
        id
            each has a place of its own in the cell
        name
            as ``id``, and written below the picture; those with names stand side by side
        save
            a video of all that is shown so, ``"clip.mp4"``, which is complete when the cell or thread has ended
        """
        screen_of().show(frame, bgr=bgr, fps=fps, quality=quality, id=id, name=name, save=save)

    def stream(url: str, **options: Any) -> None:
        """Show what a server that this machine reaches gives out as MJPEG, until it ends.

        Parameters
        ----------
        url
            its address, such as ``http://127.0.0.1:8080/``
        options
            as of ``show``
        """
        from .mjpeg import pictures

        for picture in pictures(url):
            show(picture, **options)

    show.stream = stream  # type: ignore[attr-defined]

    def plot_live(
        source: Any,
        *,
        name: str = "",
        every: float = 0.1,
        seconds: float = 30.0,
        during: Any = None,
        fps: float = 10.0,
    ) -> None:
        """Show numbers in the cell as a moving plot: what a sensor gives.

        Parameters
        ----------
        source
            a number, or a list or dictionary of several, which is added to the plot; a function that gives such a
            value, and is called until stop is pressed; or an iterator, whose values are shown as they come
        name
            of the plot; each has a place of its own in the cell
        every
            seconds between two calls of a function
        seconds
            so much is seen at once; what is older is forgotten
        during
            seconds for which a function is called, or an iterator asked
        fps
            so often the plot is drawn in a second, at most
        """
        from .plot import values_of

        for option, given in (("every", every), ("seconds", seconds), ("fps", fps)):
            if not given > 0:
                raise ValueError("plot_live() takes %s above 0, not %r." % (option, given))
        for value in values_of(source, every, during):
            screen_of().plot(str(name), seconds, fps, value)

    def mind_maixpy(module: Any) -> None:
        from .maixpy import mind

        mind(module, show)

    builtins.__dict__["show"] = show
    builtins.__dict__["plot_live"] = plot_live
    for name in ("maix", "maix.display"):
        when_imported(name, mind_maixpy)
