"""The same code on several machines at once: a kernel for each."""

import argparse
import asyncio

from jupyter_client import AsyncKernelManager

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("addresses", nargs="*", default=["", ""], help="the machines; without any, this one's, twice")
parser.add_argument("--code", default="import os; print(os.getcwd())", help="what to run")
options = parser.parse_args()


async def printed(address, code):
    """Run *code* on a machine and return what it prints."""
    manager = AsyncKernelManager(kernel_name="rpyc")
    await manager.start_kernel(extra_arguments=[f"--RpycKernel.address={address}"])
    client = manager.client()
    client.start_channels()
    texts = []

    def keep(message):
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])

    try:
        await client.wait_for_ready(timeout=60)
        await client.execute_interactive(code, timeout=60, allow_stdin=False, output_hook=keep)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
    return "".join(texts)


async def main():
    results = await asyncio.gather(*(printed(address, options.code) for address in options.addresses))
    for address, text in zip(options.addresses, results, strict=True):
        print(f"{address or 'here'}: {text.rstrip()}")


asyncio.run(main())
