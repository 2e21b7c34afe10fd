"""The daemon's log on stderr: a line for each event, as text or as JSON, and never a secret.

Whoever reaches the port can make the daemon write. So no more than `MAX_LINES` warnings are written in `WINDOW_S`
seconds; the first line after them says how many were left out.
"""

from __future__ import annotations

import json
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, TextIO

FORMATS = ("text", "json")
MAX_LINES = 60  #: warnings in one window
WINDOW_S = 60.0
MAX_VALUE_CHARS = 300


class EventLog:
    """Writes events. Any thread may use it.

    Args:
        form: ``text`` or ``json``.
        stream: Where to; stderr where it isn't given.
        clock: Tells the time in seconds, for the bound on warnings.
    """

    def __init__(
        self, form: str = "text", stream: Optional[TextIO] = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._json = form == "json"
        self._stream = stream or sys.stderr
        self._clock = clock
        self._lock = threading.Lock()
        self._window = clock()
        self._written = 0
        self._left_out = 0

    def info(self, event: str, **fields: Any) -> None:
        """Write an event that is as it should be.

        Args:
            event: A few words.
            fields: What it is about; values that are "" or None are left out.
        """
        with self._lock:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write a failure, unless there were too many of late. The arguments are those of `info`."""
        with self._lock:
            now = self._clock()
            if now - self._window >= WINDOW_S:
                if self._left_out:
                    self._write("warning", "more warnings were left out", {"count": self._left_out})
                self._window, self._written, self._left_out = now, 0, 0
            self._written += 1
            if self._written > MAX_LINES:
                self._left_out += 1
            else:
                self._write("warning", event, fields)

    def _write(self, level: str, event: str, fields: Dict[str, Any]) -> None:
        shown = {name: _plain(value) for name, value in fields.items() if value not in ("", None)}
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        if self._json:
            line = json.dumps(dict({"time": when, "level": level, "event": event}, **shown))
        else:
            about = "".join(" %s=%s" % (name, _quoted(value)) for name, value in shown.items())
            line = "%s %s: %s%s" % (when, level, event, about)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # whoever has read it is gone
            pass


def _plain(value: Any) -> Any:
    """Keep numbers; cut texts, and take out of them what a terminal would act on."""
    if isinstance(value, (int, float)):
        return value
    text = str(value)[:MAX_VALUE_CHARS]
    return "".join(char if char.isprintable() else "?" for char in text)


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if not text or " " in text or '"' in text or "=" in text else text
