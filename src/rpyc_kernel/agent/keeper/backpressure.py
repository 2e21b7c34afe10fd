"""What the keeper reads of its worker's output now: nothing while the journal is full, nor each line of a flood."""

from __future__ import annotations

import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox.journal import Journal
    from .worker.process import WorkerProcess

NAP_S = 0.002  #: between two looks at a worker that prints a lot: waking the keeper costs it more than printing
FLOOD_FRAMES = 6  #: so many frames of text at once are a lot


class Backpressure:
    """Reads the output of one worker when that is wanted, and so holds the worker back.

    Attributes:
        nap_until: The time of the next look; 0 while each line wakes the keeper.
    """

    def __init__(self, worker: WorkerProcess, journal: Journal, selector: selectors.BaseSelector) -> None:
        self._worker = worker
        self._journal = journal
        self._selector = selector
        self._listening = True
        self._writing = False  # whether the selector waits until the worker takes more
        self.nap_until = 0.0
        self._update()

    def advance(self, now: float) -> None:
        """Stop reading when the journal has become full, go on when it has room; end a nap whose time is over."""
        listen = not self._journal.full
        if listen != self._listening:
            self._listening = listen
            self._update()
            if listen:
                self._read()
        if self.nap_until and now >= self.nap_until:
            self.nap_until = 0.0
            if self._listening:
                self._read()

    def watch_outgoing(self) -> None:
        """Wait for room in the worker's socket exactly as long as a request waits for it."""
        if bool(self._worker.outgoing) != self._writing:
            self._update()

    def end(self) -> None:
        """The worker has ended: let the selector forget what is about to be closed."""
        for fileobj, _wanted in self._worker.watched(0):
            if fileobj in self._selector.get_map():
                self._selector.unregister(fileobj)

    def _update(self) -> None:
        """Let the selector look at what is wanted now."""
        self._writing = bool(self._worker.outgoing)
        listening = self._listening and not self.nap_until and not self._worker.gone
        for fileobj, wanted in self._worker.watched(selectors.EVENT_READ if listening else 0):
            known = self._selector.get_map().get(fileobj)
            if not wanted:
                if known:
                    self._selector.unregister(fileobj)
            elif not known:
                self._selector.register(fileobj, wanted, self._on_ready)
            elif known.events != wanted:
                self._selector.modify(fileobj, wanted, self._on_ready)

    def _on_ready(self, events: int) -> None:
        if self._worker.gone:  # reaped just now, by a signal that came together with this
            return
        if events & selectors.EVENT_WRITE:
            self._worker.outgoing.flush()
        if self._listening and not self.nap_until:
            self._read()

    def _read(self) -> None:
        self._worker.read()
        self.nap_until = time.monotonic() + NAP_S if self._worker.flood >= FLOOD_FRAMES else 0.0
        self._update()
