"""A jupyter console with a kernel of our own, which is connected to a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager
from jupyter_console.app import ZMQTerminalIPythonApp

from rpyc_kernel.batch.kernel import kernel_on

if TYPE_CHECKING:
    from rpyc_kernel.hosts.target import Target


def run(machine: Target) -> None:
    """Open a console on a machine, until it is left; then its kernel ends, and the session there."""
    with kernel_on(machine, "shell") as kernel:

        class Manager(KernelManager):
            """Starts it. The application makes one of these by itself."""

            def __init__(self, **more: Any) -> None:
                super().__init__(kernel_spec_manager=kernel, transport_encryption="required", **more)

        app = ZMQTerminalIPythonApp.instance(confirm_exit=False)
        app.kernel_manager_class = Manager
        app.initialize([])
        try:
            app.start()
        finally:
            if app.kernel_manager.has_kernel:
                app.kernel_client.stop_channels()
                app.kernel_manager.shutdown_kernel()
