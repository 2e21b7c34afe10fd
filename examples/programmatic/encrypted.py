"""A kernel whose messages are encrypted, and that answers only who has the keys (CurveZMQ, jupyter_client >= 8.9)."""

import argparse

import zmq
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
    context = zmq.Context()
    context.setsockopt(zmq.SNDTIMEO, 3000)  # milliseconds: one that was refused has been seen to wait for ever
    stranger = BlockingKernelClient(context=context)
    stranger.load_connection_info(information)
    stranger.start_channels(hb=False)
    try:
        stranger.kernel_info(reply=True, timeout=3)
    except (TimeoutError, zmq.Again):
        print("without them: no answer")
    stranger.stop_channels()
    context.destroy(linger=0)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
