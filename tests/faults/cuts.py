"""A session over a link that is cut at random bytes, and a count of what was lost, doubled or put in another order.

`random_cuts` is what `make test`, `make soak` and ``python -m benchmarks.reliability cuts`` run; `returns` measures how
soon messages flow again.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.link import Link
from rpyc_kernel.transport.address import Address
from tests.faults.proxy import FIN, RST, Life, Proxy
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session

Token = tuple[str, ...]  # one thing that a page shows: (msg_id, what, text)

SILENCE = 60.0  # seconds without a message after which a session counts as stuck
IN_FLIGHT = 4  # cells that are submitted and not answered: the later ones wait over there
INTERRUPTED = 0.03  # of the cells: they would wait for ever, and are interrupted at once; one at a time, as people do
ENDLESS = "import time\ntry:\n    while True: time.sleep(0.1)\nexcept KeyboardInterrupt: pass"
HANDSHAKE = {"up": 18_000, "down": 700}  # bytes, about, until a connection is of use
SPAN = {"up": 4_000, "down": 12_000}  # bytes, on average, that it lives after that


@dataclass
class Figures:
    """What came of it. *lost*, *doubled* and *reordered* count lines, values and replies, and cells that ran."""

    seed: int
    cuts: int = 0
    outages: int = 0  # times that the link went and came back, each after one cut or more
    seconds: float = 0.0
    messages: int = 0  # that came
    requests: int = 0  # that were sent
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.reordered

    def add(self, other: Figures) -> None:
        for name in ("cuts", "outages", "messages", "requests", "lost", "doubled", "reordered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.examples += other.examples

    def compare(self, expected: list[Token], found: list[Token]) -> None:
        """Count what differs between what had to come and what came, both in order."""
        missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        self.lost += missing.total()
        self.doubled += extra.total()
        place = {token: number for number, token in enumerate(expected)}
        order = [place[token] for token in dict.fromkeys(found) if token in place]
        self.reordered += sum(later < earlier for earlier, later in pairwise(order))
        for name, tokens in (("lost", missing), ("too many", extra)):
            self.examples += [f"{name}: {token}"[:100] for token in list(tokens)[:5]]

    def __str__(self) -> str:
        sentence = (
            f"seed {self.seed}: {self.cuts} cuts in {self.outages} outages within {self.seconds:.0f} s; "
            f"{self.messages} messages and {self.requests} requests, "
            f"of which {self.lost} lost, {self.doubled} doubled, {self.reordered} out of order"
        )
        return "\n".join([sentence, *self.examples[:20]])


def random_cuts(
    cuts: int, seed: int, *, sessions: int = 2, seconds: float = 0.0, say: Callable[[str], None] = lambda _text: None
) -> Figures:
    """Run cells on *sessions* sessions at once while their connections are cut at random bytes, *cuts* times in all.

    Each session has a link of its own through a proxy of its own; half of the cuts are RSTs, half FINs, in either
    direction, some of them while it connects. At the end another client takes each session over and looks into it.
    *seconds*: end after so long, whatever the number of cuts. *say* gets a line now and then. Starts and ends a stock
    RPyC server. Raises AssertionError if a session gets stuck.
    """
    figures = Figures(seed)
    started = time.monotonic()
    end = started + seconds if seconds else float("inf")
    share = [cuts // sessions + (number < cuts % sessions) for number in range(sessions)]
    with start_server() as server, ThreadPoolExecutor(sessions) as pool:

        def one(number: int) -> Figures:
            return one_session(server.port, share[number], f"{seed}.{number}", end, say if number == 0 else None)

        for each in pool.map(one, range(sessions)):
            figures.add(each)
    figures.seconds = time.monotonic() - started
    return figures


def lives(rng: random.Random, number: int, done: Callable[[], bool]) -> Iterator[Life]:
    """The lives of *number* connections, in `HANDSHAKE` or later, and more of them until *done*; then they live on."""
    while not done():
        direction = rng.choice(["up", "down"])
        if rng.random() < 0.15:
            length = rng.randrange(1, HANDSHAKE[direction])
        else:
            length = HANDSHAKE[direction] + int(rng.expovariate(1 / SPAN[direction])) + 1
        yield Life(direction, length, rng.choice([RST, FIN]))  # type: ignore[arg-type]


def one_session(
    port: int,
    cuts: int,
    seed: str,
    end: float = float("inf"),
    say: Callable[[str], None] | None = None,
    first: int = 0,
    more: Callable[[], bool] = bool,
) -> Figures:
    """Run cells in one session, as `random_cuts` does; *first*: the number of the first. It goes on for *more*, too."""
    rng = random.Random(seed)
    figures = Figures(0)
    told = time.monotonic()
    with Proxy(port) as proxy, Session(proxy.address) as session:
        found = _Reader(session)
        expected: list[Token] = []
        runs: list[int] = []  # the cells that have to run to their end
        session.run("import sys\nran = []")
        proxy.lives = lives(random.Random(f"{seed}.lives"), cuts, lambda: proxy.cuts >= cuts)
        proxy.cut()
        while (more() or proxy.cuts < cuts) and time.monotonic() < end:
            while found.open < IN_FLIGHT:
                number = first + len(found.sent)
                interrupted = rng.random() < INTERRUPTED and found.interrupted <= found.replied
                code, tokens = (ENDLESS, [("interrupted", "")]) if interrupted else _cell(rng, number)
                msg_id = session.start(code)
                expected += [(msg_id, *token) for token in tokens]
                found.sent.append(msg_id)
                if interrupted:
                    found.interrupted.add(msg_id)
                    session.link.interrupt(msg_id)
                else:
                    runs.append(number)
            found.read_one()
            if say and time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"{proxy.cuts} of {cuts} cuts, {len(found.sent)} cells")
        proxy.lives = None
        proxy.cut()
        while found.open:
            found.read_one()
        figures.compare(expected, found.tokens)
        with taken_over(session, f"127.0.0.1:{port}") as other:
            ran, _reply = other.run("print(*ran)")
        figures.compare([("ran", str(number)) for number in runs], [("ran", number) for number in ran.split()])
        figures.cuts = proxy.cuts
        figures.outages = sum(status.name == "LOST" for status, _error in session.statuses)
        figures.messages = found.messages
        figures.requests = len(found.sent)
    return figures


@contextmanager
def taken_over(session: Session, address: str) -> Iterator[Session]:
    """The same session in the hands of another client, which ends it."""
    other = Session(address)
    other.link = Link(
        Address.parse(address), lambda message, _backlog: other.messages.put(message), lambda _status, _error: None,
        session=session.link.session,
    )  # fmt: skip
    other.count = session.count
    other.link.open({}, threading.Event(), attach=True)
    try:
        yield other
    finally:
        other.link.close(end=True)


def _cell(rng: random.Random, number: int) -> tuple[str, list[Token]]:
    """A cell that prints numbered lines to both streams, shows things between and ends with a value; and all that."""
    lines, pad, every = rng.choice([0, 1, 10, 100]), rng.choice([0, 0, 50, 1000]), rng.choice([2, 7])
    code = (
        f"ran.append({number})\n"
        f"for i in range({lines}):\n"
        f"    print('{number}', i, 'x' * {pad}, file=sys.stderr if i % {every} == 1 else sys.stdout)\n"
        f"    if i % 50 == 49: display(i)\n"
        f"{number}"
    )
    tokens: list[Token] = []
    for i in range(lines):
        tokens.append(("stderr" if i % every == 1 else "stdout", f"{number} {i} {'x' * pad}"))
        if i % 50 == 49:
            tokens.append(("display_data", str(i)))
    return code, [*tokens, ("execute_result", str(number)), ("execute_reply", "ok")]


class _Reader:
    """Takes in what comes, as tokens in the order in which it came."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[str] = []
        self.interrupted: set[str] = set()
        self.replied: set[str] = set()
        self.messages = 0
        self.tokens: list[Token] = []
        self._begun: dict[tuple[str, str], str] = {}  # lines without an end, by msg_id and stream

    @property
    def open(self) -> int:
        return len(self.sent) - len(self.replied)

    def read_one(self) -> None:
        link = self.session.link
        try:
            message = self.session.messages.get(timeout=SILENCE)
        except queue.Empty:
            raise AssertionError(
                f"nothing came for {SILENCE} s: {link.status}, {link.error!r}, {self.open} cells open, "
                f"{self.messages} messages received, the last statuses {self.session.statuses[-3:]}"
            ) from None
        self.messages += 1
        self._take(message)

    def _take(self, message: Message) -> None:
        content = message.content
        if message.parent in self.interrupted:  # whether it had begun when it was stopped is a matter of chance
            if message.type == "execute_reply":
                self.replied.add(message.parent)
                stopped = content["status"] == "ok" or content["ename"] == "KeyboardInterrupt"
                self.tokens.append((message.parent, "interrupted", "" if stopped else str(content)))
        elif message.type == "stream":
            key = message.parent, content["name"]
            *lines, rest = (self._begun.pop(key, "") + content["text"]).split("\n")
            self.tokens += [(*key, line) for line in lines]
            if rest:
                self._begun[key] = rest
        elif message.type == "execute_reply":
            self.replied.add(message.parent)
            self.tokens.append((message.parent, message.type, content["status"]))
        elif "data" in content:
            self.tokens.append((message.parent, message.type, content["data"]["text/plain"]))
        else:
            self.tokens.append((message.parent, message.type, str(content)))


# -- how soon it is back


@dataclass
class Returns:
    """Seconds from the moment the link could be used again to the next message, each time."""

    seed: int
    after_cut: list[float] = field(default_factory=list)
    after_refusal: list[float] = field(default_factory=list)  # where nobody answered for a while

    def __str__(self) -> str:
        lines = [f"seed {self.seed}"]
        for name, each in (("a cut", self.after_cut), ("an outage", self.after_refusal)):
            if each:
                lines.append(
                    f"messages again after {name}: {median(each):.3f} s, at worst {max(each):.3f} s of {len(each)}"
                )
        return "\n".join(lines)


def returns(cuts: int, refusals: int, seed: int, *, longest: float = 3.0) -> Returns:
    """Cut a link *cuts* times, and have it refused *refusals* times for up to *longest* seconds."""
    rng = random.Random(seed)
    found = Returns(seed)
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        cell = session.start("import time\nwhile True:\n    print(time.monotonic())\n    time.sleep(0.002)")
        session.until("stream", cell)
        for _ in range(cuts):
            time.sleep(rng.uniform(0.0, 0.1))  # a cut may come at any time
            proxy.cut(rng.choice([RST, FIN]))  # type: ignore[arg-type]
            found.after_cut.append(_next_line_after(session, cell, time.monotonic()))
        for _ in range(refusals):
            seconds = rng.uniform(0.0, longest)
            back = time.monotonic() + seconds
            proxy.refuse(seconds)
            found.after_refusal.append(_next_line_after(session, cell, back))
    return found


def _next_line_after(session: Session, cell: str, moment: float) -> float:
    """Seconds from then until a line has come that was printed later; this machine is the other one too."""
    while True:
        text = session.until("stream", cell)[-1].content["text"]
        if float(text.split()[-1]) > moment:
            return time.monotonic() - moment
