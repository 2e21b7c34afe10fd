"""Execute a notebook on a machine with papermill, with parameters."""

import argparse
import json

import papermill

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("notebook")
parser.add_argument("result")
parser.add_argument("--address", default="", help="the machine; without it, this one's own Python")
parser.add_argument("--parameters", type=json.loads, default={}, help="what takes the place of the tagged cell: JSON")
options = parser.parse_args()

papermill.execute_notebook(
    options.notebook,
    options.result,
    parameters=options.parameters,
    kernel_name="rpyc",
    progress_bar=False,
    extra_arguments=[f"--RpycKernel.address={options.address}"],  # what papermill doesn't know goes to nbclient
)
