"""Execute a notebook on a machine with nbclient, and write it with its outputs."""

import argparse

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("notebook")
parser.add_argument("result")
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
options = parser.parse_args()

notebook = nbformat.read(options.notebook, as_version=4)
client = NotebookClient(
    notebook, kernel_name="rpyc", timeout=600, extra_arguments=[f"--RpycKernel.address={options.address}"]
)
try:
    client.execute()
except CellExecutionError as error:
    print(f"a cell failed: {error.ename}: {error.evalue}")
finally:
    nbformat.write(notebook, options.result)  # up to the cell that failed
