"""Who may import whom: docs/architecture.md's drawing, read from the source."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from tests.unit.project.test_agent_syntax import OPTIONAL, STDLIB

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "rpyc_kernel"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))

# What each part may import of the others, beside itself, `errors`, `agent.wire` and the version. A part may also
# skip a floor on its way down: the kernel reads addresses, which are the transport's.
ALLOWED = {
    "__init__": {"api"},
    "_version": set(),
    "errors": set(),
    "__main__": {"kernel", "cli"},
    "api": {"live", "transport"},
    "extend": {"kernel"},
    "live": {"hosts", "link", "transport", "values"},
    "contents": {"files", "hosts", "kernel", "transport"},
    "install": {"cli"},
    "cli": {"batch", "doctor", "files", "hosts", "link", "program", "transport"},
    "batch": {"hosts", "kernel", "link", "program", "transport"},
    "kernel": {"doctor", "files", "hosts", "live", "link", "transport", "values"},
    "doctor": {"hosts", "program", "transport"},
    "program": {"hosts", "link", "transport"},
    "hosts": {"link", "transport"},
    "files": {"hosts", "link", "program", "transport", "values"},
    "values": {"link", "transport"},
    "link": {"transport"},
    "transport": set(),
    "server": {"agent"},
    "jupyter_server": {"hosts"},
    "agent": set(),
}
OF_SERVE = {"rpyc_kernel.agent.serve.main", "rpyc_kernel.agent.serve.options"}
OF_BOOT = {f"rpyc_kernel.agent.boot.{name}" for name in ("digest_of", "package_of", "write_file")}
# both ends use them
OF_THE_AGENT = tuple(
    f"rpyc_kernel.agent.{name}"
    for name in ("wire", "direct", "files", "murmur2", "place", "serve.mux", "values", "worker.shared_memory")
)
# both halves of the proof; how a Python there begins
OF_TRANSPORT = ("rpyc_kernel.agent.serve.", "rpyc_kernel.agent.starter")
JUPYTER = {"IPython", "comm", "ipykernel", "jupyter_client", "jupyter_core", "psutil", "tornado", "traitlets", "zmq"}
# What each part may import of other people's packages.
THIRD_PARTY = {
    "__main__": JUPYTER,
    "cli": JUPYTER | {"rich"},
    "batch": JUPYTER | {"jupyter_console", "nbclient", "nbformat", "rich"},
    "contents": {"jupyter_core", "jupyter_server", "nbformat", "tornado", "traitlets"},
    "doctor": {"jupyter_client", "jupyter_core"},
    "files": {"fsspec", "pathspec"},
    "hosts": {"jupyter_core", "tomlkit"},
    "kernel": JUPYTER | {"distributed"},
    "live": {"rpyc", "IPython", "numpy"},
    "transport": {"dask", "distributed", "jupyter_core", "rpyc", "zeroconf"},
    "values": {"cloudpickle", "tqdm"},
    "server": {"rpyc"},
    "jupyter_server": {"jupyter_server", "tornado"},
    # only where the other machine has them: test_agent_syntax.py says how
    "agent": OPTIONAL,
}


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Yield (line, absolute dotted name) of all that a file imports, wherever in it."""
    package = ("rpyc_kernel", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def wrong(path):
    part = part_of(path)
    for line, name in imported(path):
        top, _, rest = name.partition(".")
        if top != "rpyc_kernel":
            if top not in STDLIB and top not in THIRD_PARTY.get(part, ()):
                yield line, name
            continue
        other = rest.partition(".")[0]
        if other == part or other in ALLOWED[part] or (other in ("errors", "_version") and part != "agent"):
            continue
        if (
            name.startswith(OF_THE_AGENT)
            or name in OF_BOOT
            or (other == "agent" and name in OF_SERVE and part == "cli")
        ):
            continue
        if part == "transport" and name.startswith(OF_TRANSPORT):
            continue
        yield line, name


def test_imports_only_what_the_drawing_allows():
    assert {*map(part_of, SOURCES)} <= ALLOWED.keys(), "a new part needs its line in docs/architecture.md and here"
    assert [f"{path}, line {line}: {name}" for path in SOURCES for line, name in wrong(path)] == []


def test_the_drawing_has_no_circle():
    TopologicalSorter(ALLOWED).prepare()  # raises CycleError


def test_nobody_holds_the_kernel():
    """What decides and carries gets narrow Protocols (`kernel/ports.py`); only the application knows the kernel."""
    holders = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        for _line, name in imported(path)
        if name.endswith(".RpycKernel") or name.startswith("rpyc_kernel.kernel.kernel.")
    ]
    assert sorted(set(holders)) == ["extend.py", "kernel/app.py"]


def test_the_package_itself_is_quick_to_import():
    said = "import rpyc_kernel, sys; print([name for name in sys.modules if name.startswith(('rpyc', 'IPython'))])"
    loaded = subprocess.check_output([sys.executable, "-c", said], text=True, timeout=60)
    assert loaded.strip() == "['rpyc_kernel._version', 'rpyc_kernel']"
