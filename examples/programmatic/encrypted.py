"""A kernel whose messages are encrypted, and that answers only who has the keys (CurveZMQ, jupyter_client >= 8.9)."""

import argparse

from jupyter_client import BlockingKernelClient, KernelManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--transport", choices=["tcp", "ipc"], default="tcp")
options = parser.parse_args()

manager = KernelManager(kernel_name="rpyc", transport=options.transport, transport_encryption="required")
manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=60)
    client.execute_interactive("print('encrypted')", timeout=60)

    information = manager.get_connection_info()
    print("keys:", *sorted(name for name in information if name.startswith("curve")))
    for name in ("curve_publickey", "curve_secretkey"):
        del information[name]
    stranger = BlockingKernelClient()
    stranger.load_connection_info(information)
    stranger.start_channels()
    try:
        stranger.wait_for_ready(timeout=3)
    except RuntimeError as error:
        print("without them:", error)
    stranger.stop_channels()
finally:
    client.stop_channels()
    manager.shutdown_kernel()
