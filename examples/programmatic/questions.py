"""Answer what a cell asks with input() and getpass()."""

import argparse

from jupyter_client import KernelManager

CELL = """
import getpass
name = input("Name? ")
word = getpass.getpass("Password? ")
print(name, "has a password of", len(word), "letters")
"""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

manager = KernelManager(kernel_name="rpyc")
manager.start_kernel(extra_arguments=[f"--RpycKernel.address={options.address}"])
client = manager.client()
client.start_channels()


def answer(message):
    """Called with each input_request. Without this hook, the terminal would be asked."""
    question = message["content"]
    print("asked:", question["prompt"])
    client.input("secret" if question["password"] else "Ada")


try:
    client.wait_for_ready(timeout=60)
    client.execute_interactive(CELL, timeout=60, stdin_hook=answer)

    # Nobody there to answer: say so, and input() raises StdinNotImplementedError instead of waiting.
    reply = client.execute("input()", allow_stdin=False, reply=True, timeout=60)
    print("without stdin:", reply["content"]["ename"])
finally:
    client.stop_channels()
    manager.shutdown_kernel()
