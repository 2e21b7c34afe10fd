"""A Dask cluster, as far as placing a session goes: asks its scheduler for a worker, and later what became of it.

Dask's client is open only meanwhile. It reads what the scheduler sends by pickle, as Dask does everywhere: whoever runs
the scheduler can run code in this process. Hence nobody but who names a ``dask://`` address comes here.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import warnings
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.agent.serve.store import KEY_BYTES
from rpyc_kernel.errors import DialCancelledError, DialTimeoutError, ProgramError
from rpyc_kernel.transport import paired
from rpyc_kernel.transport.placing import dask_client, program
from rpyc_kernel.transport.placing.placements import Placement
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

T = TypeVar("T")
PREFIX = "rpyckernel"  # of the keys of our tasks
POLL_S = 0.05
LOOK_TIMEOUT_S = 5.0
MAX_SAID_CHARS = 300
INSTALL = "Install it here: python -m pip install 'rpyc-kernel[dask]'"
# A worker has no module of ours: it evaluates the text of one.
# What the workers have, what of it is reserved, and how busy they are. Dask's own choice goes by what they have alone.
_STATE = """[{w.address: [dict(w.resources), dict(w.used_resources),
 sum(str(t.key).startswith(ours) for t in w.processing), len(w.processing)] for w in s.running}
 for s in list(__import__('distributed').Scheduler._instances) if client in s.clients][0]"""
_RUN = "exec(compile(text, '<rpyc-kernel task>', 'exec'), scope) or scope['place'](wanted)"


def place(
    address: Address, scheduler: str, *, worker: str, resources: dict[str, float], deadline: Deadline
) -> Placement:
    """Have a worker start the server of a session, which it reserves *resources* for.

    Args:
        address: Which the errors name.
        scheduler: ``host:port``.
        worker: The address of the worker; "" leaves the choice to the scheduler.
        resources: What it needs, by the names that the workers were started with.
        deadline: For all of it.

    Raises:
        DialError: The scheduler doesn't answer, no worker has what is asked for, or the task has failed.
    """
    asked = address, scheduler, worker, resources, deadline
    return _within(address, deadline, lambda given_up: _place(*asked, given_up))


def _within(address: Address, deadline: Deadline, work: Callable[[threading.Event], T]) -> T:
    future = dask_client.beside(work, deadline)
    if future.done():
        return future.result()
    raise DialCancelledError(address) if deadline.cancelled else DialTimeoutError(address, deadline.timeout or 0.0)


def _place(
    address: Address,
    scheduler: str,
    worker: str,
    resources: dict[str, float],
    deadline: Deadline,
    given_up: threading.Event,
) -> Placement:
    token, key = f"{PREFIX}{secrets.token_hex(8)}", secrets.token_bytes(KEY_BYTES)
    client_name = paired.own_name()
    wanted = {"token": token, "client": client_name, "key": key.hex(), **program.parts()}
    scope: dict[str, Any] = {"__name__": "rpyc_kernel_task"}
    text = files(__package__).joinpath("dask_task.py").read_text(encoding="utf-8")
    with _client(address, scheduler, deadline, given_up) as (client, note):
        from distributed import fire_and_forget  # noqa: PLC0415 - as late as all of Dask

        changed, told = threading.Event(), []

        def hear(event: Any) -> None:
            told.append(event[1])
            changed.set()

        client.subscribe_topic(token, hear)
        chosen = worker or _choose(client, resources)
        future = client.submit(
            eval,
            _RUN,
            {"text": text, "scope": scope, "wanted": wanted},
            key=token,
            pure=False,
            retries=0,
            resources=resources or None,
            workers=[chosen] if chosen else None,
            allow_other_workers=False,
        )
        future.add_done_callback(lambda _future: changed.set())
        fire_and_forget(future)  # it stays when this client goes
        try:
            while not changed.wait(POLL_S):
                if given_up.is_set() or deadline.cancelled:
                    raise DialCancelledError(address)
                if deadline.expired:
                    raise ProgramError(address, _nobody(worker, resources, deadline.timeout), _mend(worker, resources))
            if not told:
                raise ProgramError(address, f"the task there has failed: {_failure(future)}.")
            answer = dict(told[0])
            found = (token, scheduler, answer["worker"], answer["host"], answer["port"], client_name)
            return Placement(*found, answer["fingerprint"], key.hex(), note).check()
        except (LookupError, TypeError, ValueError):
            raise ProgramError(address, "what the task there has told is not what it tells.") from None
        except BaseException:
            with contextlib.suppress(Exception):
                client.cancel([future], force=True)
            raise


def look(address: Address, placement: Placement, deadline: Deadline) -> str:
    """Return why a session's server is gone for good, as a part of a sentence; "" where it may come back.

    Raises:
        DialError: The scheduler doesn't tell.
    """
    part = deadline.part(LOOK_TIMEOUT_S)
    return _within(address, part, lambda given_up: _look(address, placement, part, given_up))


def _look(address: Address, placement: Placement, deadline: Deadline, given_up: threading.Event) -> str:
    worker = placement.worker
    with _client(address, placement.scheduler, deadline, given_up) as (client, _note):
        processing = client.processing()
        if placement.token in processing.get(worker, ()):
            return ""
        actions = [dict(event).get("action") for _time, event in client.get_events(worker) or ()]
        with contextlib.suppress(Exception):  # where the scheduler holds it for a worker that never comes
            from distributed import Future  # noqa: PLC0415

            client.cancel([Future(placement.token, client)], force=True)
    if "retired" in actions:
        return f"the worker {worker} was retired"
    if "remove-worker" in actions:
        return f"the worker {worker} has died or was stopped"
    if worker in processing:
        return f"its task on the worker {worker} has ended"
    return f"the cluster has no worker {worker} any more, as after a restart of its scheduler"


def _choose(client: Any, resources: dict[str, float]) -> str:
    """Return the worker that has *resources* free and is the least busy; "" leaves it to the scheduler.

    A scheduler that takes no functions leaves it to itself; one with no such worker may get one, as adaptive ones do.
    """
    try:
        found = client.run_on_scheduler(eval, _STATE, {"client": client.id, "ours": PREFIX})
        fit = [
            (ours, busy, address)
            for address, (has, used, ours, busy) in found.items()
            if all(has.get(name, 0) - used.get(name, 0) >= amount for name, amount in resources.items())
        ]
    except Exception:  # noqa: BLE001 - whatever the scheduler's versions or rules say
        return ""
    return str(min(fit)[2]) if fit else ""


@contextlib.contextmanager
def _client(
    address: Address, scheduler: str, deadline: Deadline, given_up: threading.Event
) -> Iterator[tuple[Any, str]]:
    """Give a client of the scheduler, and a sentence about versions that differ. Raises a DialError."""
    try:
        import dask  # noqa: PLC0415 - 0.5 s, and only for who uses a cluster
        import distributed  # noqa: F401, PLC0415
    except ImportError as error:
        raise ProgramError(address, f"Dask's package distributed is missing here ({error}).", INSTALL) from None
    if deadline.cancelled:
        raise DialCancelledError(address)
    tls = any(dask.config.get(f"distributed.comm.{name}", None) for name in ("tls.ca-file", "require-encryption"))
    where = f"{'tls' if tls else 'tcp'}://{scheduler}"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            client = dask_client.open_client(where, deadline, given_up, set_as_default=False, name="rpyc-kernel")
        except (OSError, ValueError, ImportError) as error:
            raise _no_scheduler(address, error, deadline) from None
    differ = any("VersionMismatch" in each.category.__name__ for each in warned)
    note = "The versions of Dask or Python here and in the cluster differ, which Dask warns of." if differ else ""
    try:
        yield client, note
    finally:
        dask_client.close(client)


def _no_scheduler(address: Address, error: Exception, deadline: Deadline) -> Exception:
    if isinstance(error, TimeoutError) and not str(error):
        return DialTimeoutError(address, deadline.timeout or 0.0)
    said = plain(str(error) or type(error).__name__, MAX_SAID_CHARS).rstrip(".")
    return ProgramError(address, f"no Dask scheduler answers there ({said}).", "Is the address the scheduler's?")


def _failure(future: Any) -> str:
    try:
        error = future.exception(timeout=2)
    except Exception as told:  # noqa: BLE001 - Dask has an error for each state
        error = told
    return plain(f"{type(error).__name__}: {error}", MAX_SAID_CHARS).rstrip(".")


def _nobody(worker: str, resources: dict[str, float], seconds: float | None) -> str:
    needs = ", ".join(f"{name}:{amount:g}" for name, amount in resources.items())
    what = " and ".join(filter(None, [f"is {worker}" if worker else "", f"has {needs} free" if needs else ""]))
    return f"no worker that {what or 'takes a task'} was found within {seconds or 0.0:g} s."


def _mend(worker: str, resources: dict[str, float]) -> str:
    if resources:
        return "Start workers with it (dask worker … --resources), or end a session that has it."
    return "The cluster's dashboard lists its workers." if worker else "Start workers: dask worker SCHEDULER"
