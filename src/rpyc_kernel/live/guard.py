"""A connection that checks the other side's requests and boxes."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

from rpyc.core import brine, consts
from rpyc.core.netref import LOCAL_ATTRS, BaseNetref
from rpyc.core.protocol import Connection
from rpyc.core.service import VoidService

from rpyc_kernel.agent import wire_errors, wire_live
from rpyc_kernel.errors import RemoteClosedError
from rpyc_kernel.live import exposed, netrefs
from rpyc_kernel.live.exception_classes import Classes
from rpyc_kernel.transport.rpyc_wire.brine import (
    LABEL_LOCAL_REF,
    LABEL_REMOTE_REF,
    LABEL_TUPLE,
    LABEL_VALUE,
    BrineError,
)

MAX_CLASSES = 10_000  # classes of netrefs of one connection
MAX_HELD_OBJECTS = 200_000  # objects of this side that the other side holds


class GuardedConnection(Connection):
    """RPyC's connection without the sending and receiving of messages.

    Attributes:
        by_value: Whether the other side is a session, which takes more by value than RPyC (`wire_live`).
    """

    by_value = False

    def __init__(self, channel: Any, where: str, config: dict[str, Any]) -> None:
        self.where = where
        self._classes: weakref.WeakValueDictionary[Any, type] = weakref.WeakValueDictionary()  # by name and methods
        self.exception_classes = Classes()
        super().__init__(VoidService(), channel, config)

    # --- what the other side may do here

    def _do(self, request: Any) -> Any:
        handler, boxed = exposed.check(request)
        if handler != consts.HANDLE_DEL and len(self._local_objects._dict) > MAX_HELD_OBJECTS:
            raise exposed.RefusedError(f"{MAX_HELD_OBJECTS:,} objects of this side are held there already")
        args = self._unbox(boxed)
        exposed.check_arguments(handler, args)
        if handler == consts.HANDLE_DEL:
            self._drop(boxed[1][0][1], *args[1:])
            return None
        return self._HANDLERS[handler](self, *args)

    def _handle_ping(self, data: Any) -> Any:
        if not (isinstance(data, (str, bytes)) and len(data) <= exposed.MAX_PING_LENGTH):
            raise exposed.RefusedError("a short text comes back, and nothing else")
        return data

    def _handle_getattr(self, obj: Any, name: Any) -> Any:
        return exposed.get(obj, name)

    def _handle_call(self, obj: Any, args: Any, kwargs: Any = ()) -> Any:
        return exposed.call(obj, args, kwargs)

    def _handle_repr(self, obj: Any) -> Any:
        return exposed.text(obj, repr)

    def _handle_str(self, obj: Any) -> Any:
        return exposed.text(obj, str)

    def _handle_cmp(self, obj: Any, other: Any, op: Any = "__eq__") -> Any:
        if op not in exposed.COMPARISONS:
            raise exposed.RefusedError(f"{op[:100]!r} is no comparison")
        return getattr(type(obj), op)(obj, other)

    def _drop(self, id_pack: tuple[str, int, int], count: int = 1) -> None:
        """Drop `count` references of the other side to an object of this side."""
        if count < 0:
            raise exposed.RefusedError("nothing can be held by letting go of it")
        self._local_objects.decref(id_pack, count)  # its class, and so its name, may have changed

    def _handle_dir(self, obj: Any) -> tuple[str, ...]:
        return exposed.names(obj)

    def _handle_inspect(self, id_pack: Any) -> Any:
        obj = self._local_objects[id_pack]
        if issubclass(type(obj), BaseNetref):  # ask the third machine
            told = super()._handle_inspect(id_pack)
        else:
            told = wire_live.methods_of(obj)
        return tuple((name, doc) for name, doc in told if name not in LOCAL_ATTRS and exposed.is_open(obj, str(name)))

    def _handle_buffiter(self, obj: Any, count: Any) -> tuple[Any, ...]:
        if not 0 <= count <= exposed.MAX_ITERATED_ITEMS:
            raise exposed.RefusedError(f"at most {exposed.MAX_ITERATED_ITEMS} items at once")
        return tuple(itertools.islice(obj, count))

    def _handle_close(self) -> None:
        self._channel.fail(RemoteClosedError(self.where, "it was closed there"))
        self._cleanup()

    # --- references

    def _box(self, obj: Any) -> Any:
        kind = type(obj)
        if brine.dumpable(obj):
            return LABEL_VALUE, obj
        if kind is tuple:
            return LABEL_TUPLE, tuple([self._box(item) for item in obj])
        if issubclass(kind, BaseNetref):
            if obj.____conn__ is self:
                return LABEL_LOCAL_REF, obj.____id_pack__
            id_pack = obj.____id_pack__
        else:
            id_pack = wire_live.id_pack(obj)
        self._local_objects.add(id_pack, obj)
        return LABEL_REMOTE_REF, id_pack

    def explain(self, error: Exception, args: tuple[Any, ...]) -> None:
        """Add a note about the likely cause to an error of the other side."""

    def exception(self, made: Any) -> Any:
        """Return the local counterpart of an exception that was made there."""
        return made

    def array(self, proxy: Any) -> Any:
        """Copy an array of the other side."""
        return self.sync_request(consts.HANDLE_PICKLE, proxy, -1)  # refused, with advice

    def _unbox(self, package: Any) -> Any:
        """Open a box of the other side.

        Raises:
            BrineError: `package` isn't a box.
            RefusedError: The box names an object of this side that the other side doesn't hold.
        """
        if not (isinstance(package, tuple) and len(package) == 2):
            raise BrineError("a value that is not boxed")
        label, value = package
        if label == LABEL_VALUE:
            return value
        if label == LABEL_TUPLE and isinstance(value, tuple):
            return tuple([self._unbox(item) for item in value])
        if label in (LABEL_LOCAL_REF, LABEL_REMOTE_REF) and isinstance(value, tuple) and len(value) == 3:
            name, type_id, object_id = value
            if type(name) is str and type(type_id) is int and type(object_id) is int:
                return self._own(value) if label == LABEL_LOCAL_REF else self._proxy(value)
        raise BrineError(f"a box of the label {label!r} that holds something else")

    def _own(self, id_pack: tuple[str, int, int]) -> Any:
        try:
            return self._local_objects[id_pack]
        except KeyError:
            raise exposed.RefusedError("that object was not passed from here, or was dropped") from None

    def _proxy(self, id_pack: tuple[str, int, int]) -> Any:
        proxy = self._proxy_cache.get(id_pack)
        if proxy is not None:
            proxy.____refcount__ += 1  # the other side has counted this reference too
        else:
            proxy = self._netref_factory(id_pack)
            self._proxy_cache[id_pack] = proxy
        if id_pack[2] != 0:
            return proxy
        found = self.exception_classes.of(id_pack[0], proxy)
        return proxy if found is None else found

    def _netref_factory(self, id_pack: tuple[str, int, int]) -> Any:
        """Make a netref to an object of the other side."""
        name, is_class = id_pack[0], id_pack[2] == 0
        cls = netrefs.built_in(name, is_class=is_class) or self._netref_classes_cache.get(id_pack)
        if cls is None:
            answer = self.sync_request(consts.HANDLE_INSPECT, id_pack)
            methods = netrefs.check(answer)
            described = dict(answer).get(wire_errors.CLASS) if is_class else None
            cls = self._classes.get((name, methods, described))
            if cls is None:
                if len(self._classes) >= MAX_CLASSES:
                    raise BrineError(f"more than {MAX_CLASSES:,} classes")
                cls = self._classes[name, methods, described] = netrefs.make(name, methods, described)
            if is_class:
                self._netref_classes_cache[id_pack] = cls
        return cls(self, id_pack)
