"""Netrefs to arrays: numpy, which has protocols of its own, works on a copy of the other end's array."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

#: attributes that numpy asks for: the other end would ask back, without end, or name memory that isn't here
PROTOCOLS = frozenset([
    "__array__", "__array_ufunc__", "__array_function__", "__array_wrap__", "__array_prepare__", "__array_finalize__",
    "__array_priority__", "__array_interface__", "__array_struct__", "__array_namespace__", "__dlpack__",
    "__dlpack_device__", "__buffer__", "__release_buffer__",
])  # fmt: skip


def methods(copied: Callable[[Any], Any]) -> Dict[str, Any]:
    """The methods by which numpy takes a netref for an array.

    Args:
        copied: Gives a copy of a netref's array, at this end.
    """

    def array(self: Any, dtype: Any = None, copy: Any = None) -> Any:
        if copy is False:
            raise ValueError("An array of the other machine can only be copied.")
        found = copied(self)
        return found if dtype is None else found.astype(dtype)

    def ufunc(_self: Any, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        outputs = options.get("out") or ()
        if any(hasattr(type(each), "____conn__") for each in outputs):
            raise TypeError("numpy can't write into an array of the other machine; compute it there, or copy it.")
        return getattr(function, method)(*map(local, inputs), **options)

    def local(value: Any) -> Any:
        kind = type(value)
        return value.__array__() if hasattr(kind, "____conn__") and hasattr(kind, "__array__") else value

    return {"__array__": array, "__array_ufunc__": ufunc}
