"""Restart a kernel on other ports."""

from jupyter_client import KernelManager

# By default a manager chooses its ports before it counts the ones that nobody has set, so that there are none to
# forget, and `newports` changes nothing.
manager = KernelManager(kernel_name="rpyc", cache_ports=False)
manager.start_kernel()
try:
    print("ports:", sorted(manager.ports))
    manager.restart_kernel(newports=True)  # calls cleanup_random_ports()
    print("ports:", sorted(manager.ports))
    client = manager.client()  # one that was made before would wait on the old ports
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute_interactive("print('answers')", timeout=60)
    client.stop_channels()
finally:
    manager.shutdown_kernel()
