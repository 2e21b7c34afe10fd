"""Values by copy, at both ends: `pack` makes JSON text and buffers of one, `unpack` makes the value again.

No pickle: unpacking gives data, and runs none of the other end's code. No I/O either: what carries the text and the
buffers is somebody else's part. docs/values.md lists the kinds of values, and what is kept of each.
"""

from .errors import MissingHereError, UnpackError
from .packer import Packed, pack
from .unpacker import unpack

__all__ = ["MissingHereError", "Packed", "UnpackError", "pack", "unpack"]
