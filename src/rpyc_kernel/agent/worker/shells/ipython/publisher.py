"""IPython's display publisher, which publishes what ``display`` shows. Imported where IPython is."""

from __future__ import annotations

import threading

from IPython.core.displaypub import DisplayPublisher

from ...claims import Claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    from ....wire import Json


class ZMQDisplayPublisher(Claims, DisplayPublisher):  # type: ignore[misc]
    """Publishes what ``display`` shows. Its name, and what is not IPython's, is that of ipykernel's."""

    topic = b"display_data"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._of_thread = threading.local()

    @property
    def _hooks(self) -> List[Callable[[Json], Optional[Json]]]:
        return self._of_thread.__dict__.setdefault("hooks", [])  # type: ignore[no-any-return]

    def register_hook(self, hook: Callable[[Json], Optional[Json]]) -> None:
        """Call a function with each message of this thread; it returns what is to be published, or None."""
        self._hooks.append(hook)

    def unregister_hook(self, hook: Callable[[Json], Optional[Json]]) -> bool:
        """Call it no more; False if it wasn't called."""
        try:
            self._hooks.remove(hook)
        except ValueError:
            return False
        return True

    @property
    def session(self) -> Any:
        """The kernel's session, which sends messages."""
        return self.parent.kernel.session

    @property
    def pub_socket(self) -> Any:
        """The socket that `session` sends on."""
        return self.parent.kernel.iopub_socket

    def _publish(self, msg_type: str, content: Json) -> None:
        message: Optional[Json] = None
        for hook in self._hooks:
            message = hook(message or self.session.msg(msg_type, content, self.parent_header))
            if message is None:
                return
        if message is None:
            self.frontend.publish(msg_type, content)
        else:
            self.session.send(self.pub_socket, message)

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: bool = False,
        **_more: Any,
    ) -> None:
        """Publish one display. As IPython's own, it raises TypeError where *data* or *metadata* is no dict."""
        self._validate_data(data, metadata)
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        self._publish("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        """Clear what the cell has shown; with ``wait``, once something new comes."""
        self._publish("clear_output", {"wait": wait})
