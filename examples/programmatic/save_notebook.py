"""Run a Python file on a machine, and write what it gave out to a notebook. `# %%` begins a cell."""

import argparse
import re
from pathlib import Path

import nbformat
from jupyter_client import KernelManager
from nbformat.v4 import new_code_cell, new_notebook, output_from_msg

OUTPUTS = {"stream", "display_data", "execute_result", "error"}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("script")
parser.add_argument("notebook")
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

cells = re.split(r"^# %%.*\n", Path(options.script).read_text(encoding="utf-8"), flags=re.MULTILINE)
notebook = new_notebook()
notebook.metadata.kernelspec = {"name": "rpyc", "display_name": "Python (RPyC)", "language": "python"}

manager = KernelManager(kernel_name="rpyc")
manager.start_kernel(extra_arguments=[f"--RpycKernel.address={options.address}"])
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=60)
    for text in filter(str.strip, cells):
        messages = []
        reply = client.execute_interactive(text, allow_stdin=False, output_hook=messages.append)["content"]
        outputs = [output_from_msg(message) for message in messages if message["msg_type"] in OUTPUTS]
        count = reply["execution_count"]
        notebook.cells.append(new_code_cell(text.strip(), outputs=outputs, execution_count=count))
        if reply["status"] != "ok":
            print(f"cell {count} failed: {reply['ename']}: {reply['evalue']}")
            break
finally:
    client.stop_channels()
    manager.shutdown_kernel()

nbformat.write(notebook, options.notebook)
print(f"{len(notebook.cells)} cells in {options.notebook}")
