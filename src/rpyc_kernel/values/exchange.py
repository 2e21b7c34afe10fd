"""Values of a session's namespace, by copy: what a pull has offered becomes values here, and values here a draft there.

The worker's half is ``agent/worker/transfers.py``. Nothing here knows how the requests themselves travel: a notebook
sends them in the event loop, a live connection from a thread.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rpyc_kernel.agent.values import MissingHereError, UnpackError, pack, unpack
from rpyc_kernel.errors import ProtocolError, RpycKernelError, ValueMissingError, ValueRefusedError
from rpyc_kernel.link.bulk import BulkSession
from rpyc_kernel.values import definitions
from rpyc_kernel.values.transfer import bring, drafted, fetch

MAX_SIZES = 1_000_000  # buffers of one pull
MAX_OFFERED_BYTES = 1 << 62  # of a buffer: more can't be true
MAX_NAME_CHARS = 100  # of an offer
PROBE_BYTES = 1 << 20  # by which a link is measured
MAX_TEXT_CHARS = 2000  # of the other machine's words in a sentence


class Offer(NamedTuple):
    """What a pull has found.

    Attributes:
        name: The offer's name there.
        sizes: The bytes of the buffers of each value.
        pickled: The numbers of the values that are pickles, which is so only where the user has allowed it.
    """

    name: str
    sizes: list[list[int]]
    pickled: frozenset[int] = frozenset()

    @property
    def nbytes(self) -> int:
        """All bytes of all values."""
        return sum(map(sum, self.sizes))


class Part(NamedTuple):
    """One packed value on its way there.

    Attributes:
        name: The name that it gets.
        how: ``value``, or the `Definition.how` of a function or class.
        defines: The name that a source defines.
        buffers: Its bytes.
    """

    name: str
    how: str
    defines: str
    buffers: list[memoryview]

    @property
    def nbytes(self) -> int:
        """All of its bytes."""
        return sum(each.nbytes for each in self.buffers)


def offer_of(reply: Mapping[str, Any], count: int, where: str, *, may_pickle: bool = False) -> Offer:
    """Read the reply to a ``pull_request``.

    Args:
        reply: Its content.
        count: How many values were asked for.
        where: The machine's name, for sentences.
        may_pickle: Whether values may be pickles, which run code of the other machine here.

    Raises:
        ValueRefusedError: A value isn't there, or can't be copied.
        ProtocolError: The reply is none.
    """
    if reply.get("status") != "ok":
        raise refusal(reply, where)
    pickled = reply.get("pickled") if may_pickle else ()
    return checked_offer(reply.get("offer"), reply.get("sizes"), pickled, count, where)


def checked_offer(name: object, sizes: object, pickled: object, count: int, where: str) -> Offer:
    """Return the offer that another machine has told, whatever it may be.

    Args:
        name: The offer's name.
        sizes: Of each value the bytes of its buffers, the first of which is its text.
        pickled: The numbers of the values that are pickles.
        count: How many values were asked for.
        where: The machine's name, for sentences.

    Raises:
        ProtocolError: It is no offer, or one of too many parts.
    """
    sound = type(name) is str and len(name) <= MAX_NAME_CHARS and type(sizes) in (list, tuple) and len(sizes) == count  # type: ignore[arg-type]
    if not (sound and all(type(each) in (list, tuple) and each for each in sizes)):  # type: ignore[attr-defined]
        raise ProtocolError(where, "an offer of values that is none")
    told: list[list[int]] = [list(each) for each in sizes]  # type: ignore[attr-defined]
    if sum(map(len, told)) > MAX_SIZES:
        raise ProtocolError(where, f"values of more than {MAX_SIZES:,} parts: ask for parts of them")
    if not all(_is_number(size, MAX_OFFERED_BYTES) for each in told for size in each):
        raise ProtocolError(where, "an offer of values whose sizes can't be true")
    if not (type(pickled) in (list, tuple) and all(_is_number(each, count) for each in pickled)):  # type: ignore[attr-defined]
        raise ProtocolError(where, "an offer of values that is none")
    return Offer(str(name), told, frozenset(pickled))  # type: ignore[call-overload]


def _is_number(value: object, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def refusal(reply: Mapping[str, Any], where: str) -> ValueRefusedError:
    """Return the error for a value that couldn't be evaluated, copied or assigned there."""
    expression, ename = (str(reply.get(key, ""))[:MAX_TEXT_CHARS] for key in ("expression", "ename"))
    evalue = str(reply.get("evalue", ""))[:MAX_TEXT_CHARS]
    if reply.get("stage") == "copy":
        return ValueRefusedError(f"On {where}, {evalue}.")
    if ename == "NameError" and expression.isidentifier():
        return ValueRefusedError(f"There is no variable {expression} on {where}.")
    if ename == "WorkerDied":
        return ValueRefusedError(f"The Python on {where} {evalue}, and nothing was copied. Its variables are lost.")
    if ename == "MissingHereError":
        return ValueRefusedError(f"What was copied cannot be made on {where}. {evalue}")
    what = f"{expression} can't be evaluated on {where}" if expression else f"{where} could not take it"
    return ValueRefusedError(f"{what}: {ename}: {evalue}" if evalue else f"{what}: {ename}.")


def take(
    session: BulkSession, offer: Offer, where: str, cancel: threading.Event, progress: Callable[[int], None]
) -> list[Any]:
    """Fetch what was offered, and make the values.

    Args:
        session: Where the worker is.
        offer: What it offers.
        where: The machine's name, for sentences.
        cancel: Ends it.
        progress: Gets the bytes that have come so far.

    Raises:
        RpycKernelError: They can't be had; nothing was made.
    """
    try:
        buffers = iter(fetch(session, offer.name, [size for sizes in offer.sizes for size in sizes], cancel, progress))
        packed = [[next(buffers) for _size in sizes] for sizes in offer.sizes]
        return [
            unpickled(each, where) if index in offer.pickled else unpacked(each, where)
            for index, each in enumerate(packed)
        ]
    finally:
        forget(session, offer.name)


def unpacked(packed: Any, where: str) -> Any:
    """Make a value of what the machine *where* has packed.

    Args:
        packed: The text, and the memory beside it, as a tuple or list of bytes or memoryviews.
        where: The machine's name, for sentences.

    Raises:
        ProtocolError: It isn't packed, or is too large.
        ValueMissingError: It needs a package that isn't installed here.
    """
    if not (
        type(packed) in (tuple, list) and packed and all(type(each) in (bytes, memoryview) for each in packed)
    ):  # and no netref that poses as them
        raise ProtocolError(where, "a value that is not packed as one")
    try:
        return unpack(bytes(packed[0]), packed[1:])
    except MissingHereError as error:
        raise ValueMissingError(f"What was copied from {where} cannot be made here. {error}") from None
    except UnpackError as error:
        raise ProtocolError(where, f"a value that cannot be read: {error}") from None


def unpickled(packed: Sequence[memoryview], where: str) -> Any:
    """Unpickle a value of the machine *where*, as the user has allowed. Raises ValueMissingError where that fails."""
    try:
        return pickle.loads(packed[0])  # noqa: S301 - the user has allowed it, for this one call
    except Exception as error:  # noqa: BLE001 - of whatever code runs then
        text = f"A pickle from {where} can't be read here: {type(error).__name__}: {error}."
        raise ValueMissingError(text) from None


def put(
    session: BulkSession, parts: Sequence[Part], cancel: threading.Event, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Bring packed values to the worker.

    Args:
        session: Where the worker is.
        parts: The values.
        cancel: Ends it.
        progress: Gets the bytes that have arrived so far.

    Returns:
        The content of the ``push_request`` that assigns them there, all or none.

    Raises:
        RpycKernelError: They can't be brought; nothing was assigned.
    """
    draft = bring(session, [buffer for part in parts for buffer in part.buffers], cancel, progress)
    return push_content(draft, parts)


def push_content(draft: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Return the content of the ``push_request`` that assigns the values of a draft."""
    return {"draft": draft, "values": [[part.name, part.how, part.defines, len(part.buffers)] for part in parts]}


def rate(session: BulkSession, cancel: threading.Event, *, up: bool) -> float:
    """Measure how many bytes a second travel to the worker, or from there. Raises a RpycKernelError."""
    with session.direct.connection(cancel) as connection:
        draft = drafted(connection, [PROBE_BYTES])
        place, probe = {"buffer": 0, "start": 0}, memoryview(os.urandom(PROBE_BYTES))
        if not up:
            connection.call("values.write", {**place, "draft": draft}, [probe])
        started = time.perf_counter()
        if up:
            connection.call("values.write", {**place, "draft": draft}, [probe])
        else:
            connection.send("values.read", {**place, "offer": draft, "size": PROBE_BYTES})
            connection.receive()
        seconds = time.perf_counter() - started
        connection.call("values.forget", {"held": draft})
    return PROBE_BYTES / seconds


def pack_all(values: Mapping[str, Any], peer: Mapping[str, str]) -> list[Part]:
    """Pack values, functions and classes.

    Args:
        values: The values by the names that they get there.
        peer: The versions there, see `peer_of`.

    Raises:
        ValueRefusedError: One can't be sent.
    """
    return [_part(name, value, peer) for name, value in values.items()]


def _part(name: str, value: Any, peer: Mapping[str, str]) -> Part:
    if definitions.is_definition(value):
        how, data, defines = definitions.definition(value, name, peer)
        return Part(name, how, defines, [memoryview(data)])
    try:
        packed = pack(value, name, peer=peer)
    except TypeError as error:
        raise ValueRefusedError(f"{error}.") from None
    return Part(name, "value", "", [memoryview(packed.text), *packed.buffers])


def peer_of(session: BulkSession, cancel: threading.Event) -> dict[str, str]:
    """Ask a worker for the versions of its ``python`` and of packages. Raises a RpycKernelError."""
    with session.direct.connection(cancel) as connection:
        return peer_told(connection.call("values.versions", {}))


def peer_told(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that a worker has answered with, whatever it has."""
    told = answer.get("versions")
    pairs = told.items() if isinstance(told, dict) else ()
    return {str(name)[:100]: str(version)[:100] for name, version in list(pairs)[:100]}


def forget(session: BulkSession, held: str) -> None:
    """Let the worker let go of an offer or a draft, if it can be told so now."""
    with contextlib.suppress(RpycKernelError), session.direct.connection(threading.Event()) as connection:
        connection.call("values.forget", {"held": held})
