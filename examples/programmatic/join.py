"""Talk to a kernel that somebody else has started: `jupyter kernel`, a notebook, another script."""

import argparse
import time

from jupyter_client import BlockingKernelClient, KernelManager, find_connection_file

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file", help="its connection file: a path, a name in Jupyter's runtime folder, or a part of one")
options = parser.parse_args()

path = find_connection_file(options.file)


def wait_until_ready(client, seconds):
    """As wait_for_ready, which gives up after the first second without a heartbeat: the kernel may be just starting."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            client.wait_for_ready(timeout=seconds)
            return
        except RuntimeError:
            if time.monotonic() > give_up:
                raise


# A client needs the file and nothing else.
client = BlockingKernelClient()
client.load_connection_file(path)
client.start_channels()
wait_until_ready(client, 60)
client.execute_interactive("joined = True; print('joined')", timeout=60)
client.stop_channels()

# A manager that has started no kernel takes its clients' kernel for a dead one ...
manager = KernelManager()
manager.load_connection_file(path)
print("alive, says a manager that has started none:", manager.client().is_alive())

# ... unless it knows that the kernel is somebody else's.
manager = KernelManager(owns_kernel=False)
manager.load_connection_file(path)
client = manager.client()
print("alive, says a manager that doesn't own it:", client.is_alive())
client.start_channels()
client.wait_for_ready(timeout=60)
client.execute_interactive("print('joined before:', joined)", timeout=60)
client.stop_channels()
