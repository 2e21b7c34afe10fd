"""What rpyc-kernel would find on Windows, as far as Linux can play it: no names of POSIX, workers that are spawned."""

from pathlib import Path

FOLDER = str(Path(__file__).parent)
#: for processes that shall be deceived, see sitecustomize.py
DECEIVED = {"PYTHONPATH": FOLDER}
#: for servers whose workers shall be spawned, although they could be forked
SPAWN = {"RPYC_KERNEL_WORKER": "spawn"}
#: for servers there
SERVER = {**DECEIVED, **SPAWN}
