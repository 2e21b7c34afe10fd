"""Bounds on the time that it takes to hash what another machine has sent."""

from __future__ import annotations

from collections import Counter

from .errors import MissingHereError, UnpackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Hashable, Iterable, List

MAX_COLLISIONS = 1_000_000  #: pairs of members with one hash: chosen so, a set of them takes quadratic time
MAX_HASHED = 50_000_000  #: objects that are hashed, those in tuples each time that the tuple is
MAX_HASHED_DEPTH = 200  #: of tuples in tuples that are hashed: C code recurses, and doesn't look at its stack


def collisions(members: Iterable[Hashable]) -> int:
    """Return how many pairs of *members* have the same hash, which is how many comparisons more a set of them takes.

    Numbers can be chosen so that all have one hash. The hashes of texts and bytes can't be foreseen.
    """
    counts = Counter(map(hash, members))
    return sum([count * (count - 1) // 2 for count in counts.values() if count > 1])


class Hashing:
    """What the objects of a packed value cost to hash, and what was spent so far.

    A tuple is hashed with all that is in it, each time. One that holds another twice, which does the same, and so on,
    takes more time than there is.
    """

    def __init__(self) -> None:
        self._sizes: List[int] = []  # of the objects of all nodes, with all that is in them
        self._depths: List[int] = []
        self._hashed = 0
        self._collisions = 0

    def add(self, forms: List[Any], count: int) -> None:
        """Add the next node's object.

        Args:
            forms: The items in it, as the node has them.
            count: How many items it has at least.
        """
        size, depth = count + 1, 0
        for form in forms:
            if type(form) is list and form:
                size += self._sizes[form[0]]
                depth = max(depth, self._depths[form[0]] + 1)
        self._sizes.append(min(size, MAX_HASHED + 1))
        self._depths.append(depth)

    def add_unhashable(self) -> None:
        """Add the next node's object, which is a list or the like."""
        self._sizes.append(1)
        self._depths.append(0)

    def check(self, members: List[Any], forms: List[Any]) -> None:
        """Check the members of a set, or the keys of a dictionary, before they are hashed by it.

        Raises:
            UnpackError: It would take too long.
            MissingHereError: One of them can't be hashed here, though there it could.
        """
        numbers = [form[0] for form in forms if type(form) is list]
        largest = max([self._sizes[number] for number in numbers], default=1)
        self._hashed += len(members) + sum([self._sizes[number] for number in numbers])
        if self._hashed > MAX_HASHED or max([self._depths[number] for number in numbers], default=0) > MAX_HASHED_DEPTH:
            raise UnpackError("members of a set, or keys, that are too deep or too large")
        try:
            self._collisions += collisions(members) * largest
        except TypeError as error:
            if "'dict'" in str(error):
                raise MissingHereError(
                    "An instance of a dataclass is a key or a member of a set in it, and arrives as a dictionary, "
                    "which can be neither. Say which classes are wanted as such."
                ) from None
            raise
        if self._collisions > MAX_COLLISIONS:
            raise UnpackError("members that were chosen to collide")
