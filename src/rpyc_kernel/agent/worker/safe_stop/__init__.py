"""``on_interrupt``, ``on_disconnect`` and ``on_death``, which each session has.

What is behind them is imported when they are called.
"""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..frontend import Frontend
    from ..interrupts import Interrupts
    from ..io.keeper_channel import KeeperChannel
    from .registry import Registry


class SafeStops:
    """Has the functions that were registered.

    Attributes:
        registry: Made when the first one is registered.
    """

    def __init__(self, frontend: Frontend, channel: KeeperChannel, interrupts: Interrupts) -> None:
        self._parts = frontend, channel, interrupts
        self.registry: Optional[Registry] = None

    def add(self, kind: str, function: Any, **options: float) -> Any:
        """Register a function, or return what registers the one that it is put above."""
        if self.registry is None:
            from .registry import Registry

            self.registry = Registry(*self._parts)
        registry = self.registry
        if function is None:
            return lambda decorated: registry.add(kind, decorated, **options)
        return registry.add(kind, function, **options)


def install(frontend: Frontend, channel: KeeperChannel, interrupts: Interrupts) -> SafeStops:
    """Make the three names builtins: so they are no variables of the user's, who may have some of these names."""
    stops = SafeStops(frontend, channel, interrupts)

    def on_interrupt(function: Any = None, *, deadline: float = 2.0) -> Any:
        """Have a function called when the stop button is pressed, before anything else.

        Parameters
        ----------
        function
            it is called without arguments. Without it, this is a decorator
        deadline
            seconds that it may take
        """
        return stops.add("interrupt", function, deadline=deadline)

    def on_disconnect(function: Any = None, *, after: float = 0.5, deadline: float = 2.0) -> Any:
        """Have a function called when the notebook's heartbeats don't come: a motor stops when the Wi-Fi does.

        It runs in a process of its own, forked now, whatever the cells are doing, and once for each loss.

        Parameters
        ----------
        function
            it is called without arguments. Without it, this is a decorator
        after
            seconds of silence
        deadline
            seconds that it may take
        """
        return stops.add("disconnect", function, after=after, deadline=deadline)

    def on_death(function: Any = None, *, deadline: float = 2.0) -> Any:
        """Have a function called when this Python has ended, however that was.

        It runs in a process of its own, forked now.

        Parameters
        ----------
        function
            it is called without arguments. Without it, this is a decorator
        deadline
            seconds that it may take
        """
        return stops.add("death", function, deadline=deadline)

    for function in (on_interrupt, on_disconnect, on_death):
        builtins.__dict__[function.__name__] = function
    return stops
