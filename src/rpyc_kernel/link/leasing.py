"""Who holds a machine: asks its broker for the lease, takes it, waits for it, ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rpyc_kernel.transport.broker_client import held_by, open_broker

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.transport.address import Address

ANSWER_TIMEOUT_S = 10.0
WAIT_INTERVAL_S = 1.0  # between two questions of one who waits in line


class LeaseAnswer(NamedTuple):
    """What a machine has answered.

    Attributes:
        held: Who has it, what for and for how long, a sentence; "" where nobody has.
        place: How many come before the one who has asked.
        free: Whether nobody does.
    """

    held: str
    place: int
    free: bool


def ask(
    address: Address,
    person: str,
    *,
    seconds: float | None = None,
    note: str = "",
    wait: bool = False,
    end: bool = False,
    cancel: threading.Event,
) -> LeaseAnswer:
    """Show a machine's lease, take it for some *seconds*, or end it.

    Args:
        address: The machine's server.
        person: Who asks.
        seconds: How long they want to have it; None to show it.
        note: What for.
        wait: Whether to wait in line until nobody has it, or *cancel* is set.
        end: Whether to end it, whoever has it.
        cancel: Gives up when it is set.

    Raises:
        RpycKernelError: The machine can't be reached, or refuses.
    """
    header: dict[str, Any] = {"person": person, "seconds": seconds, "note": note, "wait": wait, "end": end}
    with open_broker(address, timeout=ANSWER_TIMEOUT_S, cancel=cancel) as broker:
        while True:
            answer = _read(address, broker.call("lease", header, timeout=ANSWER_TIMEOUT_S)[0])
            if not wait or answer.free:
                return answer
            if cancel.wait(WAIT_INTERVAL_S):
                return _read(
                    address, broker.call("lease", {"person": person, "leave": True}, timeout=ANSWER_TIMEOUT_S)[0]
                )


def _read(address: Address, answer: dict[str, Any]) -> LeaseAnswer:
    place = answer.get("place")
    free = answer.get("free") is True
    return LeaseAnswer(held_by(address, answer.get("lease")), place if type(place) is int else 0, free)
