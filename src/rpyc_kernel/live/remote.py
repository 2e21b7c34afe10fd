"""RPyC's classic connection into a session's namespace: ``remote`` in local cells, and what ``connect`` gives."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from rpyc.core import consts, netref
from rpyc.core.service import ModuleNamespace

from rpyc_kernel.live import teleport, values
from rpyc_kernel.live.connection import TIMEOUT, LiveConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.link.link import Link
    from rpyc_kernel.live.channels import Channels, SessionChannel


class Remote(LiveConnection):
    """As what ``rpyc.classic.connect`` gives, with the namespace of the session's cells, and `value`.

    Its requests are served on a thread of their own there, beside a running cell.
    """

    _channel: SessionChannel

    def __init__(
        self, channels: Channels, link: Link, name: str, *, on_close: Callable[[], None] | None = None
    ) -> None:
        self._on_close = on_close
        super().__init__(channels.open(link, name, TIMEOUT), name)

    @property
    def closed(self) -> bool:
        """Whether it is no more: closed here, or ended with the session or the Python there."""
        return self._closed or self._channel.over

    @property
    def parent(self) -> str:
        """The ``msg_id`` of the cell that uses it: what is printed there for it is shown by that cell."""
        return self._channel.parent

    @parent.setter
    def parent(self, msg_id: str) -> None:
        self._channel.parent = msg_id

    @cached_property
    def modules(self) -> Any:
        """The modules there, imported when named: ``remote.modules.sys.path``, ``remote.modules["os.path"]``."""
        return Modules(self.root.getmodule)

    @cached_property
    def builtins(self) -> Any:
        """The built-in functions and types there."""
        return self.modules.builtins

    @property
    def builtin(self) -> Any:
        """The same, by RPyC's older name."""
        return self.builtins

    @cached_property
    def namespace(self) -> Any:
        """The variables of the session's cells."""
        return self.root.namespace

    @cached_property
    def execute(self) -> Any:
        """Run code there, given as text."""
        return self.root.execute

    @cached_property
    def eval(self) -> Any:
        """The value of an expression there: plain immutable values as they are, everything else as a netref."""
        return self.root.eval

    def value(self, wanted: Any) -> Any:
        """A copy of plain data there, in one round trip: of the expression's value, or of what a netref leads to.

        Numbers, texts, bytes, lists, tuples, dictionaries, sets, ranges and numpy arrays, nested as deep as one likes.
        Raises TypeError for anything else. Nothing is pickled.
        """
        if isinstance(wanted, netref.BaseNetref):
            name = "value_of"
        elif isinstance(wanted, str):
            name = "value"
        else:
            raise TypeError(f"remote.value takes an expression as text, or a netref, not {type(wanted).__name__}.")
        packed = self.sync_request(consts.HANDLE_CALLATTR, self.root, name, (wanted,), ())
        return values.unpack(packed, self.where)

    def teleport(self, function: Any) -> Any:
        """Define a function of ours there, under its own name; returns a netref to it.

        Raises TeleportError where it can't be sent.
        """
        return teleport.teleport(self, function)

    def close(self) -> None:
        """Close it; a script's session ends with it."""
        super().close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()


class Modules(ModuleNamespace):
    """RPyC's, with a short word for a module that isn't there."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except ImportError as error:
            raise AttributeError(str(error)) from None
