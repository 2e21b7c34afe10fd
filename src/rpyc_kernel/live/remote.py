"""RPyC's classic connection into a session's namespace: ``remote`` in local cells, and what ``connect`` gives."""

from __future__ import annotations

import pickle
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rpyc.core import consts
from rpyc.core.netref import BaseNetref
from rpyc.core.service import ModuleNamespace

from rpyc_kernel.agent import wire_live
from rpyc_kernel.live import by_value, exceptions, exposed, teleport, values
from rpyc_kernel.live.connection import TIMEOUT, LiveConnection
from rpyc_kernel.live.exception_classes import ExceptionClass, RemoteException
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.link.link import Link
    from rpyc_kernel.live.channels import Channels, SessionChannel


class Remote(LiveConnection):
    """As what ``rpyc.classic.connect`` gives, with the namespace of the session's cells, and `value`.

    Its requests are served on a thread of their own there, beside a running cell.
    """

    by_value = True
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
        if isinstance(wanted, BaseNetref):
            name = "value_of"
        elif isinstance(wanted, str):
            name = "value"
        else:
            raise TypeError(f"remote.value takes an expression as text, or a netref, not {type(wanted).__name__}.")
        packed = self.sync_request(consts.HANDLE_CALLATTR, self.root, name, (wanted,), ())
        return values.unpack(packed, self.where)

    def deliver(self, value: Any) -> Any:
        """Make a copy of something of ours there; returns a netref to it.

        Plain data goes as `value` brings it; anything else is pickled, and unpickled there.
        """
        try:
            packed = wire_live.pack(value, "the value")
        except TypeError:
            packed = (pickle.dumps(value, 4),)
        return self.root.delivered(packed)

    def array(self, proxy: Any) -> Any:
        """A copy of an array there, or of what numpy makes one of there."""
        return values.unpack(self.sync_request(consts.HANDLE_CALLATTR, self.root, "array", (proxy,), ()), self.where)

    def explain(self, error: Exception, args: tuple[Any, ...]) -> None:
        """Say that something was given by reference, where what runs there takes none."""
        given = next((kind for kind in _kinds(args) if _goes_by_reference(kind)), None)
        if given is not None and hasattr(error, "_remote_tb"):
            error.add_note(
                f"A {given.__name__} of yours goes to {self.where} by reference. Where what runs there takes none: "
                "remote.deliver(value) makes a copy there."
            )

    def exception(self, made: Any) -> Any:
        """What stands here for an exception that was made there: it can be raised, and given back."""
        told = self.sync_request(consts.HANDLE_CALLATTR, self.root, "told", (made,), ())
        try:
            error: Any = exceptions.load(told, self.where, self.exception_classes)
        except BrineError as wrong:
            raise self._wrong(wrong) from None
        if isinstance(error, RemoteException):
            error._netref = made
        return error

    def _box(self, obj: Any) -> Any:
        """Box what a session takes by value, and RPyC doesn't."""
        kind = type(obj)
        netref = None
        if kind is ExceptionClass or issubclass(kind, RemoteException):
            netref = vars(obj).get("netref" if kind is ExceptionClass else "_netref")
        if netref is not None and netref.____conn__ is self:
            return super()._box(netref)
        if issubclass(kind, BaseException):
            return wire_live.ERROR, self._told(obj)
        if issubclass(kind, BaseNetref):
            return super()._box(obj)
        return (by_value.of_class(obj) if issubclass(kind, type) else by_value.of_numpy(obj)) or super()._box(obj)

    def _handle_copy(self, obj: Any, as_array: bool) -> Any:
        return by_value.copied(obj, as_array=as_array)

    def _handle_getattr(self, obj: Any, name: Any) -> Any:
        return exposed.get(obj, name, by_value=by_value.of_numpy)

    @classmethod
    def _request_handlers(cls) -> Any:
        return {**super()._request_handlers(), wire_live.HANDLE_COPY: cls._handle_copy}

    def _handle_inspect(self, id_pack: Any) -> Any:
        told = super()._handle_inspect(id_pack)
        return (*told, ("__array__", None)) if by_value.is_array(self._local_objects[id_pack]) else told

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


def _kinds(args: Any) -> Iterator[type]:
    """The types of what is in tuples within tuples."""
    for each in args:
        if type(each) is tuple:
            yield from _kinds(each)
        else:
            yield type(each)


def _goes_by_reference(kind: type) -> bool:
    """Whether it is a type of data of which C code, or numpy, or pandas there takes no reference."""
    package = str(kind.__module__).partition(".")[0]
    return issubclass(kind, (list, dict, set, bytearray)) or package in ("numpy", "pandas")


class Modules(ModuleNamespace):
    """RPyC's, with a short word for a module that isn't there."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except ImportError as error:
            raise AttributeError(str(error)) from None
