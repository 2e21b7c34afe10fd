"""Networks of their own: two namespaces with a cable between them, or a link of our own making that delays and loses.

Needs root and `ip` (``needs("ip")``), the second also /dev/net/tun.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.needs import needs

NEAR, FAR = "10.86.53.1", "10.86.53.2"  # in networks of their own, where they meet nobody else's
_NEWNET = 0x40000000  # setns(2)
_TUNSETIFF, _TUN, _NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_MTU = 1500
_QUEUE = 0.3  # seconds of packets that a router keeps


class Namespace:
    """A network that has nothing but a loopback, until something is put into it."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-{os.getpid()}"
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        """Run `ip` inside."""
        _ip("-n", self.name, *words)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and the processes that it starts, are in that network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{self.name}").open() as there:
            assert libc.setns(there.fileno(), _NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), _NEWNET) == 0

    def close(self) -> None:
        _ip("netns", "del", self.name)


def give_a_network(namespace: Namespace) -> None:
    """An address of its own and a default route, as a machine on a network has; nobody is at the other end."""
    namespace.ip("link", "add", "net0", "type", "veth", "peer", "name", "net1")
    for words in (["set", "net1", "up"], ["set", "net0", "up"]):
        namespace.ip("link", *words)
    namespace.ip("addr", "add", f"{NEAR}/24", "dev", "net0")
    namespace.ip("route", "add", "default", "via", FAR)


def put_a_cable(one: Namespace, address: str, other: Namespace, other_address: str) -> None:
    """Connect two namespaces, beside what they have."""
    ends = f"rka{os.getpid() % 100000}", f"rkb{os.getpid() % 100000}"
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for device, namespace, own in zip(ends, (one, other), (address, other_address), strict=True):
        _ip("link", "set", device, "netns", namespace.name)
        namespace.ip("addr", "add", f"{own}/24", "dev", device)
        namespace.ip("link", "set", device, "up")


class Networks:
    """Two namespaces, `near` and `far`, with the addresses NEAR and FAR. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        needs("ip")
        with ExitStack() as stack:
            self.near, self.far = Namespace("rk-near"), Namespace("rk-far")
            for each in (self.near, self.far):
                stack.callback(each.close)
            self.connect(stack)
            self._stack = stack.pop_all()
        return self

    def connect(self, stack: ExitStack) -> None:
        """Put the two ends of a link into them."""
        raise NotImplementedError

    def _put(self, device: str, into: Namespace, address: str) -> None:
        _ip("link", "set", device, "netns", into.name)
        into.ip("addr", "add", f"{address}/24", "dev", device)
        into.ip("link", "set", device, "up")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Cable(Networks):
    """A cable that can be pulled out."""

    def connect(self, stack: ExitStack) -> None:
        ends = f"rkn{os.getpid() % 100000}", f"rkf{os.getpid() % 100000}"
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for device, namespace, address in zip(ends, (self.near, self.far), (NEAR, FAR), strict=True):
            self._put(device, namespace, address)
        self._device = ends[1]

    def pull_out(self) -> None:
        self.far.ip("link", "set", self._device, "down")

    def plug_in(self) -> None:
        self.far.ip("link", "set", self._device, "up")


class Radio(Networks):
    """A link that carries each packet *delay* seconds later, and loses the part *loss* of them, by that seed.

    *rate*: bytes a second in either direction, of which `_QUEUE` seconds may wait their turn; 0: as many as there are.
    """

    def __init__(self, delay: float, loss: float, seed: int, rate: float = 0.0) -> None:
        super().__init__()
        self.delay, self.loss, self.rate = delay, loss, rate
        self._free: dict[int, float] = {}  # by where packets come from: when the last one has left
        self.carried = 0  # bytes
        self.packets = self.lost = 0
        self._rng = random.Random(seed)
        self._stop = os.pipe()

    def connect(self, stack: ExitStack) -> None:
        needs("tun")
        fds = []
        for number, (namespace, address) in enumerate(((self.near, NEAR), (self.far, FAR))):
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, fd)
            fds.append(fd)
            device = f"rkt{number}{os.getpid() % 100000}"
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", device.encode(), _TUN | _NO_PI))
            self._put(device, namespace, address)
        thread = threading.Thread(target=self._carry, args=(fds[0], fds[1]), name="radio", daemon=True)
        thread.start()

        def stop() -> None:
            os.write(self._stop[1], b"x")
            thread.join(10.0)
            for fd in self._stop:
                os.close(fd)

        stack.callback(stop)

    def _carry(self, near: int, far: int) -> None:
        other = {near: far, far: near}
        waiting: list[tuple[float, int, int, bytes]] = []  # when, the how many-th, to where, what
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            ready, _, _ = select.select([near, far, self._stop[0]], [], [], timeout)
            if self._stop[0] in ready:
                return
            now = time.monotonic()
            for fd in ready:
                self._receive(fd, other[fd], now, waiting)
            while waiting and waiting[0][0] <= now:
                _when, _number, to, packet = heapq.heappop(waiting)
                try:
                    os.write(to, packet)
                except OSError:
                    self.lost += 1  # no room: a real one would lose it too

    def _receive(self, source: int, to: int, now: float, waiting: list[tuple[float, int, int, bytes]]) -> None:
        for _ in range(64):
            try:
                packet = os.read(source, _MTU + 100)
            except BlockingIOError:
                return
            self.packets += 1
            leaves = self._leaves(source, now, len(packet))
            if leaves is None or self._rng.random() < self.loss:
                self.lost += 1
            else:
                self.carried += len(packet)
                heapq.heappush(waiting, (leaves + self.delay, self.packets, to, packet))

    def _leaves(self, source: int, now: float, size: int) -> float | None:
        """When a packet has left, after those before it; None if too many are waiting."""
        if not self.rate:
            return now
        free = max(now, self._free.get(source, 0.0))
        if free - now > _QUEUE:
            return None
        self._free[source] = free + size / self.rate
        return self._free[source]


def _ip(*words: str) -> None:
    done = subprocess.run([needs("ip"), *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
