"""An application of one's own: its log, and the kernel's beside it."""

from jupyter_client import KernelManager
from traitlets import Unicode
from traitlets.config import Application, LoggingConfigurable


class Greeter(LoggingConfigurable):
    """Has `self.log` without having made it: its parent's, or that of the application that runs."""

    def greet(self, client):
        """Run one cell."""
        self.log.info("asking the kernel")
        client.execute_interactive("print('hello')", timeout=60)
        self.log.debug("it has answered")


class Logs(Application):
    """Starts a kernel whose log goes to a file."""

    name = "logs.py"
    description = __doc__
    classes = [Greeter, KernelManager]
    address = Unicode("", help="The machine; without it, this one's own Python.").tag(config=True)
    kernel_log = Unicode("kernel.log", help="The file for the kernel's log.").tag(config=True)
    aliases = {**Application.aliases, "address": "Logs.address", "kernel-log": "Logs.kernel_log"}

    def start(self):
        """Start a kernel, greet it, end it."""
        manager = KernelManager(kernel_name="rpyc", parent=self)  # so that what it logs comes here
        manager.start_kernel(
            extra_arguments=[
                f"--RpycKernel.address={self.address}",
                "--RpycKernel.log_level=DEBUG",
                f"--RpycKernel.log_file={self.kernel_log}",
            ]
        )
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            Greeter(parent=self).greet(client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()


if __name__ == "__main__":
    Logs.launch_instance()
