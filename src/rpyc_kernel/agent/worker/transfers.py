"""Values between the kernel and the namespace of cells, and their bytes on direct connections.

``pull_request`` and ``push_request`` run on the main thread, between cells, so that the stop button reaches them. A
pull packs values and leaves their buffers here, as an *offer*, from which the kernel reads. For a push the kernel first
makes a *draft* here and writes the buffers of the values into it. What was made of a draft already may be assigned
without a message, where the main thread comes to it at once.
"""

from __future__ import annotations

import itertools
import threading

from ..direct.memory import check_room, new_memory
from ..direct.shrink import shrunk, unshrunk
from ..values import pack, unpack
from ..values.versions import versions
from .between_cells import BetweenCells
from .direct import DirectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

    from ..wire import Bytes, Json
    from .shared_memory import Adopted, SharedDraft

MAX_HELD = 64  #: offers and drafts; the oldest ones are forgotten
ASSIGN_TIMEOUT_S = 0.1  #: in which the main thread has to come to it
MAX_BLOCK_BYTES = 16 << 20  #: of one request
GONE = "what was to be sent is not there any more; the Python there may have ended meanwhile"


class Transfers:
    """The offers and drafts of this session. `Operations` of direct connections, beside the requests of cells.

    Args:
        namespace: The one of cells.
        between_cells: Has the main thread call something as soon as no cell runs.
    """

    def __init__(self, namespace: Dict[str, Any], between_cells: Callable[[Callable[[], None]], None]) -> None:
        self._namespace = namespace
        self._between_cells = between_cells
        self._lock = threading.Lock()
        self._names = itertools.count(1)
        self._held: Dict[str, List[memoryview]] = {}
        self._shared: Dict[str, SharedDraft] = {}
        self._adopted: Dict[str, Adopted] = {}  # that was not seen to be sealed yet: drafts of which nothing is made
        self._blocks = _Blocks()
        self._made: Dict[str, Dict[str, Any]] = {}  # values that are assigned once other machines have theirs, too
        self._making: Set[str] = set()  # drafts of which values are made on a connection's thread
        self._assigned: Dict[str, None] = {}  # drafts; who asks again hasn't heard the answer

    # --- on the main thread

    def pull(self, content: Json) -> Json:
        """Pack the values of expressions, all or none."""
        values = []
        for text in content["expressions"]:
            try:
                values.append((text, eval(compile(text.strip(), "<%s>" % text, "eval"), self._namespace)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit ends nothing here: the expression is none of a cell's
                return dict(_failed(error), expression=text, stage="evaluate")
        try:
            return dict(self.offer(values, content.get("peer"), bool(content.get("pickle"))), status="ok")
        except Exception as error:
            return dict(_failed(error), stage="copy")

    def offer(self, values: Sequence[Tuple[str, Any]], peer: Optional[Dict[str, str]], pickled: bool = False) -> Json:
        """Pack values, and hold their buffers until the kernel has fetched them.

        Args:
            values: Each value, behind what an error's text calls it.
            peer: The versions of the packages that the kernel has.
            pickled: Whether what can't be packed is pickled.

        Returns:
            The name of the ``offer``, the ``sizes`` of the buffers of each value, and which values are ``pickled``.

        Raises:
            TypeError: A value can't be packed.
        """
        parts, pickles = [], []
        for text, value in values:
            try:
                packed = pack(value, text, peer=peer)
                parts.append([memoryview(packed.text), *packed.buffers])
            except TypeError:
                if not pickled:
                    raise
                import pickle

                pickles.append(len(parts))
                parts.append([memoryview(pickle.dumps(value, 4))])
        return dict(self.hold(parts), pickled=pickles)

    def hold(self, parts: List[List[memoryview]]) -> Json:
        """Hold the buffers of values that are packed; returns the name of the ``offer``, and their ``sizes``."""
        sizes = [[len(part) for part in of_one] for of_one in parts]
        return {"offer": self._hold([part for of_one in parts for part in of_one]), "sizes": sizes}

    def push(self, content: Json) -> Json:
        """Assign the values of a draft, all or none; with ``hold`` only make them, until ``made`` has them assigned."""
        try:
            if "made" in content:
                made = {} if content["made"] in self._assigned else self._take_made(content["made"])
            else:
                made = self.take(content["draft"], content["values"])
        except Exception as error:
            return _failed(error)
        if content.get("hold"):
            self._keep(content["draft"], made)
        else:
            self._namespace.update(made)
        return {"status": "ok"}

    def _take_made(self, draft: str) -> Dict[str, Any]:
        with self._lock:
            if draft not in self._made:
                raise DirectError(GONE)
            self._assigned[draft] = None
            if len(self._assigned) > MAX_HELD:
                del self._assigned[next(iter(self._assigned))]
            return self._made.pop(draft)

    def _keep(self, draft: str, made: Dict[str, Any]) -> None:
        with self._lock:
            self._made[draft] = made
            while len(self._made) > MAX_HELD:
                del self._made[next(iter(self._made))]

    def take(self, draft: str, described: Sequence[Sequence[Any]]) -> Dict[str, Any]:
        """Make the values of a draft, by their names, and let go of it.

        Args:
            draft: The draft's name.
            described: Of each value its name, how it is packed, what its source defines, and how many buffers it has.

        Raises:
            Exception: Whatever is wrong with one of them.
        """
        try:
            buffers = iter(self._of(draft))
            return {
                name: self._value(how, defines, [next(buffers) for _each in range(count)])
                for name, how, defines, count in described
            }
        finally:
            with self._lock:
                self._let_go(draft)

    def _value(self, how: str, defines: str, parts: List[memoryview]) -> Any:
        """What was pushed: a value, or a function or class."""
        if how == "value":
            return unpack(bytes(parts[0]), parts[1:])
        if how == "cloudpickle":
            import cloudpickle  # type: ignore[import-not-found, import-untyped, unused-ignore]

            return cloudpickle.loads(parts[0])  # the kernel may run anything here
        import linecache

        from .source_lines import source_lines

        text, name = str(parts[0], "utf-8"), "<pushed %s>" % defines
        linecache.cache[name] = (len(text), None, source_lines(text), name)  # for tracebacks
        made: Dict[str, Any] = {}
        exec(compile(text, name, "exec"), self._namespace, made)
        return made[defines]

    # --- on the threads of direct connections

    def room(self, name: str, header: Json, sizes: Sequence[int]) -> Optional[Sequence[memoryview]]:
        """Have what is written land in its draft."""
        if name != "write" or header.get("zip"):
            return None
        (size,) = sizes
        if header["draft"] in self._shared:
            return [self._blocks.next(size)]
        return [self._part(header["draft"], header["buffer"], header["start"], size)]

    def do(self, name: str, header: Json, buffers: Sequence[memoryview]) -> Tuple[Json, Sequence[Bytes]]:
        """``read`` a part of an offer, ``write`` one of a draft, make a ``draft``, or ``forget`` either."""
        if name == "read":
            part = self._part(header["offer"], header["buffer"], header["start"], header["size"])
            block = shrunk(part) if header.get("zip") else None
            return ({}, [part]) if block is None else ({"zip": True}, [block])
        if name == "versions":
            return {"versions": versions()}, ()
        if name == "draft":
            try:
                check_room(sum(header["sizes"]))
                if header.get("shared"):
                    return self._shared_draft(header["sizes"]), ()
                return {"draft": self._hold([new_memory(size) for size in header["sizes"]])}, ()
            except (OSError, MemoryError) as error:
                raise DirectError("the values don't fit: %s" % error) from None
        do = {"share": self._share, "adopt": self._adopt, "sealed": self._sealed, "assign": self._assign}.get(name)
        if do is not None:
            return do(header), ()
        if name == "forget":
            self.forget(header["held"])
        elif name == "write":
            shared = self._shared.get(header["draft"])
            if shared is not None and not header.get("zip"):
                self._blocks.written[self._blocks.turn] = shared.begin_write(
                    header["buffer"], header["start"], buffers[0]
                )
            elif shared is not None:
                _write_zipped(shared, header, buffers[0])
            elif header.get("zip"):
                unshrunk(buffers[0], self._part(header["draft"], header["buffer"], header["start"], header["size"]))
        else:
            raise DirectError("no operation values.%.40s" % name)
        return {}, ()

    def _shared_draft(self, sizes: Sequence[int]) -> Json:
        """Make a draft that other sessions on this machine can adopt, or else any."""
        from .shared_memory import CannotShareError, SharedDraft

        try:
            made = SharedDraft(sizes)
        except CannotShareError:
            return {"draft": self._hold([new_memory(size) for size in sizes])}
        name = self._hold([])
        self._shared = {name: made}  # the one before is not needed any more
        return {"draft": name}

    def _share(self, header: Json) -> Json:
        from .shared_memory import CannotShareError

        draft = header["draft"]
        shared = self._shared.get(draft)
        if shared is None:
            raise DirectError("that draft can't be shared")
        try:
            return shared.share()
        except CannotShareError as error:
            raise DirectError("that draft can't be shared: %s" % error) from None

    def _adopt(self, header: Json) -> Json:
        """Adopt what another session shares; if that is sealed already, take it, too."""
        from .shared_memory import Adopted, CannotShareError

        try:
            adopted = Adopted(header, header["sizes"])
        except CannotShareError as error:
            raise DirectError("what another session shares can't be adopted: %s" % error) from None
        draft = self._hold([])
        with self._lock:
            self._adopted[draft] = adopted
        return self._sealed(dict(header, draft=draft)) if adopted.sealed else {"draft": draft}

    def _sealed(self, header: Json) -> Json:
        """Take what was adopted, now that nobody can change it any more, and make the values if that takes no time."""
        from .shared_memory import CannotShareError

        draft = header["draft"]
        with self._lock:
            if draft not in self._adopted:
                raise DirectError(GONE)
            try:
                buffers = self._held[draft] = self._adopted[draft].buffers
            except CannotShareError as error:
                raise DirectError("what another session shares can't be taken: %s" % error) from None
            del self._adopted[draft]
            self._making.add(draft)
        answer = {"draft": draft, "sealed": True}
        made: Optional[Dict[str, Any]] = None
        if header.get("make") is not None:
            try:  # at once, on this thread: to ask for it by a message takes longer than all of this
                made = self.take(draft, header["make"])
            except Exception:
                pass  # the message will say why it can't be made
        with self._lock:
            if draft not in self._making:  # whoever wanted it was stopped meanwhile
                self._held.pop(draft, None)
                raise DirectError(GONE)
            self._making.discard(draft)
            if made is None:
                self._held[draft] = buffers
                return answer
        self._keep(draft, made)
        return dict(answer, made=True)

    def _assign(self, header: Json) -> Json:
        """Have the main thread assign what was made, unless a cell keeps it: then a ``push_request`` has to wait.

        What had these names before is let go of behind the answer: to give 100 MB back takes 10 ms.
        """
        draft = header["draft"]
        before: List[Any] = []

        def assign() -> None:
            try:
                made = self._take_made(draft)
            except DirectError:
                return  # the message says so
            before.extend(self._namespace.get(each) for each in made)
            self._namespace.update(made)

        step = BetweenCells(assign)
        if draft not in self._assigned:
            self._between_cells(step.do)
            step.wait(ASSIGN_TIMEOUT_S)
            self._between_cells(before.clear)
        return {"assigned": draft in self._assigned}

    def forget(self, name: str) -> None:
        """Let go of an offer or a draft, and of what was made of it, or is made just now."""
        with self._lock:
            self._let_go(name)
            self._made.pop(name, None)
            self._making.discard(name)

    def _let_go(self, name: str) -> None:
        """With the lock."""
        self._held.pop(name, None)
        self._shared.pop(name, None)
        self._adopted.pop(name, None)

    def _hold(self, buffers: List[memoryview]) -> str:
        with self._lock:
            name = str(next(self._names))
            self._held[name] = buffers
            while len(self._held) > MAX_HELD:
                oldest = next(iter(self._held))
                del self._held[oldest]
                self._adopted.pop(oldest, None)
        return name

    def _of(self, name: str) -> List[memoryview]:
        with self._lock:
            if name not in self._held or name in self._adopted:
                raise DirectError(GONE)
            shared = self._shared.get(name)
            return self._held[name] if shared is None else shared.buffers

    def _part(self, name: str, buffer: int, start: int, size: int) -> memoryview:
        whole = self._of(name)[buffer]
        if not 0 <= start <= start + size <= len(whole) or size > MAX_BLOCK_BYTES:
            raise DirectError("a part that isn't there")
        return whole[start : start + size]


class _Blocks(threading.local):
    """Two blocks of a connection's thread, on their way into a file: one comes while the other is written."""

    def __init__(self) -> None:
        self.turn = 0
        self.written: List[Optional[threading.Event]] = [None, None]
        self._memory = [memoryview(b""), memoryview(b"")]

    def next(self, size: int) -> memoryview:
        """Wait for the block that was written longer ago, and return so much of it."""
        if size > MAX_BLOCK_BYTES:
            raise DirectError("a part that isn't there")
        self.turn ^= 1
        written, self.written[self.turn] = self.written[self.turn], None
        if written is not None:
            written.wait()
        if len(self._memory[self.turn]) < size:
            self._memory[self.turn] = new_memory(size)
        return self._memory[self.turn][:size]


def _write_zipped(shared: SharedDraft, header: Json, block: memoryview) -> None:
    size = header["size"]
    if not 0 <= size <= MAX_BLOCK_BYTES:
        raise DirectError("a part that isn't there")
    whole = memoryview(bytearray(size))
    unshrunk(block, whole)
    shared.write(header["buffer"], header["start"], whole)


def _failed(error: BaseException) -> Json:
    return {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
