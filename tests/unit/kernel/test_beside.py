"""What lies beside the notebook, by the errors of cells."""

import pytest

from rpyc_kernel.kernel.beside import BesideHints


@pytest.fixture(autouse=True)
def notebook_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "it's.csv").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("")


def hint(ename, evalue):
    return BesideHints().hint({"ename": ename, "evalue": evalue}, "pi")


@pytest.mark.parametrize(
    ("ename", "evalue", "command"),
    [
        ("ModuleNotFoundError", "No module named 'mine'", "%put mine.py"),
        ("ModuleNotFoundError", "No module named 'pack'", "%sync pack"),
        ("ModuleNotFoundError", "No module named 'pack.sub.deep'", "%sync pack"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'mine.py'", "%put mine.py"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: b'mine.py'", "%put mine.py"),
        ("FileNotFoundError", '[Errno 2] No such file or directory: "it\'s.csv"', '%put "it\'s.csv"'),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'data/x'", "%sync data"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'data'", "%sync data"),
        ("FileNotFoundError", "[WinError 2] The system cannot find the file: 'mine.py'", "%put mine.py"),
    ],
)
def test_it_names_the_command(ename, evalue, command):
    said = hint(ename, evalue)
    assert said.endswith(f" lies here, beside the notebook: {command} brings it to pi.")


@pytest.mark.parametrize(
    ("ename", "evalue"),
    [
        ("ModuleNotFoundError", "No module named 'numpy'"),
        ("ModuleNotFoundError", "No module named '../mine'"),
        ("ModuleNotFoundError", "No module named 'data'"),
        ("ImportError", "No module named 'mine'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'none'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: '/etc/passwd'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'data/../mine.py'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: ''"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'a\\x00b'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: '" + "x" * 3000 + "'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'mine.py"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'mine.py' + __import__('os').getcwd()"),
        ("FileNotFoundError", "mine.py"),
        ("NameError", "name 'mine' is not defined"),
        (None, None),
    ],
)
def test_or_says_nothing(ename, evalue):
    assert hint(ename, evalue) == ""


def test_each_name_is_told_once():
    hints = BesideHints()
    reply = {"ename": "ModuleNotFoundError", "evalue": "No module named 'mine'"}
    assert hints.hint(reply, "pi")
    assert not hints.hint(reply, "pi")
