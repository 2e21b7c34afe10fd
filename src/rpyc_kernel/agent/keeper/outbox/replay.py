"""Gives the output of cells again, or before anybody gets it, a page at a time. Functions without I/O."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter

from ... import wire
from .entries import OUTPUTS
from .retention import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

    from ...wire import Bytes
    from .entries import JournalEntry
    from .journal import Journal

    Json = Dict[str, Any]

PAGE_BYTES = 256 << 10  #: of one answer


def replay(journal: Journal, request: Json) -> Tuple[Json, List[Bytes]]:
    """A page of the outputs of some cells so far, whether the kernel has got them or not.

    A long message whose last part has not been given out is left out: it will come by itself.

    Args:
        journal: The journal, with its retention.
        request: ``cells``, how many, or ``cell``, an execution_count; ``from``, what the page before gave as ``next``
            (which is None after the last page); ``max_bytes`` of a page, about.

    Returns:
        ``next``, ``found`` and ``cells``, ``[execution_count, msg_id]`` of each; and the messages.
    """
    start, most = int(request.get("from") or 0), int(request.get("max_bytes") or PAGE_BYTES)
    cells = journal.retention.choose(int(request.get("cells") or 0), int(request.get("cell") or 0))
    parents = {cell.parent for cell in cells}
    answer: Json = {"next": None, "found": bool(cells), "cells": [[cell.count, cell.parent] for cell in cells]}
    kept = sorted((item for cell in cells for item in cell.outputs.items() if item[0] >= start), key=itemgetter(0))
    given = chain(kept, _unacknowledged(journal) if cells else ())
    return _page(answer, (item for item in given if item[0] >= start and _is_output_of(item[1], parents)), most)


def look(journal: Journal, request: Json) -> Tuple[Json, List[Bytes]]:
    """A page of the messages that nobody has acknowledged, each as it would be given out.

    Args:
        journal: The journal.
        request: ``from``, what the page before gave as ``next`` (which is None after the last page); ``max_bytes`` of
            a page, about.

    Returns:
        ``next``; ``acknowledged``, how many messages somebody has got before; and ``moved``, which is another number
        where messages have been dropped since the page before, so that the numbers of others are not what they were.
        And the messages.
    """
    start, most = int(request.get("from") or 0), int(request.get("max_bytes") or PAGE_BYTES)
    answer: Json = {"next": None, "acknowledged": journal.acknowledged, "moved": journal.moved}
    return _page(answer, journal.look(start), most)


def _page(answer: Json, messages: Iterable[Tuple[int, JournalEntry]], most: int) -> Tuple[Json, List[Bytes]]:
    """The packets of the first messages, about so many bytes; ``next`` of the answer says where others follow."""
    packets: List[Bytes] = []
    size = 0
    for number, entry in messages:
        if packets and size >= most:
            answer["next"] = number
            break
        packets.append(entry.packet())
        size += len(packets[-1])
    return answer, packets


def _unacknowledged(journal: Journal) -> Iterator[Tuple[int, JournalEntry]]:
    """The messages that were not acknowledged, with their numbers; long ones once they are whole."""
    parts: Optional[wire.Parts] = None
    for number, entry in journal.look(0):
        whole: Optional[JournalEntry] = entry
        if not entry.name and wire.is_part(entry.data):
            parts = parts or journal.retention.parts.copy()
            whole = join(parts, entry, wire.about(entry.data)[1])
        if whole is not None:
            yield number, whole


def _is_output_of(entry: JournalEntry, parents: Set[str]) -> bool:
    kind, parent = ("stream", entry.parent) if entry.name else wire.about(entry.data)
    return kind in OUTPUTS and parent in parents
