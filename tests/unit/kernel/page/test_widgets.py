"""What a page can show of the widgets that come from another machine."""

import json

import pytest

from rpyc_kernel.kernel.page import widgets
from rpyc_kernel.kernel.page.widgets import MANAGER, fits, sentence

LAB = {MANAGER: "5.0.16", "bqplot": "0.6.1", "jupyter-matplotlib": "0.12.0"}
CONTROLS = "@jupyter-widgets/controls"


@pytest.mark.parametrize(
    ("wanted", "version", "does"),
    [
        ("2.0.0", "2.0.0", True),
        ("^0.6.1", "0.6.3", True),
        ("^0.6.1", "0.7.0", False),
        ("^0.6.1", "0.6.0", False),
        ("~0.11.*", "0.11.3", True),
        ("~0.11.*", "0.12.0", False),
        ("^4.1.0", "4.3.0", True),
        ("^4.1.0", "5.0.0", False),
        ("~4.1", "4.2.0", False),
        ("1.5.0", "2.0.0", False),
        ("*", "1.0.0", True),
        (">=1 || 2", "9.0.0", True),
        ("", "1.0.0", True),
    ],
)
def test_ranges_of_versions(wanted, version, does):
    assert fits(wanted, version) is does


def test_what_the_page_cannot_show_is_named_with_what_to_install():
    assert sentence(CONTROLS, "2.0.0", LAB, "pi") == ""
    assert "JavaScript of ipywidgets 8, which can't show the widgets of ipywidgets 7 on pi" in sentence(
        CONTROLS, "1.5.0", LAB, "pi"
    )
    assert "ipywidgets==7.*" in sentence(CONTROLS, "2.0.0", {MANAGER: "3.1.5"}, "pi")
    assert sentence("bqplot", "^0.6.1", LAB, "pi") == ""
    assert "bqplot has the version 0.6.1, and pi wants ^0.5" in sentence("bqplot", "^0.5", LAB, "pi")
    assert "install ipympl on" not in sentence("jupyter-matplotlib", "^0.12", LAB, "pi")
    assert "install jupyter_bokeh beside JupyterLab" in sentence("@bokeh/jupyter_bokeh", "^4.1.0", LAB, "pi")
    assert sentence("bqplot", "^0.5", {}, "pi") == ""
    assert sentence("", "", LAB, "pi") == ""


def test_the_extensions_of_an_environment(tmp_path, monkeypatch):
    for name, text in {
        "a": '{"name": "a", "version": "1.2.3"}',
        "@s/b": '{"name": "@s/b", "version": "2"}',
        "c": "[",
    }.items():
        (tmp_path / "labextensions" / name).mkdir(parents=True)
        (tmp_path / "labextensions" / name / "package.json").write_text(text)
    (tmp_path / "labextensions" / "d").mkdir()
    (tmp_path / "labextensions" / "d" / "package.json").write_text(json.dumps(["no object"]))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    found = widgets.extensions()
    assert {name: found.get(name) for name in ("a", "@s/b", "c", "d")} == {
        "a": "1.2.3",
        "@s/b": "2",
        "c": None,
        "d": None,
    }
