"""A kernel that listens on Unix sockets, and on no port."""

import argparse
import os
import tempfile

import psutil
from jupyter_client import KernelManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:  # of mode 0700: what keeps others out
    file = os.path.join(folder, "kernel.json")  # always name it: the sockets lie beside it
    manager = KernelManager(kernel_name="rpyc", transport="ipc", connection_file=file)
    manager.start_kernel(extra_arguments=[f"--RpycKernel.address={options.address}"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("print('no port needed')", timeout=60)
        print("sockets:", *sorted(name for name in os.listdir(folder) if "-ipc-" in name))
        connections = psutil.Process(manager.provisioner.pid).net_connections("tcp")
        print("ports:", [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN])
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    print("left:", os.listdir(folder))
