"""Looks at a machine step by step, as a person would: each check says ok, or what is wrong and what mends it."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rpyc_kernel import program
from rpyc_kernel._version import __version__
from rpyc_kernel.doctor import way
from rpyc_kernel.doctor.check import MAX_CHARS, Check, State
from rpyc_kernel.errors import DialCancelledError, RpycKernelError
from rpyc_kernel.transport.broker_client import agent_text, open_broker
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from rpyc_kernel.hosts.target import Target
    from rpyc_kernel.transport.broker_client import BrokerClient

TIMEOUT_S = 10.0
SLOW_TRIP_S = 0.5
THROUGHPUT_BYTES = 2 << 20
MIN_FREE_BYTES = 64 << 20
MIN_MEMORY_BYTES = 48 << 20  # keeper and worker take 9 MiB, and IPython 12 more; the rest is the user's
CLOCK_TOLERANCE_S = 5.0
MAX_DEVICES = 40


def examine(machine: Target, cancel: threading.Event | None = None) -> Iterator[Check]:
    """Look at a machine; what can't be looked at after something wrong is left out.

    Args:
        machine: The machine.
        cancel: Ends the looking, once it is set.

    Raises:
        DialCancelledError: *cancel* was set.
    """
    address = machine.address
    for check in way.to_host(address, Deadline(TIMEOUT_S, cancel)):
        yield check
        if check.state is State.WRONG:
            return
    try:
        began = time.perf_counter()
        server = address.locate(cancel=cancel)[0]
        with open_broker(server, timeout=TIMEOUT_S, cancel=cancel) as broker:
            broker.connection.cancel = cancel
            yield from _examine_server(machine, broker, time.perf_counter() - began)
    except DialCancelledError:
        raise
    except RpycKernelError as error:
        yield way.failed(error, address)
        return
    yield from _examine_session(machine, cancel)


def _examine_server(machine: Target, broker: BrokerClient, seconds: float) -> Iterator[Check]:
    hello, address = broker.hello, machine.address
    told = {name: plain(str(hello.get(name) or "?"), 60) for name in ("python", "host", "system", "machine", "server")}
    text = "{server} of {host}, {system} {machine}, Python {python}".format(**told)
    yield from way.port(address)
    if proved := address.transport.proved(address):
        yield Check(proved[0], State.OK, proved[1])
    yield Check("server", State.OK, f"{text}, answered after {seconds:.2f} s; rpyc-kernel {__version__} here")
    yield _python(machine, broker)
    trip = broker.round_trip(TIMEOUT_S)
    slow = trip > SLOW_TRIP_S
    mend = "look at the Wi-Fi, or at what else the machine does" if slow else ""
    yield Check("round trip", State.WARNING if slow else State.OK, f"{trip * 1000:.1f} ms", mend)
    warnings = hello.get("warnings")
    sentences = [plain(str(each), MAX_CHARS) for each in warnings[:5]] if isinstance(warnings, list) else []
    for sentence in sentences:
        yield Check("logout", State.WARNING, sentence)
    if not sentences:
        yield Check("logout", State.OK, "nothing is known there that would end sessions at a logout")


def _python(machine: Target, broker: BrokerClient) -> Check:
    """Look at the Python that would run the cells, without a session."""
    wanted = machine.options.get("python")
    found, _buffers = broker.call("python", {"python": wanted or None}, timeout=TIMEOUT_S)
    version = plain(str(found.get("version") or "?"), 20)
    shell = "with IPython" if found.get("ipython") is True else "without IPython: the built-in shell runs the cells"
    return Check("python", State.OK, f"{plain(wanted, 200) if wanted else 'that of the server'}, {version}, {shell}")


def _examine_session(machine: Target, cancel: threading.Event | None) -> Iterator[Check]:
    """Have a program tell in a session how it is there, and measure how fast its output comes."""
    source = files("rpyc_kernel").joinpath("doctor", "probe.py").read_text("utf-8")
    printed: list[tuple[float, str]] = []
    errors: list[str] = []

    def take(text: str, *, error: bool = False) -> None:
        if error:
            errors.append(text)
        else:
            printed.append((time.time(), text))

    began = time.time()
    try:
        code = program.run(machine, source, ["-", str(THROUGHPUT_BYTES), agent_text()[0]], "doctor", take, cancel)
    except DialCancelledError:
        raise
    except RpycKernelError as error:
        yield way.failed(error, machine.address, "session")
        return
    if code == program.SIGNALLED_CODE + 2:
        raise KeyboardInterrupt
    line, _, rest = "".join(text for _at, text in printed).partition("\n")
    try:
        found = json.loads(line)
        if code or not isinstance(found, dict):
            raise ValueError(code)
        yield from _read(found, began, printed)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        last = plain("".join(errors).strip().rpartition("\n")[2], MAX_CHARS) or f"it ended with exit code {code}"
        yield Check("session", State.WRONG, f"a program in a session there has failed: {last}")
        return
    seconds = printed[-1][0] - printed[0][0]
    if seconds > 0 and len(rest) >= THROUGHPUT_BYTES // 2:
        yield Check("throughput", State.OK, f"{len(rest) / seconds / 1e6:.1f} MB/s of printed text")


def _read(found: dict[str, Any], began: float, printed: list[tuple[float, str]]) -> Iterator[Check]:
    """Judge what the program has told. Raises ValueError and the like where it is not what ours tells."""
    executable = plain(str(found["executable"]), 200)
    yield Check("session", State.OK, f"ran a program with {executable} after {printed[0][0] - began:.1f} s")
    yield _clock(float(found["time"]), began, printed[0][0])
    yield _cache(found["cache"])
    for each in found["folders"][:3]:
        yield _folder(each)
    if found["memory"]:
        yield _memory(int(found["memory"]["available"]), int(found["memory"]["total"]))
    for each in found["devices"][:MAX_DEVICES]:
        yield _device(each)


def _clock(there: float, began: float, ended: float) -> Check:
    ahead = there - ended if there > ended else min(0.0, there - began)  # it was told at some time in between
    if abs(ahead) <= CLOCK_TOLERANCE_S:
        return Check("clock", State.OK, "as here")
    text = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return Check("clock", State.WARNING, text, "there: sudo timedatectl set-ntp true, or sudo date -u -s @SECONDS")


def _cache(found: dict[str, Any]) -> Check:
    path = plain(str(found["path"]), 200)
    if found["has"] is True:
        return Check("agent cache", State.OK, f"{path} has the kernel's remote half")
    text = f"{path} can't keep the kernel's remote half, which is sent with each connection to a fresh server"
    return Check("agent cache", State.WARNING, text, f"there: mkdir -p {path}; chmod 700 {path}; df -h {path}")


def _folder(found: dict[str, Any]) -> Check:
    path, free = plain(str(found["path"]), 200), found["free"]
    room = f"{free / (1 << 20):,.0f} MiB free" if isinstance(free, int) else "room unknown"
    if problem := plain(str(found["problem"]), 100):
        text = f"{path} can't be written to there: {problem}"
        return Check("folder", State.WARNING, text, f"there: df -h {path}; ls -ld {path}")
    if isinstance(free, int) and free < MIN_FREE_BYTES:
        return Check("folder", State.WARNING, f"{path} is nearly full: {room}", f"there: du -xsh {path}/* | sort -h")
    return Check("folder", State.OK, f"{path}, {room}")


def _memory(available: int, total: int) -> Check:
    text = f"{available >> 20:,} of {total >> 20:,} MiB free for use"
    if available < MIN_MEMORY_BYTES:
        return Check("memory", State.WARNING, text, "there: ps aux --sort -rss | head shows who has it")
    return Check("memory", State.OK, text)


def _device(found: dict[str, Any]) -> Check:
    path = plain(str(found["path"]), 60)
    holders = [f"{plain(str(name), 30)} (process {int(pid)})" for pid, name in found["holders"][:5]]
    if holders:
        text = f"{path} is used by {', '.join(holders)}: opening it may fail with EBUSY"
        return Check("device", State.WARNING, text, f"there: kill {int(found['holders'][0][0])}, if it isn't wanted")
    if not found["allowed"]:
        text = f"{path} is not this user's to open there"
        return Check(
            "device", State.WARNING, text, f"there: sudo usermod -aG $(stat -c %G {path}) $USER, and log in anew"
        )
    return Check("device", State.OK, f"{path} is free")
