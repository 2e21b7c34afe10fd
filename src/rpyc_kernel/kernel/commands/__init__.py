"""The commands of our own, a family in a file. To import one of these modules is to have all commands."""

from rpyc_kernel.kernel.commands import (
    connect,
    dask,
    discover,
    doctor,
    files,
    forward,
    hosts,
    lease,
    live_pictures,
    machine,
    pair,
    sessions,
    several,
    sync,
    values,
)

__all__ = [
    "connect",
    "dask",
    "discover",
    "doctor",
    "files",
    "forward",
    "hosts",
    "lease",
    "live_pictures",
    "machine",
    "pair",
    "sessions",
    "several",
    "sync",
    "values",
]
