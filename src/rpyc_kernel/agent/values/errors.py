"""The errors of unpacking, and what a kind says of a value that it cannot describe."""

from __future__ import annotations


class UnpackError(ValueError):
    """Raised for packed text or buffers that `pack` doesn't write, or that are beyond the limits.

    Its text is a part of a sentence: what is wrong in them.
    """


class MissingHereError(ImportError):
    """Raised for a value that is well packed, and needs a package or a format that this Python doesn't have.

    Its text is a sentence that names the value and says what to do.
    """


class CannotPackError(Exception):
    """Raised by a kind's ``describe``; `pack` makes a TypeError of it that says where the value is.

    Its text goes on behind the value's name: "is an array of …".
    """
