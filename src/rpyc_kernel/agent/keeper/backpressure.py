"""What the keeper wants to hear of its worker now: nothing while the journal is full, nor each line of a lot."""

from __future__ import annotations

import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox.journal import Journal
    from .worker.process import Child

NAP = 0.002  #: seconds between two looks at a worker that prints a lot: waking us costs it more than printing
FLOOD = 6  #: frames of text at once that are a lot


class Attention:
    """Reads what the worker gives out, when that is wanted. One for each worker.

    :ivar nap_until: the time of the next look, 0 while each line wakes the keeper
    """

    def __init__(self, child: Child, journal: Journal, selector: selectors.BaseSelector) -> None:
        self._child = child
        self._journal = journal
        self._selector = selector
        self._listening = True
        self.nap_until = 0.0
        self.update()

    def hold_or_listen(self) -> None:
        """Stop reading while the journal is full, which holds the worker back."""
        listen = not self._journal.full
        if listen != self._listening:
            self._listening = listen
            self.update()
            if listen:
                self._read()

    def look_at_clock(self, now: float) -> None:
        """End a nap whose time is over."""
        if self.nap_until and now >= self.nap_until:
            self.nap_until = 0.0
            if self._listening:
                self._read()

    def update(self) -> None:
        """Let the selector look at what is wanted now."""
        listening = self._listening and not self.nap_until and not self._child.gone
        for fileobj, wanted in self._child.watched(selectors.EVENT_READ if listening else 0):
            known = self._selector.get_map().get(fileobj)
            if not wanted:
                if known:
                    self._selector.unregister(fileobj)
            elif not known:
                self._selector.register(fileobj, wanted, self._on_ready)
            elif known.events != wanted:
                self._selector.modify(fileobj, wanted, self._on_ready)

    def _on_ready(self, events: int) -> None:
        if self._child.gone:  # reaped just now, by a signal that came together with this
            return
        if events & selectors.EVENT_WRITE:
            self._child.outgoing.flush()
            self.update()
        if self._listening and not self.nap_until:
            self._read()

    def _read(self) -> None:
        self._child.read()
        self.nap_until = time.monotonic() + NAP if self._child.flood >= FLOOD else 0.0
        self.update()
