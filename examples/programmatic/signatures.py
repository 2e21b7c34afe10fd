"""A kernel runs only what is signed with the key of its connection file, and no message twice."""

from jupyter_client import KernelManager

manager = KernelManager(kernel_name="rpyc")
manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=60)
    client.execute("done = []", reply=True, timeout=60)
    session = client.session
    print("scheme:", session.signature_scheme)

    # All on one socket: when the last of them is answered, what was sent before has arrived.
    key, session.key = session.key, b"some other key"
    client.execute("done.append('wrong key')")
    session.key = b""
    client.execute("done.append('no key')")
    session.key = key
    client.execute("done.append('right key')")

    message = session.msg("execute_request", {"code": "done.append('once')", "silent": False})
    client.shell_channel.send(message)
    client.shell_channel.send(message)

    client.execute_interactive("print('run:', done)", timeout=60)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
