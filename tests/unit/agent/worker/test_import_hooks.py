"""A call when a module is imported, whatever kind of loader that has. Runs on Python 3.7 too."""

import importlib.util
import os
import pickle
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rpyc_kernel.agent.worker.import_hooks import when_imported
from tests.needs import needs, pythons

SOURCE = "import os\nVALUE = 42\ndef f():\n    return 'in f'\n"
#: run by each Python with a zip on its path: what is watched for there behaves as if nobody did
PROGRAM = """
import sys
sys.path[:0] = [{zip!r}, {src!r}]
from rpyc_kernel.agent.worker.import_hooks import when_imported
seen = []
names = ("linecache", "single", "package", "getpass", "subprocess")
for name in names + ("broken",):
    assert name not in sys.modules
    when_imported(name, seen.append)
import importlib.util, inspect, pkgutil, runpy  # noqa
assert [module.__name__ for module in seen] == ["linecache"]
question = importlib.util.find_spec("single")
assert question.loader.get_data({zip!r} + "/data.txt") == b"data", question
assert question.loader.get_source("single").startswith("import os"), question
assert runpy.run_module("single")["VALUE"] == 42
assert len(seen) == 1
import single, package.inner, getpass, subprocess
assert [module.__name__ for module in seen] == list(names), seen
for module in seen:
    assert module is sys.modules[module.__name__]
    assert type(module.__loader__).__name__ == "zipimporter", module.__loader__
    assert type(module.__spec__.loader).__name__ == "zipimporter", module.__spec__
    assert module.__spec__.name == module.__name__
assert inspect.getsource(single.f).endswith("return 'in f'\\n")
assert pkgutil.get_data("package", "data.txt") == b"inner data"
assert package.inner.VALUE == 1
for _ in range(2):
    try:
        import broken
    except ZeroDivisionError:
        pass
assert len(seen) == len(names)
print("good")
"""


@pytest.mark.parametrize("version", pythons("3.7", "3.8", "3.9", "3.10", "3.13"))
def test_modules_from_a_zip(version: str, tmp_path: Path) -> None:
    archive = tmp_path / "modules.zip"
    python = needs(f"python{version}")
    lib = Path(subprocess.check_output([python, "-c", "import os; print(os.__file__)"], text=True).strip()).parent
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("getpass", "linecache", "subprocess"):
            packed.write(lib / f"{name}.py", f"{name}.py")
        texts = {
            "single.py": SOURCE, "data.txt": "data", "package/__init__.py": "", "package/inner.py": "VALUE = 1",
            "package/data.txt": "inner data", "broken.py": "1/0",
        }  # fmt: skip
        for name, text in texts.items():
            packed.writestr(name, text)
    program = PROGRAM.format(zip=str(archive), src=str(Path(__file__).parents[4] / "src"))
    (tmp_path / "program.py").write_text(program)
    # -S: without what site imports, which would have them already
    done = subprocess.run([python, "-S", tmp_path / "program.py"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "good", done.stderr


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in a file, which nothing has imported, and what was called for it."""
    kept = list(sys.meta_path)
    (tmp_path / "watched_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = []
    when_imported("watched_module", seen.append)
    yield seen
    sys.meta_path[:] = kept
    sys.modules.pop("watched_module", None)


def test_asking_for_a_spec_is_no_import(module) -> None:
    spec = importlib.util.find_spec("watched_module")
    assert isinstance(spec.loader, importlib.machinery.SourceFileLoader)
    assert pickle.loads(pickle.dumps(spec)) == importlib.machinery.PathFinder.find_spec("watched_module")
    assert pkgutil.get_data("watched_module", "watched_module.py") == SOURCE.encode().replace(
        b"\n", os.linesep.encode()
    )
    import watched_module

    assert module == [watched_module]
    assert (
        type(watched_module.__spec__.loader) is type(watched_module.__loader__) is importlib.machinery.SourceFileLoader
    )


def test_a_module_that_is_loaded_when_it_is_used(module) -> None:
    spec = importlib.util.find_spec("watched_module")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    sys.modules["watched_module"] = lazy
    spec.loader.exec_module(lazy)
    assert not module
    assert lazy.VALUE == 42
    assert module == [lazy]


def test_an_import_that_fails_is_seen_when_it_is_tried_again(module, tmp_path) -> None:
    (tmp_path / "watched_module.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        import watched_module
    assert not module
    (tmp_path / "watched_module.py").write_text("VALUE = 'mended'")
    importlib.invalidate_caches()
    import watched_module

    assert module == [watched_module]


def test_a_folder_of_the_same_name_is_left_alone(module, tmp_path) -> None:
    (tmp_path / "watched_module.py").unlink()
    (tmp_path / "watched_module").mkdir()
    importlib.invalidate_caches()
    import watched_module

    assert watched_module.__path__
    assert not module
