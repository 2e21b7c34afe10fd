"""Torch's tensors in this machine's memory, by way of numpy's arrays, which share it."""

from __future__ import annotations

from .errors import CannotPackError, MissingHereError, UnpackError
from .kinds import required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Sequence, Tuple

#: names of dtypes that numpy hasn't, and those as which their memory travels
_VIEWS = {"bfloat16": "int16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
_DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
_DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


def describe(_packer: Any, value: Any) -> Optional[Tuple[str, Sequence[Any]]]:
    """The kind and the parts of a tensor; None for all else."""
    import torch

    if not isinstance(value, torch.Tensor):
        return None
    name = str(value.dtype).rpartition(".")[2]
    if value.device.type != "cpu":
        raise CannotPackError("is a tensor in the memory of %s; .cpu() brings it to the machine's" % value.device)
    if value.is_nested:
        raise CannotPackError("is a nested tensor; .unbind() makes a tuple of tensors of it, which can be copied")
    if value.layout != torch.strided or name not in (*_DTYPES, *_VIEWS):
        raise CannotPackError("is a tensor of %s, %s, of which no copy can be sent" % (value.layout, value.dtype))
    plain = value.detach().resolve_conj().resolve_neg().contiguous()
    if name in _VIEWS:
        plain = plain.view(getattr(torch, _VIEWS[name]))
    return "torch.Tensor", [name, bool(value.requires_grad), plain.numpy()]


def _build_tensor(_unpacker: Any, name: Any, requires_grad: Any, array: Any) -> Any:
    torch = required("torch", "A tensor is in it, which needs torch: %s. As an array it comes without, by .numpy().")
    if type(requires_grad) is not bool or type(array).__module__ != "numpy":
        raise UnpackError("a tensor that is none")
    made = torch.from_numpy(array)
    if name not in (*_DTYPES, *_VIEWS) or str(made.dtype).rpartition(".")[2] != _VIEWS.get(name, name):
        raise UnpackError("a tensor of another dtype")
    if name in _VIEWS:
        if not hasattr(torch, name):
            raise MissingHereError(
                "A tensor of torch.%s is in it, which this torch %s hasn't." % (name, torch.__version__)
            )
        made = made.view(getattr(torch, name))
    return made.requires_grad_(requires_grad)


BUILDERS: Dict[str, Callable[..., Any]] = {"torch.Tensor": _build_tensor}
