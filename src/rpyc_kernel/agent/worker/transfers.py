"""Values between the kernel and the namespace of cells, and their bytes on direct connections.

``pull_request`` and ``push_request`` run on the main thread, between cells, so that the stop button reaches them. A
pull packs values and leaves their buffers here, as an *offer*, from which the kernel reads. For a push the kernel first
makes a *draft* here and writes the buffers of the values into it.
"""

from __future__ import annotations

import itertools
import mmap
import threading

from ..values import pack, unpack
from .direct import DirectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    from ..wire import Bytes, Json

MAX_HELD = 64  #: offers and drafts; the oldest ones are forgotten
MAX_BLOCK_BYTES = 16 << 20  #: of one request


class Transfers:
    """The offers and drafts of this session. `Operations` of direct connections, beside the requests of cells."""

    def __init__(self, namespace: Dict[str, Any]) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._names = itertools.count(1)
        self._held: Dict[str, List[memoryview]] = {}

    # --- on the main thread

    def pull(self, content: Json) -> Json:
        """Pack the values of expressions, all or none."""
        packed = []
        for text in content["expressions"]:
            try:
                value = eval(compile(text, "<%s>" % text, "eval"), self._namespace)
                packed.append(pack(value, text))
            except Exception as error:
                return {"status": "error", "ename": type(error).__name__, "evalue": str(error), "expression": text}
        parts = [[memoryview(each.text), *each.buffers] for each in packed]
        sizes = [[len(part) for part in of_one] for of_one in parts]
        return {"status": "ok", "offer": self._hold([part for of_one in parts for part in of_one]), "sizes": sizes}

    def push(self, content: Json) -> Json:
        """Assign the values of a draft, all or none."""
        buffers = iter(self._of(content["draft"]))
        try:
            values = {
                name: unpack(bytes(next(buffers)), [next(buffers) for _each in range(count - 1)])
                for name, count in content["names"]
            }
        except Exception as error:
            return {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        self._namespace.update(values)
        self.forget(content["draft"])
        return {"status": "ok"}

    # --- on the threads of direct connections

    def room(self, name: str, header: Json, sizes: Sequence[int]) -> Optional[Sequence[memoryview]]:
        """Have what is written land in its draft."""
        if name != "write":
            return None
        (size,) = sizes
        return [self._part(header["draft"], header["buffer"], header["start"], size)]

    def do(self, name: str, header: Json, _buffers: Sequence[memoryview]) -> Tuple[Json, Sequence[Bytes]]:
        """``read`` a part of an offer, ``write`` one of a draft, make a ``draft``, or ``forget`` either."""
        if name == "read":
            return {}, [self._part(header["offer"], header["buffer"], header["start"], header["size"])]
        if name == "draft":
            return {"draft": self._hold([_memory(size) for size in header["sizes"]])}, ()
        if name == "forget":
            self.forget(header["held"])
        elif name != "write":
            raise DirectError("no operation values.%.40s" % name)
        return {}, ()

    def forget(self, name: str) -> None:
        """Let go of an offer or a draft."""
        with self._lock:
            self._held.pop(name, None)

    def _hold(self, buffers: List[memoryview]) -> str:
        with self._lock:
            name = str(next(self._names))
            self._held[name] = buffers
            while len(self._held) > MAX_HELD:
                del self._held[next(iter(self._held))]
        return name

    def _of(self, name: str) -> List[memoryview]:
        with self._lock:
            if name not in self._held:
                raise DirectError(
                    "what was to be sent is not there any more; the Python there may have ended meanwhile"
                )
            return self._held[name]

    def _part(self, name: str, buffer: int, start: int, size: int) -> memoryview:
        whole = self._of(name)[buffer]
        if not 0 <= start <= start + size <= len(whole) or size > MAX_BLOCK_BYTES:
            raise DirectError("a part that isn't there")
        return whole[start : start + size]


def _memory(size: int) -> memoryview:
    """New memory, which takes room only as it is written."""
    return memoryview(mmap.mmap(-1, size))[:size] if size >= mmap.PAGESIZE else memoryview(bytearray(size))
