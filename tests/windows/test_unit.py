"""The unit tests begin on a Windows, and leave the user's private files alone."""

from __future__ import annotations

import re

from tests.kernel.kernels import SOURCE
from tests.windows.wine import Wine, windows_path

ROOT = SOURCE.parent
# What the packages there don't have: numpy and nbclient, whose DLLs Wine doesn't load, and Jupyter's server.
WITHOUT = [
    "agent/worker/show/test_encoders",
    "agent/worker/show/test_screen",
    "agent/worker/show/test_plot",
    "agent/worker/show/test_saving",
    "contents/test_mixed",
    "values/test_pieces",
    "agent/values/test_of_numpy",
    "agent/values/test_of_pandas",
    "agent/values/test_of_pillow",
    "agent/values/test_of_polars",
    "agent/values/test_of_pyarrow",
    "agent/values/test_unpacker",
    "batch/test_notebook",
    "kernel/jupyter/test_iopub_rate_limit",
]
TIMEOUT_S = 300  # to collect some thousands of them
SOME = "test_boot or test_local_socket or test_records or test_abort_ends"
PYTEST = """
import os, pytest, sys
class Probe:
    def pytest_collection_finish(self):
        print("private files are in", os.environ["LOCALAPPDATA"])
sys.exit(pytest.main(sys.argv[1:], plugins=[Probe()]))
"""


def test_all_are_collected_and_some_run(wine: Wine) -> None:
    # Now and then Wine can't close the handle of a process that has ended.
    arguments = [
        "-p",
        "no:cacheprovider",
        "-q",
        "-s",
        "-k",
        SOME,
        "-W",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ]
    ignored = [f"--ignore=tests/unit/{name}.py" for name in WITHOUT]
    paths = ";".join(map(windows_path, (wine.packages, SOURCE, ROOT)))
    said = wine.run("-c", PYTEST, *arguments, *ignored, "tests/unit", PYTHONPATH=paths, folder=ROOT, timeout=TIMEOUT_S)
    assert " passed, " in said
    private = re.search(r"private files are in (.+)", said)
    assert private
    name = private.group(1).rstrip().rpartition("\\")[2]
    assert name.startswith("rpyc-kernel-tests-")
    left = [f"Temp/{name}", "AppData/Local/rpyc-kernel", ".cache/rpyc-kernel"]
    assert [found for each in left for found in wine.prefix.glob(f"drive_c/users/*/{each}")] == []
