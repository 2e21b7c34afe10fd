"""``dask://scheduler:8786?resources=GPU:1``: a session on a worker of a Dask cluster, next to its data.

Such an address stands for a server that a task of the cluster starts: `Dask.locate` has it started, and returns an
address with its name, ``?placed=…``. That one leads to this very server and no other. Where it is gone the session is
gone, and no other one takes its place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from rpyc_kernel.errors import (
    AddressError,
    DialCancelledError,
    DialError,
    NobodyListeningError,
    SessionGoneError,
    UnsupportedSchemeError,
)
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S, Deadline
from rpyc_kernel.transport.syntax import options_in, options_of, shown

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from rpyc_kernel.transport.placing.placements import Placement

PLACE_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 3.0
GONE_AFTER_S = 20.0  # in which both the server and the scheduler have refused connections
OPTIONS = ("resources", "worker", "placed")
_RESOURCE = re.compile(r"([\w.-]{1,100}):([0-9]{1,12}(?:\.[0-9]{1,6})?)")
_WORKER = re.compile(r"[\w.:/\[\]%-]{1,300}")


class Dask(Transport):
    """Host and port are the scheduler's. Of an `Address`, ``path`` has the options, as they stand behind the port."""

    default_port = 8786  # Dask's own
    takes_user = False
    stock = False
    loopback: ClassVar[bool | None] = False  # the scheduler may name any machine

    def parse(self, text: str, rest: str) -> Address:
        """Read an address with its options. Raises AddressError."""
        (before, *_), (place, mark, options) = text.partition("?"), rest.partition("?")
        address = super().parse(before, place)
        if not mark:
            return address
        given = options_of(before, options)
        for name in given:
            if name not in OPTIONS:
                raise AddressError(f"{shown(before)} has no option {shown(name)}; it takes resources and worker.")
        if "resources" in given:
            given["resources"] = ",".join(f"{name}:{amount:g}" for name, amount in _amounts(before, given["resources"]))
        if "worker" in given and not _WORKER.fullmatch(given["worker"]):
            raise AddressError(f"{shown(before)}: {shown(given['worker'])} is no address of a worker.")
        if "placed" in given and not re.fullmatch(r"[A-Za-z0-9]{1,64}", given["placed"]):
            raise AddressError(f"{shown(before)}: {shown(given['placed'])} names no placed session.")
        return _with(address, given)

    def name(self, address: Address) -> str:
        """Return the address without the name of its server."""
        given = {name: value for name, value in options_in(address.path).items() if name != "placed"}
        return self.text(_with(address, given))

    def display(self, address: Address) -> str:
        """Return the same without the usual port."""
        return self.name(dataclasses.replace(address, port=None if address.port == self.default_port else address.port))

    def is_settled(self, address: Address) -> bool:
        """Return whether a server was placed already."""
        return "placed" in options_in(address.path)

    def locate(
        self, address: Address, registry: str | None = None, cancel: threading.Event | None = None
    ) -> list[Address]:
        """Have a server placed, unless this process has one that lives. Raises a DialError."""
        from rpyc_kernel.transport.placing import dask_cluster, placements  # noqa: PLC0415 - it may also only be read

        if self.is_settled(address):
            return [address]
        with _alone(address, cancel):
            before = _latest.get(address)
            if before is not None and _lives(before, cancel):
                return [before]
            options = options_in(address.path)
            placement = dask_cluster.place(
                address,
                _scheduler(address),
                worker=options.get("worker", ""),
                resources=dict(_amounts(str(address), options["resources"])) if "resources" in options else {},
                deadline=Deadline(PLACE_TIMEOUT_S, cancel),
            )
            placements.keep(placement)
            _latest[address] = _with(address, {**options, "placed": placement.token})
            return [_latest[address]]

    def told(self, server: Address) -> tuple[str, ...]:
        """Return on which worker it is, and what else is to be known of the cluster."""
        placement = _placement(server)
        return tuple(filter(None, [f"It is on the worker {placement.worker}.", placement.note])) if placement else ()

    def proved(self, address: Address) -> tuple[str, str]:
        """Return by what both sides have proved who they are."""
        return "placement", "TLS; both sides have proved it, by a key that has travelled by Dask"

    def open_socket(self, address: Address, deadline: Deadline) -> ssl.SSLSocket:
        """Connect to the server that was placed. Raises a DialError; SessionGoneError where it is gone for good."""
        from rpyc_kernel.transport.placing import dask_client, dask_cluster, placements  # noqa: PLC0415
        from rpyc_kernel.transport.proving import open_placed  # noqa: PLC0415

        if not self.is_settled(address):
            raise UnsupportedSchemeError(address, "a session has to be placed there first, by %connect in a notebook.")
        placement = _placement(address)
        if placement is None:
            unknown = "nothing is known here of where it was placed"
            raise SessionGoneError(self.display(address), _gone.get(address, unknown))
        try:
            sock = open_placed(address, placement, deadline)
        except DialCancelledError:
            raise
        except DialError as error:
            scheduler = f"tcp://{_scheduler(address)}"
            if isinstance(error, NobodyListeningError) and dask_client.is_refused(scheduler, deadline):
                first = _refused.setdefault(address, time.monotonic())
                if not syntax.is_loopback(placement.host) and time.monotonic() - first < GONE_AFTER_S:
                    raise  # this machine may be in another network
                gone = "neither its server nor the cluster's scheduler is there any more"
            else:
                try:
                    gone = dask_cluster.look(address, placement, deadline)
                except DialError:
                    raise error from None
                if not gone:
                    raise
        else:
            _refused.pop(address, None)
            return sock
        _gone[address] = gone  # for another session of that server
        placements.forget(placement.token)
        raise SessionGoneError(self.display(address), gone)


_lock = threading.Lock()  # one is placed after the other


@contextlib.contextmanager
def _alone(address: Address, cancel: threading.Event | None) -> Iterator[None]:
    """Hold the lock; whoever waits for it can be stopped."""
    while not _lock.acquire(timeout=POLL_INTERVAL_S):
        if cancel is not None and cancel.is_set():
            raise DialCancelledError(address)
    try:
        yield
    finally:
        _lock.release()


_latest: dict[Address, Address] = {}  # where this process had the session of an address placed last


_gone: dict[Address, str] = {}  # why the servers are gone that this process has found so
_refused: dict[Address, float] = {}  # since when both that server and the scheduler have refused connections


def _scheduler(address: Address) -> str:
    return f"{'[' * (':' in address.host)}{address.host}{']' * (':' in address.host)}:{address.port}"


def _placement(address: Address) -> Placement | None:
    from rpyc_kernel.transport.placing import placements  # noqa: PLC0415

    return placements.find(options_in(address.path).get("placed", ""))


def _lives(server: Address, cancel: threading.Event | None) -> bool:
    try:
        TRANSPORT.open_socket(server, Deadline(PROBE_TIMEOUT_S, cancel)).close()
    except (DialError, SessionGoneError):
        return False
    return True


def _with(address: Address, given: dict[str, str]) -> Address:
    text = "&".join(f"{name}={quote(given[name], safe=':/,')}" for name in OPTIONS if given.get(name))
    return dataclasses.replace(address, path=f"?{text}" if text else "")


def _amounts(text: str, resources: str) -> list[tuple[str, float]]:
    """Read ``GPU:1,MEMORY:2e9``. Raises AddressError."""
    found = [_RESOURCE.fullmatch(each) for each in resources.split(",")]
    if not all(found):
        raise AddressError(f"{shown(text)}: {shown(resources)} is no list of resources like GPU:1,SLOTS:2.")
    return [(match[1], float(match[2])) for match in found if match]


TRANSPORT = Dask("dask")
