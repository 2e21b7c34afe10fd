"""RPyC's classic connection into a session's namespace: ``remote`` in local cells, and the result of ``connect``."""

from __future__ import annotations

import functools
import keyword
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

from rpyc.core import consts
from rpyc.core.netref import BaseNetref
from rpyc.core.service import ModuleNamespace

from rpyc_kernel.agent import wire_live
from rpyc_kernel.agent.values import pack
from rpyc_kernel.agent.values.versions import versions
from rpyc_kernel.errors import ArgumentError, ProtocolError
from rpyc_kernel.link.bulk import LinkBulk
from rpyc_kernel.live import by_value, exceptions, exposed, teleport
from rpyc_kernel.live.connection import REQUEST_TIMEOUT_S, LiveConnection
from rpyc_kernel.live.exception_classes import ExceptionClass, RemoteException
from rpyc_kernel.transport.rpyc_wire.brine import BrineError
from rpyc_kernel.values import exchange, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.link.direct import DirectConnections
    from rpyc_kernel.link.link import Link
    from rpyc_kernel.live.channels import Channels, SessionChannel


MAX_SHOWN_CHARS = 60  # of a name that is none
MAX_INLINE_BYTES = 64 << 10  # of a value that goes in a request of its own


class Remote(LiveConnection):
    """A connection like ``rpyc.classic.connect``'s, with the namespace of the session's cells, and `value`.

    A thread of its own serves its requests there, beside a running cell.
    """

    by_value = True
    _channel: SessionChannel

    def __init__(
        self,
        channels: Channels,
        link: Link,
        direct: DirectConnections,
        name: str,
        *,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._on_close = on_close
        self._bulk = LinkBulk(link, direct)
        super().__init__(channels.open(link, direct, name, REQUEST_TIMEOUT_S), name)

    @property
    def closed(self) -> bool:
        """Whether the connection was closed here, or has ended with the session or the Python there."""
        return self._closed or self._channel.over

    @property
    def parent(self) -> str:
        """The ``msg_id`` of the cell that uses the connection; that cell shows its output."""
        return self._channel.parent

    @parent.setter
    def parent(self, msg_id: str) -> None:
        self._channel.parent = msg_id

    @functools.cached_property
    def modules(self) -> Any:
        """The modules there, imported when named: ``remote.modules.sys.path``, ``remote.modules["os.path"]``."""
        return Modules(self.root.getmodule)

    @functools.cached_property
    def builtins(self) -> Any:
        """The built-in functions and types there."""
        return self.modules.builtins

    @property
    def builtin(self) -> Any:
        """`builtins`, by RPyC's older name."""
        return self.builtins

    @functools.cached_property
    def namespace(self) -> Any:
        """The variables of the session's cells."""
        return self.root.namespace

    @functools.cached_property
    def execute(self) -> Any:
        """Run code there; a function that takes the code as text."""
        return self.root.execute

    @functools.cached_property
    def eval(self) -> Any:
        """Evaluate an expression there; returns plain immutable values as they are, everything else as a netref."""
        return self.root.eval

    def value(self, wanted: Any) -> Any:
        """Copy a value from there, without pickle. docs/values.md lists the kinds of values.

        It takes one round trip, and where much has to travel a direct connection, with a bar on stderr.

        Args:
            wanted: An expression as text, or a netref.

        Raises:
            TypeError: `wanted` is neither, or leads to what cannot be copied.
            ValueMissingError: The value is of a package that isn't installed here.
            RpycKernelError: The value can't be had, and why.
        """
        if isinstance(wanted, BaseNetref):
            name = "value_of"
        elif isinstance(wanted, str):
            name = "value"
        else:
            raise TypeError(f"remote.value takes an expression as text, or a netref, not {type(wanted).__name__}.")
        return self._copy(name, wanted)

    def push(self, **values: Any) -> None:
        """Copy values, functions and classes into variables there, all of them or none: ``remote.push(limit=20)``.

        Args:
            values: The values by the names that they get there.

        Raises:
            ArgumentError: One of the names can't be a variable's; nothing was assigned.
            ValueRefusedError: One of the values can't be sent; nothing was assigned.
            RpycKernelError: They can't be brought there, and why.
        """
        for name in values:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ArgumentError(f"{name[:MAX_SHOWN_CHARS]!r} can't be the name of a variable.")
        stop = threading.Event()
        draft = self._bring(exchange.pack_all(values, exchange.peer_of(self._bulk, stop)), stop)
        self.root.assign(*draft)

    def deliver(self, value: Any) -> Any:
        """Make a copy of a local object there.

        Values travel as in `value`; anything else is pickled here and unpickled there.

        Returns:
            A netref to the copy.
        """
        try:
            packed = pack(value, "the value")
        except TypeError:
            return self.root.delivered((pickle.dumps(value, 4),))
        if packed.nbytes <= MAX_INLINE_BYTES:
            return self.root.delivered(packed.copied())
        part = exchange.Part("value", "value", "", [memoryview(packed.text), *packed.buffers])
        return self.root.taken(*self._bring([part], threading.Event()))

    def array(self, proxy: Any) -> Any:
        """Copy an array from there, or an object that numpy there can convert to an array."""
        return self._copy("array", proxy)

    def _copy(self, name: str, wanted: Any) -> Any:
        """Have the service make a copy, and read it, or fetch what it offers."""
        told: Any = self.sync_request(consts.HANDLE_CALLATTR, self.root, name, (wanted, _versions()), ())
        if type(told) is not tuple or not told:  # but a netref that poses as one, perhaps
            raise ProtocolError(self.where, "a value that is not packed as one")
        if type(told[0]) is bytes:
            return exchange.unpacked(told, self.where)
        offer = exchange.checked_offer(told[0], told[1:], (), 1, self.where)
        with progress.shown("value", offer.nbytes, sys.stderr) as show:
            (value,) = exchange.take(self._bulk, offer, self.where, threading.Event(), show)
        return value

    def _bring(self, parts: list[exchange.Part], stop: threading.Event) -> tuple[str, tuple[Any, ...]]:
        """Bring values to a draft there; return its name, and what is in it."""
        with progress.shown("value", sum(part.nbytes for part in parts), sys.stderr) as show:
            content = exchange.put(self._bulk, parts, stop, show)
        return content["draft"], tuple(map(tuple, content["values"]))

    def explain(self, error: Exception, args: tuple[Any, ...]) -> None:
        """Add a note to an error there, if an argument was passed by reference that the code there may not accept."""
        given = next((kind for kind in _kinds(args) if _goes_by_reference(kind)), None)
        if given is not None and hasattr(error, "_remote_tb"):
            error.add_note(
                f"A {given.__name__} of yours goes to {self.where} by reference. Where what runs there takes none: "
                "remote.deliver(value) makes a copy there."
            )

    def exception(self, made: Any) -> Any:
        """Return the local counterpart of an exception that was made there: it can be raised, and passed back."""
        told = self.sync_request(consts.HANDLE_CALLATTR, self.root, "told", (made,), ())
        try:
            error: Any = exceptions.load(told, self.where, self.exception_classes)
        except BrineError as wrong:
            raise self._wrong(wrong) from None
        if isinstance(error, RemoteException):
            error._netref = made
        return error

    def _box(self, obj: Any) -> Any:
        """Box an object; a session takes more by value than RPyC."""
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
        """Define a local function there, under its own name.

        Returns:
            A netref to the function there.

        Raises:
            TeleportError: The function can't be sent.
        """
        return teleport.teleport(self, function)

    def close(self) -> None:
        """Close the connection; a script's session ends with it."""
        super().close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple(versions().items())


def _kinds(args: Any) -> Iterator[type]:
    """Return the types of the items in nested tuples."""
    for each in args:
        if type(each) is tuple:
            yield from _kinds(each)
        else:
            yield type(each)


def _goes_by_reference(kind: type) -> bool:
    """Tell whether objects of this type go by reference, which C code, numpy or pandas there don't accept."""
    package = str(kind.__module__).partition(".")[0]
    return issubclass(kind, (list, dict, set, bytearray)) or package in ("numpy", "pandas")


class Modules(ModuleNamespace):
    """RPyC's namespace of modules, with a short error for a missing module."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except ImportError as error:
            raise AttributeError(str(error)) from None
