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
    """Make ``show`` a builtin: so it is no variable of the user's, who may have one of that name."""
    screen: Optional[Screen] = None

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
        nonlocal screen
        if screen is None:
            from .screen import Screen

            frontend.screen = screen = Screen(frontend)
        screen.show(frame, bgr=bgr, fps=fps, quality=quality, id=id, name=name, save=save)

    def mind_maixpy(module: Any) -> None:
        from .maixpy import mind

        mind(module, show)

    builtins.__dict__["show"] = show
    for name in ("maix", "maix.display"):
        when_imported(name, mind_maixpy)
