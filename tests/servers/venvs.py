"""The venvs in which servers run, made once and kept. ``python -m tests.servers.venvs`` makes them all beforehand.

They are in the folder that RPYC_KERNEL_TEST_VENVS names, or else in ``.venvs`` of the repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.needs import MORE_PYTHONS, find, needs

CURRENT_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
CURRENT_RPYC = "6.0.2"

#: the oldest, the newest and what lies between, each on a Python of its time
VERSIONS = [("4.1.5", "3.8"), ("5.0.1", "3.7"), ("5.3.1", "3.9"), ("6.0.2", "3.11"), ("6.0.2", "3.13")]
VERSIONS += [(CURRENT_RPYC, python) for python in MORE_PYTHONS if python not in {each for _rpyc, each in VERSIONS}]

WITHOUT_IPYTHON = ["comm", "matplotlib", "nest_asyncio", "numpy", "pandas", "pillow", "tqdm"]
WITHOUT_IPYTHON += ["click", "line_profiler", "loguru", "memory_profiler", "pytest", "rich", "wurlitzer"]  # of reports
WITH_IPYTHON = [*WITHOUT_IPYTHON, "ipython", "ipywidgets", "matplotlib-inline"]
#: a machine on which somebody has installed Jupyter, too
WITH_IPYKERNEL = [*WITH_IPYTHON, "ipdb", "ipykernel>=7.4,<8", "ipympl", "jupyter_ui_poll"]
#: libraries of widgets, with the Jupyter server to which they bring their JavaScript
WIDGET_LIBRARIES = ["anywidget", "bqplot", "ipycanvas", "ipympl", "ipython", "ipywidgets", "ipywidgets_bokeh"]
WIDGET_LIBRARIES += ["jupyter_bokeh", "jupyter_rfb", "jupyterlab", "panel", "plotly", "tqdm"]
#: Jupyter servers that run the cells of a page themselves
WITH_DOCUMENTS = ["jupyter-server-documents", "jupyterlab"]
WITH_NBMODEL = ["jupyter-server-nbmodel", "jupyterlab"]
#: what the recipes of docs/growing.md are for
KERNEL_GATEWAY = ["jupyter-kernel-gateway"]
HUB = ["configurable-http-proxy", "jupyter_server", "jupyterhub"]
IPYPARALLEL = ["distributed", "ipyparallel"]
RAY = ["ray[default]"]
DEBUGGED = ["debugpy"]
DEBUGGED_IPYTHON = ["debugpy", "ipython"]
OLD_IPYTHON = ["ipython", "comm", "matplotlib"]
WITH_ARROW = ["numpy<2", "pandas<2.1", "pyarrow"]  # what values are packed for, of an older time

#: RPyC, Python, and what else is installed; the slowest to make come first
ALL: list[tuple[str, str, list[str]]] = [
    (CURRENT_RPYC, CURRENT_PYTHON, WITH_IPYKERNEL),
    (CURRENT_RPYC, CURRENT_PYTHON, WITH_IPYTHON),
    ("4.1.5", "3.8", OLD_IPYTHON),
    ("5.0.1", "3.7", OLD_IPYTHON),
    (CURRENT_RPYC, CURRENT_PYTHON, WITHOUT_IPYTHON),
    (CURRENT_RPYC, "3.9", WITH_ARROW),
    (CURRENT_RPYC, "3.9", ["ipykernel==6.29.5"]),
    ("4.1.5", "3.8", ["ipykernel==5.5.6", "ipython==7.34.0"]),
    *((rpyc, python, []) for rpyc, python in VERSIONS if (rpyc, python) != (CURRENT_RPYC, CURRENT_PYTHON)),
    (CURRENT_RPYC, CURRENT_PYTHON, []),
    (CURRENT_RPYC, CURRENT_PYTHON, DEBUGGED_IPYTHON),
    (CURRENT_RPYC, CURRENT_PYTHON, DEBUGGED),
    ("4.1.5", "3.8", DEBUGGED_IPYTHON),
    (CURRENT_RPYC, "3.13", DEBUGGED),
    ("5.0.1", "3.6", []),
]

#: large, and made only when a test of `make soak` needs them
LARGE: list[tuple[str, str, list[str]]] = [
    (CURRENT_RPYC, CURRENT_PYTHON, each)
    for each in (
        *(WIDGET_LIBRARIES, WITH_DOCUMENTS, WITH_NBMODEL),
        *(KERNEL_GATEWAY, HUB, IPYPARALLEL, RAY),
    )
]

_FOLDER = Path(os.environ.get("RPYC_KERNEL_TEST_VENVS") or Path(__file__).resolve().parents[2] / ".venvs")


def venv(python: str = CURRENT_PYTHON, rpyc: str = CURRENT_RPYC, extra_packages: Iterable[str] = ()) -> Path:
    """Return the Python of one of `ALL` or `LARGE`; make it if it isn't there yet."""
    extra = list(extra_packages)
    assert (rpyc, python, extra) in ALL + LARGE, f"ALL doesn't name rpyc {rpyc} on Python {python} with {extra}"
    base = sys.executable if python == CURRENT_PYTHON else needs(f"python{python}")
    packages = [f"rpyc=={rpyc}", *sorted(extra)]
    mark = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    folder = _FOLDER / f"py{python}-rpyc{rpyc}-{mark}"
    interpreter = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return interpreter
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():  # nobody else made it while we waited
            shutil.rmtree(folder, ignore_errors=True)
            _run(base, "-m", "venv", str(folder))
            _run(str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
            complete.write_text("\n".join(packages))
    return interpreter


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"


def main() -> None:
    """Make all of those whose Python is here, two at a time."""
    here = [each for each in ALL if each[1] == CURRENT_PYTHON or find(f"python{each[1]}")]
    with ThreadPoolExecutor(2) as pool:
        for made in pool.map(lambda each: venv(each[1], each[0], each[2]), here):
            print(made.parents[1].name, flush=True)


if __name__ == "__main__":
    main()
