"""`make demo`: run a notebook on a stock RPyC server, print it as it runs, and keep it with its HTML.

    python scripts/demo.py [--kernel NAME] [NOTEBOOK]

The result is left in build/demo. The exit code is 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from stock_server import DEFAULT_PORT, stock_server
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "demo"
CELL_TIMEOUT_S = 120


class Shown(NotebookClient):
    """A notebook client that prints each output when it comes."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        match msg["msg_type"]:
            case "stream":
                show(content["text"])
            case "display_data" | "execute_result":
                data = content["data"]
                kinds = [kind for kind in data if kind != "text/plain"]
                if kinds:
                    show(f"[{', '.join(kinds)}] ")
                show(data.get("text/plain", "") + "\n")
            case "error":
                show("\n".join(content["traceback"]) + "\n")
        return super().process_message(msg, cell, cell_index)


def show(text: str) -> None:
    """Print at once, also a line without its end; without colours where the output is no terminal."""
    print(text if sys.stdout.isatty() else strip_ansi(text), end="", flush=True)


def show_source(cell: Any, **_: Any) -> None:
    """Print a cell before it runs."""
    if cell.cell_type == "code":
        show("\n" + "\n".join(f"  | {line}" for line in cell.source.splitlines()) + "\n")
    else:
        show("\n" + cell.source + "\n")


def private_folders(folder: str) -> None:
    """Keep the user's own settings of Jupyter and IPython out of the demo, by folders in an empty one."""
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        os.environ[variable] = str(Path(folder) / variable.lower())
    os.environ.pop("JUPYTER_PATH", None)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernelspec beside this Python


def use_port(notebook: Any, port: int) -> None:
    """Let the notebook connect to the server's port, where that isn't RPyC's own."""
    if port != DEFAULT_PORT:
        for cell in notebook.cells:
            cell.source = cell.source.replace('connect("localhost")', f'connect("localhost:{port}")')


def main() -> int:
    """Run the notebook and return the exit code."""
    parser = argparse.ArgumentParser(description="Run a notebook on a stock RPyC server.")
    parser.add_argument("notebook", nargs="?", type=Path, default=ROOT / "examples" / "quickstart.ipynb")
    parser.add_argument("--kernel", help="another kernel than the notebook's own")
    options = parser.parse_args()

    RESULTS.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(options.notebook, as_version=4)
    executed = RESULTS / options.notebook.name
    page = executed.with_suffix(".html")
    failure = ""
    with (
        tempfile.TemporaryDirectory(prefix="rpyc-kernel-demo-") as private,
        stock_server(RESULTS / "server.log") as port,
    ):
        private_folders(private)
        use_port(notebook, port)
        show(f"A stock RPyC server listens on 127.0.0.1:{port}; {options.notebook.name} runs on it.\n")
        client = Shown(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name=options.kernel or notebook.metadata.kernelspec.name,
            resources={"metadata": {"path": str(ROOT)}},
            on_cell_start=show_source,
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            failure = f"A cell ended with {error.ename}: {error.evalue}"
        except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
            failure = str(error).strip() or type(error).__name__
    nbformat.write(notebook, executed)
    body, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(body, encoding="utf-8")
    show(
        f"\nThe notebook with its outputs: {executed.relative_to(ROOT)}\nThe same as a page: {page.relative_to(ROOT)}\n"
    )
    if failure:
        print(f"The demo failed. {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
