"""``/api/resolvePath``, by which pages find the files that tracebacks name: on the machine where the cell ran.

Jupyter's own answer is a file of this machine whose path is the same, whatever kernel has printed it. For kernels of
ours there is none of these: the file is looked for on their machine, or there is no link.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from jupyter_server.services.api.handlers import PathResolverHandler
from tornado import web

from rpyc_kernel.contents.machines import name_of

if TYPE_CHECKING:
    from rpyc_kernel.contents.mixed import WithMachines

ANSWER_TIMEOUT_S = 10.0  # a page waits with all its other links
_WHOLE = re.compile(r"/|~(?:/|$)|[A-Za-z]:[\\/]")  # any other begins in a folder that only the session knows


class LinkHandler(PathResolverHandler):
    """Answers where a path of a kernel's output leads."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer for kernels of ours on other machines; for all others as Jupyter does."""
        manager: WithMachines = self.contents_manager
        kernel_id = self.get_query_argument("kernel", default=None)
        machines = manager.machine_contents.machines
        target = machines.runs_on(kernel_id) if kernel_id else None
        if target is None and not (kernel_id and machines.has_left(kernel_id)):
            await super().get()
            return
        found = None
        path = self.get_query_argument("path")
        if target is not None and _WHOLE.match(path):
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    found = await manager.machine_contents.resolve_on(name_of(target), path)
            except (web.HTTPError, TimeoutError) as error:
                self.log.debug("%s on %s: %s", path, target.display, error)
        resolved = [] if found is None else [{"scope": "server", "path": found}]
        self.finish(json.dumps({"resolved": resolved}))
