"""The pictures of this session: paced, the newest only, each id in a place of its own in its cell.

The first picture of a place goes at once, as a ``display_data`` where the cell has come to; the pictures that follow
are updates of it. While it is not yet time for the next one, a newer picture replaces the one that waits, before any
work was done for it.

A thread makes and sends the pictures, so that a camera's loop isn't held up. But a loop that never waits leaves it a
turn each 5 ms, of which one picture needs several (18 were shown a second instead of 30): there, the code that shows a
picture makes it itself, if that is quick.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from ... import frames, wire
from ..own_thread import OwnThread
from ..request_context import current, started_by
from .fitting import allowance
from .pictures import Drawing, check_range, read
from .slot import PictureSlot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from ..frontend import Frontend
    from .pictures import Encoded, Shown
    from .saving import Clip

QUICK_WORK_S = 0.01  #: seconds of work for a picture that a loop which never waits can spare
STARVED_S = 0.01  #: seconds for which the thread got no turn while it made a picture
STARVED_PICTURES = 2  #: one after the other that were made so slowly: one alone shows only that the machine is busy
INLINE_PICTURES = 30  #: that such a loop makes itself until the thread is tried again
MAX_SLOTS = 64  #: that are known; the oldest are forgotten
WHOLE_PICTURE_S = 1.0  #: that the last picture of many may take in the quality that was asked for


class Screen:
    """Shows pictures. `show` may be called on any thread."""

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend
        self._slots: Dict[Tuple[int, str], PictureSlot] = {}
        # An interrupt may come within the `__enter__` of a condition, which would then be locked for ever; not so here.
        self._lock = threading.Lock()  # guards them
        self._changed = threading.Condition(self._lock)
        self._thread: Optional[threading.Thread] = None
        self._resting = False  # whether the thread waits until something is there

    def show(self, frame: Any, *, bgr: bool, fps: float, quality: int, id: str, name: str = "", save: Any = "") -> None:
        """See ``show`` in `install`.

        Raises:
            TypeError: That is no picture.
            ValueError: It is one that can't be shown or saved, or an option is out of range.
            OSError: It can't be saved.
        """
        if not fps > 0:
            raise ValueError("show() takes fps above 0, not %r." % (fps,))
        if not 1 <= quality <= 100:
            raise ValueError("show() takes a quality from 1 to 100, not %r." % (quality,))
        if self._frontend.writer.forked:
            return  # the cell is its parent's
        found = read(frame, bgr, quality)
        slot = self._slot(str(id) or str(name))
        slot.interval, slot.quality, slot.name = 1.0 / fps, quality, str(name)
        if isinstance(found, Drawing):  # what it draws may be changed as soon as we return
            time.sleep(max(0.0, min(slot.turn - time.monotonic(), slot.interval)))
            slot.undrawn = found if slot.rests and not save else None
            if slot.undrawn is not None:
                slot.rest(time.monotonic(), 0.0)
                return
            found = found.draw()
        if not slot.display_id:
            check_range(found)
        if save:
            self._save(slot, found, os.fspath(save), fps)
        self._offer(slot, found)

    def plot(self, name: str, seconds: float, fps: float, value: Any) -> None:
        """Show a value in the plot of that name.

        Raises:
            TypeError: It is no number.
            ValueError: There are too many.
        """
        if self._frontend.writer.forked:
            return
        from .plot import Plot  # late: few cells plot

        slot = self._slot("plot-live " + name)
        slot.interval = 1.0 / fps
        if slot.plot is None:
            slot.plot = Plot(name, seconds)
        slot.plot.add(value)
        self._offer(slot, slot.plot)

    def _offer(self, slot: PictureSlot, found: Shown) -> None:
        """Send a picture if it may be, or let it wait."""
        inline = not slot.display_id or (slot.inline > 0 and slot.work <= QUICK_WORK_S)
        if slot.rests or time.monotonic() < slot.turn or not inline:
            self._put(slot, found)
        else:
            slot.inline -= 1
            self._send(slot, found)

    def flush(self, number: int) -> None:
        """The code of that request has ended: what it showed last is sent now, as well as it can be."""
        with self._lock:
            slots = [slot for slot in self._slots.values() if slot.number == number]
        for slot in slots:
            self._send_or_tell(slot, draw=True)
            if slot.reduced is not None:
                self._send_or_tell(slot, whole=True)
            for clip in list(slot.clips.values()):
                if clip.of_cell:
                    _finish(clip)

    def clear(self, number: int) -> None:
        """The outputs of that cell were cleared: the next picture begins anew."""
        with self._lock:
            for slot in self._slots.values():
                if slot.number == number:
                    slot.display_id = ""
                    slot.cleared += 1
                    slot.waiting = slot.reduced = slot.undrawn = None
                    slot.rests = False

    def rest(self, display_id: str, rests: bool) -> None:
        """Make no pictures of a display, which nobody sees, or make them again; "" is all displays.

        The newest one waits until somebody sees the place, or its cell has ended.
        """
        with self._lock:
            for slot in self._slots.values():
                if display_id in ("", slot.display_id):
                    slot.rests = rests
            self._changed.notify_all()

    def _save(self, slot: PictureSlot, found: Shown, path: str, fps: float) -> None:
        clip = slot.clips.get(path)
        if clip is None:
            from .saving import Clip  # late: few cells save

            clip = slot.clips[path] = Clip(path, fps)
        clip.add(found)

    # --- what waits

    def _slot(self, id: str) -> PictureSlot:
        key = (started_by() or self._frontend.request, id)  # a camera's thread stays where it began to show
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = PictureSlot(key[0])
                for old in list(self._slots)[:-MAX_SLOTS]:
                    if self._slots[old].waiting is None:
                        del self._slots[old]
        return slot

    def _put(self, slot: PictureSlot, found: Shown) -> None:
        """Let a picture wait, instead of the one that may be waiting."""
        with self._lock:
            spare, slot.spare = slot.spare, None
        found = found.copy(spare)
        with self._lock:
            slot.spare, slot.waiting = slot.waiting, found
            if self._thread is None or not self._thread.is_alive():
                self._thread = OwnThread(self._run, "rpyc-kernel-show")
                self._thread.start()
            elif self._resting and not slot.rests:
                self._changed.notify_all()

    def _run(self) -> None:
        """On the thread: send what is due."""
        while True:
            with self._lock:
                slot = self._next()
                while slot is None or slot.turn > time.monotonic():
                    self._resting = slot is None
                    wait = None if slot is None else slot.turn - time.monotonic()
                    self._changed.wait(None if wait is None else max(0.0, wait))
                    slot = self._next()
                self._resting = False
            current.set(slot.number)  # that cell is told what goes wrong
            self._send_or_tell(slot)

    def _next(self) -> Optional[PictureSlot]:
        waiting = [slot for slot in self._slots.values() if slot.waiting is not None and not slot.rests]
        return min(waiting, key=lambda slot: slot.turn) if waiting else None

    # --- what is sent

    def _send_or_tell(self, slot: PictureSlot, whole: bool = False, draw: bool = False) -> None:
        try:
            undrawn, slot.undrawn = (slot.undrawn, None) if draw else (None, slot.undrawn)
            self._send(slot, first=undrawn.draw() if undrawn is not None else None, whole=whole)
        except Exception as error:  # whatever an encoder raises
            if not slot.failed:
                slot.failed = True
                sys.stderr.write("show() could not show a picture: %s: %s\n" % (type(error).__name__, error))

    def _send(self, slot: PictureSlot, first: Optional[Shown] = None, whole: bool = False) -> None:
        """Make and send the picture that waits, if there is one.

        Args:
            slot: Where it is shown.
            first: This picture instead, whose memory is the user's.
            whole: The last picture once more, as it is, unless that would take too long.
        """
        found, sent = first, False
        try:
            with slot.sending:
                with self._lock:
                    if whole:
                        found, slot.reduced = slot.reduced, None
                    else:
                        found = first or slot.waiting
                        if first and slot.waiting:
                            slot.spare = slot.waiting
                        slot.waiting = None
                    known, cleared = slot.display_id, slot.cleared
                if found is None:
                    return
                started, worked = time.monotonic(), time.thread_time()
                carries = self._frontend.writer.carries
                picture = slot.fitting.encode(found, slot.quality, 0 if whole else allowance(carries))
                if threading.current_thread() is self._thread:
                    waited = time.monotonic() - started - (time.thread_time() - worked)
                    slot.starved = slot.starved + 1 if waited > STARVED_S else 0
                    slot.inline = INLINE_PICTURES if slot.starved >= STARVED_PICTURES else 0
                if whole and carries and slot.sent > 1 and len(picture.data) > carries * WHOLE_PICTURE_S:
                    return
                display_id = known or "show-" + os.urandom(16).hex()
                packet = self._packet(
                    slot.number, slot.name, display_id, picture, "update_display_data" if known else "display_data"
                )
                with self._frontend.writer.lock:  # an interrupt waits until both are done
                    self._frontend.writer.send(frames.PICTURE, slot.number, packet)
                    with self._lock:
                        slot.display_id = display_id if slot.cleared == cleared else ""
                    sent = True
                slot.sent += 1
                slot.rest(started, time.thread_time() - worked)
                self._keep(slot, found, bool(first))
        except KeyboardInterrupt:
            if found is not None and not sent and not whole:
                with self._lock:
                    slot.waiting = slot.waiting or (found.copy(None) if first else found)
            raise

    def _keep(self, slot: PictureSlot, found: Shown, of_user: bool) -> None:
        """Keep the picture that was sent if it was reduced, to be shown once more as it is; else keep its memory."""
        kept = (found.copy(None) if of_user else found) if slot.fitting.reduced else None
        with self._lock:
            before, slot.reduced = slot.reduced, kept
            slot.spare = slot.spare or before or (None if of_user or kept else found)

    def _packet(self, number: int, name: str, display_id: str, picture: Encoded, kind: str) -> bytes:
        if len(picture.data) > wire.MAX_IMAGE:
            raise ValueError("a picture of %d bytes is more than %d" % (len(picture.data), wire.MAX_IMAGE))
        size = {"width": picture.width, "height": picture.height}
        content: Dict[str, Any] = {
            "data": {"text/plain": "<%s>" % picture},
            "metadata": {picture.mime: size} if picture.shrunk else {},
            "transient": {"display_id": display_id},
        }
        if name:
            content["data"] = {"text/plain": "<%s: %s>" % (name, picture)}
            content["metadata"][wire.SHOWN] = dict(size, name=name)
        return wire.image_packet(kind, self._frontend.parents.get(number, ""), content, picture.mime, picture.data)


def _finish(clip: Clip) -> None:
    """Complete a video, and tell what has gone wrong with it."""
    try:
        clip.finish()
    except Exception as error:
        sys.stderr.write("%s\n" % error)
