"""The Jupyter server's extension, which is on where the package is installed.

``jupyter server extension disable rpyc_kernel`` turns it off.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join
from tornado.routing import PathMatches, Rule

from rpyc_kernel.contents.downloads import DownloadHandler, OnMachine
from rpyc_kernel.contents.mixed import WithMachines, with_machines

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _link_jupyter_server_extension(app: ServerApp) -> None:
    """Have the server make its manager of contents from a class that has machines, before there is one."""
    app.contents_manager_class = with_machines(app.contents_manager_class)


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Put our handlers before Jupyter's."""
    manager = app.contents_manager
    if not isinstance(manager, WithMachines):  # another extension has replaced the class meanwhile
        app.log.warning("rpyc_kernel: machines are not in the file browser, since another extension replaces it")
        return
    machines = manager.machine_contents.machines
    machines.kernels = app.kernel_manager
    atexit.register(machines.close)
    files = url_path_join(app.base_url, "files/")
    rules = [Rule(OnMachine(files, manager), DownloadHandler)]
    try:
        from rpyc_kernel.contents.links import LinkHandler  # noqa: PLC0415 - jupyter_server has it from 2.18 on
    except ImportError:
        pass
    else:
        rules.append(Rule(PathMatches(url_path_join(app.base_url, "api/resolvePath")), LinkHandler))
    app.web_app.add_handlers(".*$", rules)
