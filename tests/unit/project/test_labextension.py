"""labextension/: what is committed is what a stranger can read and build again, and treats texts as texts."""

import json
import re

from sources import ROOT

from rpyc_kernel import __version__

FOLDER = ROOT / "labextension"
SOURCES = {path.name: path.read_text("utf-8") for path in sorted((FOLDER / "src").glob("*.ts"))}
BUILT = (FOLDER / "built" / "static" / "extension.js").read_text("utf-8")


def test_it_has_the_version_of_the_package():
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    assert lock["packages"][""]["version"] == __version__
    for manifest in (FOLDER / "package.json", FOLDER / "built" / "package.json"):
        assert json.loads(manifest.read_text("utf-8"))["version"] == __version__


def test_what_jupyterlab_loads_is_there():
    manifest = json.loads((FOLDER / "built" / "package.json").read_text("utf-8"))
    assert (FOLDER / "built" / manifest["jupyterlab"]["_build"]["load"]).is_file()
    assert f'window._JUPYTERLAB["{manifest["name"]}"]' in BUILT


def test_nothing_of_the_machine_that_has_built_it_is_in_it():
    assert "$BUNDLE" not in BUILT
    assert "sourceMappingURL" not in BUILT
    assert not re.search(r"/(?:home|root|tmp|Users)/", BUILT)
    assert "node_modules" not in BUILT, "what is not ours is taken from JupyterLab"


def test_the_lock_names_no_host():
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if not entry.get("integrity")] == []
    for name, version in json.loads((FOLDER / "package.json").read_text("utf-8"))["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"


def test_what_machines_say_never_becomes_html():
    html = re.compile(
        r"\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(|\.href|\.src\b"
    )
    assert {name for name, text in SOURCES.items() if html.search(text)} == set()
    assert not html.search(BUILT)
