"""Stop a cell, and restart the kernel."""

import argparse

from jupyter_client import KernelManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

manager = KernelManager(kernel_name="rpyc")
manager.start_kernel(extra_arguments=[f"--RpycKernel.address={options.address}"])
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=60)

    sent = client.execute("import time\nx = 1\nprint('begun')\ntime.sleep(600)")
    while client.get_iopub_msg(timeout=60)["content"].get("text") != "begun\n":
        pass
    manager.interrupt_kernel()
    # Replies that nobody has waited for may come first: wait_for_ready asks again and again.
    while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != sent:
        pass
    print("stopped:", reply["content"]["ename"])
    client.execute_interactive("print('x is still', x)", timeout=60)

    manager.restart_kernel()  # the same connection file, ports and extra arguments
    client.wait_for_ready(timeout=60)  # the same client goes on
    client.execute_interactive("print('after a restart:', 'x' in globals())", timeout=60)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
