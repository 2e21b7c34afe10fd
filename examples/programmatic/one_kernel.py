"""Start a kernel, run something on a machine, read what comes back, end it."""

import argparse

from jupyter_client import KernelManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for the kernel")
options = parser.parse_args()

manager = KernelManager(kernel_name="rpyc")
manager.start_kernel(extra_arguments=[f"--RpycKernel.address={options.address}"])
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=options.timeout)

    # What the cell prints, its value and its traceback come out here.
    reply = client.execute_interactive("import os; print('hello from', os.getcwd())", timeout=60)
    print("status:", reply["content"]["status"])

    # Or a function of yours gets every message.
    messages = []
    client.execute_interactive("6 * 7", timeout=60, output_hook=messages.append)
    values = [message["content"]["data"] for message in messages if message["msg_type"] == "execute_result"]
    print("value:", values[0]["text/plain"])

    # Or only values are wanted.
    reply = client.execute("x = 20", user_expressions={"twice": "x * 2"}, reply=True, timeout=60)
    print("twice:", reply["content"]["user_expressions"]["twice"]["data"]["text/plain"])
finally:
    client.stop_channels()
    manager.shutdown_kernel()  # asks the kernel, which ends its session on the machine
