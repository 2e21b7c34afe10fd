"""Who sees the stand-in for IPython, on each Python: how an import finds it is the import system's own affair."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs, pythons

ROOT = Path(__file__).parents[6]
LIBRARY = """
import importlib, sys
def sees():
    found = []
    for name in ("IPython", "IPython.display"):
        try:
            importlib.import_module(name)
            found.append(name)
        except ModuleNotFoundError as error:
            assert str(error).startswith("No module named 'IPython"), error
    try:
        from IPython.display import display
        found.append("display")
    except ModuleNotFoundError as error:
        assert str(error).startswith("No module named 'IPython"), error
    return found + ["IPython"] * ("IPython" in sys.modules)
at_import = sees()
"""
OWN = """
from IPython.display import HTML
import library
def late():
    import IPython.core.display as module
    return module.HTML is HTML, library.sees()
"""
PROGRAM = """
import sys, threading
sys.path[:0] = {paths!r}
from tests.unit.plain_shell import Session
with Session() as session:
    run, refused = session.ok, lambda code: session.error(code)
    none = "[each for each in sys.modules if each.partition('.')[0] == 'IPython']"
    run("import sys, library")
    assert session.value("library.at_import") == "[]"
    assert "rpyc_kernel.agent.worker.shells.plain.ipython.display" not in sys.modules  # nobody has needed it
    for code in (
        "from IPython.display import display, HTML, Image, clear_output",
        "import IPython", "import IPython.display", "import IPython.core.display, IPython.lib.display as lib",
        "from IPython import get_ipython", "from IPython.core import getipython", "__import__('IPython.core.magic')",
        "import own", "from IPython.display import *",
    ):
        run(code)
        assert session.value("library.sees() + " + none) == "[]", code
    assert session.value("own.late(), own.library.at_import") == "((True, []), [])"
    run("import IPython.display as here, threading\\nsame = []\\n"
        "def f():\\n    for _ in range(50):\\n        from IPython.display import HTML\\n        same.append(HTML)\\n"
        "threads = [threading.Thread(target=f) for _ in range(4)]\\n"
        "for each in threads: each.start()\\nfor each in threads: each.join()")
    assert session.value("len(same), set(same) == {{here.HTML}}") == "(200, True)"
    for code, kind in (
        ("from IPython.display import Foo", "ImportError"), ("from IPython import embed", "ImportError"),
        ("import IPython.nothing", "ModuleNotFoundError"), ("import IPython.core.ultratb", "ModuleNotFoundError"),
        ("from IPython.core.magic import Magics", "ImportError"), ("IPython.embed()", "AttributeError"),
        ("get_ipython().config", "AttributeError"),
    ):
        told = refused(code)
        assert told["ename"] == kind, told
        assert "IPython" in told["evalue"] and "not installed" in told["evalue"], told
        assert session.value(none) == "[]", code
    assert session.value("hasattr(IPython, 'embed'), getattr(here, '__wrapped__', 3)") == "(False, 3)"
    # once the real one is there, it is taken; shown is what it has by the shell that runs
    run("import importlib; sys.path.append({real!r}); importlib.invalidate_caches()")
    run("import IPython.display; from IPython.display import display, HTML")
    assert session.value("IPython.__version__, HTML.real") == "('99', True)"
    (shown,) = run("display(HTML())").of("display_data")
    assert shown["data"]["text/html"] == "by the real one"
    assert session.value("library.sees()") == "['IPython', 'IPython.display', 'display', 'IPython']"
print("good")
"""


@pytest.mark.parametrize("version", pythons("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"))
def test_who_sees_it(version: str, tmp_path: Path) -> None:
    site, real, own = tmp_path / "site-packages", tmp_path / "later" / "site-packages", tmp_path / "own"
    for folder in (site, real / "IPython", own):
        folder.mkdir(parents=True)
    (site / "library.py").write_text(LIBRARY)
    (own / "own.py").write_text(OWN)
    (real / "IPython" / "__init__.py").write_text("__version__ = '99'\n")
    html = "class HTML:\n    real = True\n    def _repr_html_(self): return 'by the real one'\n"
    (real / "IPython" / "display.py").write_text(html + "def display(*objs): print(*objs)\n")
    paths = [str(each) for each in (own, site, ROOT, ROOT / "src")]
    (tmp_path / "program.py").write_text(PROGRAM.format(paths=paths, real=str(real)))
    python = needs(f"python{version}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # -I -S: without what this environment and that Python have installed
    done = subprocess.run(
        [python, "-I", "-S", tmp_path / "program.py"], capture_output=True, text=True, timeout=60, env=environ
    )
    assert done.stdout.strip() == "good", done.stderr
