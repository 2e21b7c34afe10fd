"""IPython's functions around cells, none of which can keep a cell from running. Imported where IPython is."""

from __future__ import annotations

from IPython.core.events import EventManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LenientEventManager(EventManager):  # type: ignore[misc]
    """Shows whatever a function raises, ``sys.exit()`` too.

    IPython lets that through: each cell would fail by it, also the one that takes the function away.
    """

    def trigger(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Call what is registered. What it raises is shown and goes no further."""
        for function in list(self.callbacks[event]):
            try:
                function(*args, **kwargs)
            except BaseException:
                print("Error in callback %r (for %s):" % (function, event))
                self.shell.showtraceback()
