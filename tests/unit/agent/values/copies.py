"""What the tests of values share: a copy by way of the packed form, whether it is the same, and bounds."""

import datetime as dt
import math
import time
import tracemalloc
from contextlib import contextmanager
from decimal import Decimal
from pathlib import PurePath

from rpyc_kernel.agent.values import pack, unpack


def copied(value, *, classes=(), peer=None):
    """Pack a value and unpack it, over memory of its own as a transport gives."""
    packed = pack(value, "it", peer=peer)
    return unpack(packed.text, [bytearray(each) for each in packed.buffers], classes=classes)


def same(one, two):
    """Whether they are equal to the last bit and of the very same types."""
    if type(one) is not type(two):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return same(list(one), list(two)) and same(list(one.values()), list(two.values()))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(two) and all(any(same(each, other) for other in two) for each in one)
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(two)) or (one == two and math.copysign(1, one) == math.copysign(1, two))
    if isinstance(one, slice):
        return same([one.start, one.stop, one.step], [two.start, two.stop, two.step])
    if isinstance(one, complex):
        return same([one.real, one.imag], [two.real, two.imag])
    if isinstance(one, Decimal):
        return one.as_tuple() == two.as_tuple()
    if isinstance(one, dt.date | dt.time | dt.tzinfo | PurePath):  # with fold and zone
        return repr(one) == repr(two)
    return one == two


@contextmanager
def bounded(seconds, memory):
    """Let what is done take no more time, in seconds, and no more memory, in bytes."""
    tracemalloc.start()
    start = time.monotonic()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < memory
        assert time.monotonic() - start < seconds
    finally:
        tracemalloc.stop()
