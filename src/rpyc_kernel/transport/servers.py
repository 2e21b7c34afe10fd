"""Connecting to one of the servers that an address stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rpyc_kernel.errors import DialCancelledError, DialError, LinkError, ServiceDownError
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpyc_kernel.transport.address import Address

MIN_SHARE_S = 1.0  # for one of many servers

Connected = TypeVar("Connected")


def first_server(
    address: Address,
    servers: Sequence[Address],
    connect: Callable[[Address, float | None], Connected],
    timeout: float | None = None,
) -> Connected:
    """Connect to the first server that can be connected to, of those that *address* stands for.

    Args:
        address: Of a server, or the name of a service.
        servers: Their addresses, as `Address.locate` returns them.
        connect: Called with a server's address, and how many seconds it may take (None: any). Its result is
            returned.
        timeout: Seconds for the connecting, which the servers share.

    Raises:
        ServiceDownError: None of them can be connected to.
        RpycKernelError: What *connect* has raised for the one server of an address that is no name.
    """
    if servers == [address]:
        return connect(address, timeout)
    errors: list[Exception] = []
    deadline = Deadline(timeout)
    for number, server in enumerate(servers):
        left = deadline.left()
        share = None if left is None else max(left / (len(servers) - number), min(left, MIN_SHARE_S))
        try:
            return connect(server, share)
        except DialCancelledError:
            raise
        except (DialError, LinkError) as error:
            errors.append(error)
    raise ServiceDownError(address.host, errors)
