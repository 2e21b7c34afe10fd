"""`make lab`: JupyterLab with copies of the examples, and a stock RPyC server on this machine to connect to.

Arguments are handed to JupyterLab: python scripts/lab.py --no-browser
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from stock_server import DEFAULT_PORT, stock_server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "lab"


def main() -> int:
    """Run JupyterLab until it ends and return its exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for example in sorted((ROOT / "examples").iterdir()):
        if example.is_file() and not (FOLDER / example.name).exists():
            shutil.copy(example, FOLDER)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernelspec beside this Python
    with stock_server(FOLDER.with_name("lab-server.log")) as port:
        if port != DEFAULT_PORT:
            print(
                f'Port {DEFAULT_PORT} is taken, so the examples\' $connect("localhost") reaches whoever has it. '
                f'The server of this demonstration is $connect("localhost:{port}").'
            )
        lab = [sys.executable, "-m", "jupyterlab", *sys.argv[1:], "quickstart.ipynb"]
        with subprocess.Popen(lab, cwd=FOLDER) as process:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is JupyterLab's to answer: it asks first
            return process.wait()


if __name__ == "__main__":
    sys.exit(main())
