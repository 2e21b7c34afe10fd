"""The Jupyter server's extension for pages. It is on where the package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join

from rpyc_kernel.jupyter_server.hosts_handler import HostsHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Serve what pages ask for."""
    url = url_path_join(app.base_url, "rpyc-kernel", "hosts")
    app.web_app.add_handlers(".*$", [(url, HostsHandler)])
