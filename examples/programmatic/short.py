"""The shortest: a kernel for the length of a `with` block."""

import argparse

from jupyter_client.manager import run_kernel

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

with run_kernel(kernel_name="rpyc", extra_arguments=[f"--RpycKernel.address={options.address}"]) as client:
    client.execute_interactive("print(sum(range(10)))", timeout=60)
    # At its end run_kernel kills the kernel, and a kernel that was killed leaves its session on the machine.
    client.shutdown(reply=True, timeout=60)
