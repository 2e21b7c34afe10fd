"""Copies of values from another machine, as the package ``agent/values`` packs them."""

from __future__ import annotations

from typing import Any

from rpyc_kernel.agent import values
from rpyc_kernel.errors import ProtocolError, ValueMissingError


def unpack(packed: Any, where: str) -> Any:
    """Unpack a value that the machine `where` has packed.

    Args:
        packed: A tuple of bytes: the text, and the memory beside it.
        where: The machine.

    Raises:
        ProtocolError: `packed` isn't a packed value, or is too large.
        ValueMissingError: It needs a package that isn't installed here.
    """
    if not (
        type(packed) is tuple and packed and all(type(each) is bytes for each in packed)
    ):  # and no netref that poses as them
        raise ProtocolError(where, "a value that is not packed as one")
    try:
        return values.unpack(packed[0], packed[1:])
    except values.MissingHereError as error:
        raise ValueMissingError(f"What was copied from {where} cannot be made here. {error}") from None
    except values.UnpackError as error:
        raise ProtocolError(where, f"a value that cannot be read: {error}") from None
