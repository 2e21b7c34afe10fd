"""Figures: a stand-in for matplotlib shows when its backend is chosen, the real one (where it is) what is shown."""

import base64
import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.plain_shell import Session

ROOT = Path(__file__).resolve().parents[6]
BACKEND = "module://rpyc_kernel.agent.worker.shells.plain.display.backend"
real = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")

STAND_IN = """
chosen = []
def use(backend): chosen.append(backend)
def get_backend(): return chosen[-1] if chosen else 'agg'
"""


@pytest.fixture
def session(tmp_path, monkeypatch):
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text(STAND_IN)
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "matplotlib"}
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    with Session() as session:
        yield session
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_nothing_is_imported_before_the_user_does(session):
    session.ok("1")
    assert "matplotlib" not in sys.modules


def test_the_backend_is_ours_once_matplotlib_comes(session):
    session.ok("import matplotlib")
    assert session["matplotlib"].chosen == [BACKEND]
    # and nothing is left of the hook
    assert type(session["matplotlib"].__spec__.loader).__name__ == "SourceFileLoader"
    assert session["matplotlib"].__loader__ is session["matplotlib"].__spec__.loader


def test_children_get_no_backend(session):
    assert session.value("import os\nos.environ.get('MPLBACKEND')\n'MPLBACKEND' in os.environ") == "False"


def test_a_backend_of_the_environment_is_respected(session, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    session.ok("import matplotlib")
    assert session["matplotlib"].chosen == []


def test_the_inline_backend_of_the_environment_is_replaced(session, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    session.ok("import matplotlib")
    assert session["matplotlib"].chosen == [BACKEND]


def test_matplotlib_that_is_not_there(session):
    sys.path[0] = str(Path(sys.path[0]) / "nowhere")
    if importlib.util.find_spec("matplotlib") is None:
        assert session.error("import matplotlib")["ename"] == "ModuleNotFoundError"
    assert session.ok("%matplotlib inline") == []


def test_the_magic(session):
    session.ok("%matplotlib inline  # quietly")
    session.ok("import matplotlib; matplotlib.use('Agg')\n%matplotlib inline")
    assert session["matplotlib"].chosen == [BACKEND, "Agg", BACKEND]
    assert session.error("%matplotlib qt")["ename"] == "UsageError"


def test_the_format(session):
    session.ok("%config InlineBackend.figure_format = 'retina'")
    assert session.shell.figures.format == "retina"
    session.ok("%config InlineBackend.figure_formats = ['svg']")
    assert session.shell.figures.format == "svg"
    assert "png" in session.error("%config InlineBackend.figure_format = 'bmp'")["evalue"]
    assert "IPython" in session.error("%config IPCompleter.greedy = True")["evalue"]


SCRIPT = """
import sys
sys.path[:0] = [{src!r}, {root!r}]
from tests.unit.plain_shell import Session
import base64

def images(messages):
    return [content["data"]["image/png"] for _, content in messages if "image/png" in content.get("data", {{}})]

with Session() as session:
    session.ok("import matplotlib.pyplot as plt")
{body}
print("done")
"""


def with_matplotlib(body, **environ):
    """Run with a real matplotlib, in a process of its own: it keeps its backend for good."""
    import os

    script = SCRIPT.format(src=str(ROOT / "src"), root=str(ROOT), body=textwrap.indent(textwrap.dedent(body), "    "))
    env = dict(os.environ, **environ)
    env.pop("MPLBACKEND", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        timeout=120,
    )
    assert done.stdout.decode().endswith("done\n"), done.stdout.decode()


@real
def test_figures_are_shown_after_the_cell():
    with_matplotlib("""
        messages = session.ok("print('before'); plt.plot([1, 2]); print('after');")
        assert messages.types[-1] == "display_data" and messages.types[0] == "stream"
        (image,) = images(messages)
        assert base64.b64decode(image).startswith(b"\\x89PNG")
        assert session.value("plt.get_fignums()") == "[]"
        assert messages.of("execute_result")
    """)


@real
def test_show_shows_now():
    with_matplotlib("""
        messages = session.ok("plt.plot([1]); plt.figure().add_subplot(); plt.show(); print('after')")
        assert messages.types == ["display_data", "display_data", "stream", "stream"]
        session.run("plt.plot([1])\\n1/0")
        assert session.messages.types == ["display_data", "error"]
    """)


@real
def test_a_figure_as_a_value_and_in_display():
    with_matplotlib("""
        session.ok("from matplotlib.figure import Figure\\nf = Figure(); f.add_subplot(111)")
        assert images(session.ok("f")) and session.messages.types == ["execute_result"]
        session.ok("h = display(f, display_id=True); h.update(f)")
        assert session.messages.types == ["display_data", "update_display_data"] and len(images(session.messages)) == 2
        session.ok("%config InlineBackend.figure_format = 'svg'")
        assert "<svg" in session.ok("f").of("execute_result")[0]["data"]["image/svg+xml"]
        session.ok("%config InlineBackend.figure_format = 'retina'")
        (about,) = session.ok("f").of("execute_result")
        assert about["metadata"]["image/png"]["width"] > 100
        session.ok("%config InlineBackend.figure_format = 'png'")
        assert session.ok("%%capture kept\\nplt.plot([1])") == []
        assert images(session.ok("kept.show()"))
    """)


@real
def test_other_backends_are_left_alone():
    with_matplotlib("""
        assert session.ok("plt.switch_backend('Agg'); plt.plot([1]);") == []
        session.ok("plt.close('all')\\n%matplotlib inline")
        assert images(session.ok("plt.plot([1]);"))
    """)


@pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")
def test_images(session):
    (result,) = session.ok("from PIL import Image\nImage.new('RGB', (4, 4))").of("execute_result")
    assert base64.b64decode(result["data"]["image/png"]).startswith(b"\x89PNG")
    assert "image/jpeg" not in result["data"]
