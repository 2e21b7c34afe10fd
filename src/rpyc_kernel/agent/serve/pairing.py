"""The code by which a server and a client come to know each other: 80 bits that a person carries from one to the other.

A code is good for ten minutes, for one client, and for five tries. There is one at a time, in a file of the server's
folder, so that ``serve --pair`` may show it while the server runs already.
"""

from __future__ import annotations

import json
import os
import threading
import time

from ..boot import write_file
from . import proof
from .store import read_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional

CODE_BYTES = 10
MAX_TRIES = 5
CODE_SECONDS = 600.0
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter that looks like a digit, and no U
_LOOK_ALIKES = str.maketrans("OIL", "011", " -\t\r\n\u2010\u2011\u2012\u2013\u2212")
_DIGITS = CODE_BYTES * 8 // 5
_GROUP_CHARS = 4
_FILE = "code"


def code_text(key: bytes) -> str:
    """Return a code as people read it, like ``K7QF-9M2X-T4HD-W8RN``."""
    number = int.from_bytes(key, "big")
    digits = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_DIGITS)))
    return "-".join(digits[start : start + _GROUP_CHARS] for start in range(0, _DIGITS, _GROUP_CHARS))


def code_key(text: str) -> bytes:
    """Return the key of a code that somebody has typed: in any case, with dashes or without.

    Raises:
        ValueError: It is no code. The text doesn't repeat it.
    """
    digits = text[:200].upper().translate(_LOOK_ALIKES)
    if len(digits) != _DIGITS or not set(digits) <= set(_ALPHABET):
        raise ValueError("a code has %d letters and digits" % _DIGITS)
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    return number.to_bytes(CODE_BYTES, "big")


class Codes:
    """The code that is shown now, if one is.

    Args:
        folder: The server's.
        clock: Seconds that only count up, whatever is done to the date.
    """

    def __init__(self, folder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = os.path.join(folder, _FILE)
        self._clock = clock
        self._lock = threading.Lock()
        self._tried = b""  # the code that `_tries` is about
        self._tries = 0
        self._taken = False  # a client that knows it is being paired

    def show(self) -> str:
        """Make a new code, which replaces the one before, and return it as people read it. Raises OSError."""
        key = os.urandom(CODE_BYTES)
        told = {"key": key.hex(), "until": self._clock() + CODE_SECONDS, "boot": _boot()}
        write_file(self._path, json.dumps(told).encode("ascii"), sync=False)
        return code_text(key)

    def shown(self, text: str) -> bool:
        """Tell whether that code can still be used."""
        return self._key() == code_key(text)

    def withdraw(self) -> None:
        """Let no code be good any more."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass

    def attempt(self, proves: Callable[[bytes], bool]) -> bytes:
        """Let a client try.

        Args:
            proves: Whether the client has proved to know a key.

        Returns:
            The key that the client knows. `settle` must follow, and until then nobody else is let in.

        Raises:
            ProofRefusedError: No code is good now, or the client doesn't know it.
        """
        with self._lock:
            key = self._key()
            if key is None or self._taken:
                raise proof.ProofRefusedError(proof.NO_CODE)
            if key != self._tried:
                self._tried, self._tries = key, 0
            self._tries += 1  # before anything is compared
            if proves(key):
                self._taken = True
                return key
            if self._tries >= MAX_TRIES:
                self._withdraw(key)
            raise proof.ProofRefusedError(proof.WRONG_CODE)

    def settle(self, used: bool) -> None:
        """End what an `attempt` has begun. *used*: whether the client was paired; its code is good no more then."""
        with self._lock:
            self._taken = False
            if used:
                self._withdraw(self._tried)
            else:
                self._tries -= 1

    def _withdraw(self, key: bytes) -> None:
        self._tries = MAX_TRIES  # also where the file can't be removed
        if self._read() == key:  # and not a newer one
            self.withdraw()

    def _key(self) -> Optional[bytes]:
        key = self._read()
        return None if key == self._tried and self._tries >= MAX_TRIES else key

    def _read(self) -> Optional[bytes]:
        try:
            told = json.loads(read_private(self._path).decode("ascii"))
            key, left = bytes.fromhex(told["key"]), told["until"] - self._clock()
        except (OSError, ValueError, LookupError, TypeError):
            return None
        good = 0 < left <= CODE_SECONDS and told.get("boot") == _boot() and len(key) == CODE_BYTES
        return key if good else None


def _boot() -> str:
    """Which start of the machine this is, where it tells: the clock begins anew with each."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(64).strip()
    except OSError:
        return ""
