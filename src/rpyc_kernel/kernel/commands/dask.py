"""``%dask start`` and ``%dask stop``: the notebook's machines as one Dask cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel import cluster_code, own_cluster
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.kernel.commands.targets import sessions_of
from rpyc_kernel.kernel.own_cluster import OwnCluster
from rpyc_kernel.kernel.parallel import CollectedOutput, ParallelRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.sessions.session import RemoteSession

OPEN = (
    "Its connections are not encrypted, and whoever reaches {0} can run code on all of its machines: use it in a "
    "network that you trust."
)


@command(
    "dask",
    "Makes the notebook's machines a Dask cluster, and puts its client into the variable client, here and there.",
    Positional("action", "start or stop"),
    Positional(
        "hosts",
        "names of machines, as %hosts lists them; all without one",
        required=False,
        many=True,
        suggests="connected",
    ),
    Option("scheduler", Kind.TEXT, "join the cluster of that scheduler", "ADDRESS"),
    Option("scheduler-on", Kind.TEXT, "start the scheduler on that machine instead of this one", "NAME", "connected"),
    Option("host", Kind.TEXT, "the address at which the machines reach the scheduler's", "ADDRESS"),
    examples=(
        "%dask start",
        "%dask start --scheduler-on gpu",
        "%dask start pi gpu --scheduler 10.0.0.7:8786",
        "%dask stop",
    ),
)
async def dask(
    context: CommandContext,
    action: str,
    hosts: list[str] | None,
    *,
    scheduler: str | None,
    scheduler_on: str | None,
    host: str | None,
) -> str:
    """Start or stop the notebook's cluster."""
    runs = context.parallel
    if action == "stop" and not (hosts or scheduler or scheduler_on or host):
        if runs.cluster is None:
            return "No Dask cluster of this notebook runs."
        cluster = runs.cluster
        await _stop(context, cluster)
        return "The Dask cluster has ended." if cluster.is_ours else "The Dask cluster has ended for this notebook."
    if action != "start":
        raise CommandError("%dask takes start, with names of machines and options, or stop.")
    if runs.cluster is not None:
        raise CommandError(f"The notebook has a Dask cluster already, at {runs.cluster.address}. %dask stop ends it.")
    if scheduler and scheduler_on:
        raise CommandError("%dask start takes --scheduler or --scheduler-on: there is one scheduler.")
    own_cluster.check_installed()
    at = await context.sessions.named(scheduler_on) if scheduler_on else None
    found = await sessions_of(context, ",".join(hosts or ()) or None)
    addresses = [session.address for session in found]
    if scheduler:
        cluster = OwnCluster.join(scheduler)
    elif at is None:
        cluster = await context.blocking(lambda cancel: OwnCluster.begin(addresses, host or "", cancel))
    else:
        cluster = await _scheduler_there(context, at, host or own_cluster.host_of(at.address, addresses))
    runs.cluster, cluster.machines = cluster, found
    try:
        return await _begin(context, cluster, found)
    except BaseException:
        await _stop(context, cluster)
        raise


async def _run(context: CommandContext, code: str, sessions: Sequence[RemoteSession]) -> ParallelRun:
    """Run code on machines, and collect what comes of it."""
    run = ParallelRun(code, sessions, collected=True)
    await run.run(context.runner, context.cell, context.output)
    return run


async def _scheduler_there(context: CommandContext, session: RemoteSession, host: str) -> OwnCluster:
    beside = asyncio.create_task(asyncio.to_thread(own_cluster.load))
    run = await _run(context, cluster_code.start_scheduler(host), [session])
    await beside
    (part,) = run.parts
    if part.failure:
        raise CommandError(f"No scheduler on {session.label}: {part.failure}")
    told = cluster_code.scheduler_of(part.show.messages) if isinstance(part.show, CollectedOutput) else None
    if told is None:
        raise CommandError(f"The scheduler on {session.label} has not told its address.")
    return await context.blocking(lambda cancel: OwnCluster.there(session, told, cancel))


async def _begin(context: CommandContext, cluster: OwnCluster, found: list[RemoteSession]) -> str:
    await context.blocking(cluster.open)
    run = await _run(context, cluster_code.start_worker(cluster.address), found)
    failed = {part.show.label: part.failure for part in run.parts if part.failure}
    begun = len(found) - len(failed)
    if not begun:
        raise CommandError(f"No worker was started: {next(iter(failed.values()))}")
    context.local_names["client"] = cluster.client
    current = context.sessions.current
    if current is not None and current.label not in failed:  # while the workers begin
        await _run(context, cluster_code.make_client(cluster.address), [current])
    missing, count = await context.blocking(lambda cancel: cluster.wait(begun, cancel))
    lines = [f"A Dask cluster of {count} worker{'s' * (count != 1)}, at {cluster.address}; client is here and there."]
    if cluster.dashboard:
        lines.append(f"Its dashboard is {cluster.dashboard}")
    lines += [f"No worker on {label}: {failure}" for label, failure in failed.items()]
    if missing:
        lines.append(f"{missing} more have not come yet: do the machines reach {cluster.address}? --host says it.")
    if not cluster.address.startswith(("tls://", "tcp://127.")):
        lines.append(OPEN.format(cluster.address))
    return "\n".join(lines)


async def _stop(context: CommandContext, cluster: OwnCluster) -> None:
    runs = context.parallel
    left = [session for session in cluster.machines if not session.closed]
    runs.cluster = None
    if context.local_names.get("client") is cluster.client:
        context.local_names.pop("client", None)
    try:
        if left:
            await _run(context, cluster_code.end("worker"), left)
    finally:
        await context.blocking(cluster.close)
        if cluster.scheduler_session is not None and not cluster.scheduler_session.closed:
            await _run(context, cluster_code.end("scheduler"), [cluster.scheduler_session])
