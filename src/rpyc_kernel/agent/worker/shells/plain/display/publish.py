"""``display``, ``update_display`` and ``clear_output``, as builtins of the session."""

from __future__ import annotations

import os

from .formats import encode, mime_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, Dict, Optional

    Publish = Callable[[str, Dict[str, Any]], None]


class DisplayHandle:
    """A display that can be changed later: the result of `display` with a `display_id`."""

    def __init__(self, display_id: Optional[str] = None) -> None:
        self.display_id = display_id or os.urandom(16).hex()

    def __repr__(self) -> str:
        return "<DisplayHandle display_id=%s>" % self.display_id

    def display(self, obj: Any, **options: Any) -> None:
        """Show the object once more, under the same id."""
        Displays.of_process().display(obj, display_id=self.display_id, **options)

    def update(self, obj: Any, **options: Any) -> None:
        """Show the object wherever this id was shown."""
        Displays.of_process().update_display(obj, display_id=self.display_id, **options)


class Displays:
    """The display functions of a session, which publish through `publish(msg_type, content)`."""

    _last: Displays  #: there is one session in a process

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        Displays._last = self

    @classmethod
    def of_process(cls) -> Displays:
        """The display functions of this process."""
        return cls._last

    def display(
        self,
        *objs: Any,
        include: Optional[Container[str]] = None,
        exclude: Optional[Container[str]] = None,
        metadata: Optional[Dict[str, Any]] = None,
        transient: Optional[Dict[str, Any]] = None,
        display_id: Any = None,
        raw: bool = False,
        clear: bool = False,
        update: bool = False,
        **_options: Any,
    ) -> Optional[DisplayHandle]:
        """Show objects in the front end, in every form they have.

        `raw`: the objects are bundles ``{mime type: data}`` already. `include` and `exclude` choose mime types,
        `metadata` is added to theirs. With a `display_id` (True: a new one) a `DisplayHandle` is returned whose
        ``update(obj)`` changes what is shown. `clear` removes what the cell has shown before.
        """
        handle = None
        transient = dict(transient or {})
        if display_id is not None:
            if display_id is True:
                handle = DisplayHandle()
            else:
                if not isinstance(display_id, str):
                    raise TypeError("display_id must be a string or True, not %s" % type(display_id).__name__)
                handle = DisplayHandle(display_id)
            transient["display_id"] = handle.display_id
        elif update:
            raise TypeError("update=True needs the display_id of what is to be changed")
        if not objs and handle is not None and not update:
            objs, raw = ({},), True  # an empty place, to be filled later
        if clear:
            self.clear_output(wait=True)
        for obj in objs:
            about: Dict[str, Any] = {}
            if raw:
                if not isinstance(obj, dict):
                    raise TypeError("data must be a dict, got: %r" % (obj,))
                data = encode(obj)
            else:
                data, about = mime_bundle(obj, include, exclude)
                if not data:
                    continue
            for mime, more in (metadata or {}).items():
                both = isinstance(more, dict) and isinstance(about.get(mime), dict)
                about[mime] = dict(about[mime], **more) if both else more
            content = {"data": data, "metadata": about, "transient": transient}
            self._publish("update_display_data" if update else "display_data", content)
        return handle

    def update_display(self, obj: Any, *, display_id: str, **options: Any) -> None:
        """Change what is shown under this id to the object."""
        self.display(obj, display_id=display_id, update=True, **options)

    def clear_output(self, wait: bool = False) -> None:
        """Remove what the cell has shown; with `wait` only when something new comes, which doesn't flicker."""
        self._publish("clear_output", {"wait": bool(wait)})
