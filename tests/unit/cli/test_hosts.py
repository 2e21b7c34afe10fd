"""`rpyc-kernel hosts`: what it saves, refuses, shows and takes away. tests/servers/test_hosts.py asks."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rpyc_kernel.cli import hosts as hosts_cli
from rpyc_kernel.cli import main as cli
from rpyc_kernel.hosts import file
from rpyc_kernel.kernel.app import NOT_ASKED

pytestmark = pytest.mark.usefixtures("private_jupyter")


def did(capsys, *argv):
    assert cli.main(argv) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys, *argv, code):
    assert cli.main(argv) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return shown.err


def kernels():
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels"
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/kernel.json")}


def test_add_list_remove(capsys):
    options = ["--python", "~/ml/bin/python", "--cwd", "/srv", "--env", "TOKEN=hunter2", "--env", "B=1"]
    assert did(capsys, "hosts", "add", "Pi", "10.0.0.5", *options) == (
        "Saved pi: 10.0.0.5:18812. In a notebook, %connect pi goes there.\n"
    )
    shown = did(capsys, "hosts", "list", "--offline")
    assert shown.splitlines()[1].split() == ["pi", "10.0.0.5:18812", "~/ml/bin/python", "/srv", "TOKEN", "B"]
    assert str(file.path()) in shown
    assert "hunter2" not in shown
    (entry,) = json.loads(did(capsys, "hosts", "list", "--offline", "--json"))
    assert entry == {
        "name": "pi", "address": "10.0.0.5:18812", "python": "~/ml/bin/python", "cwd": "/srv", "env": "TOKEN B"
    }  # fmt: skip
    assert file.load()["pi"].env == {"TOKEN": "hunter2", "B": "1"}
    assert did(capsys, "hosts", "remove", "PI") == "Forgot pi.\n"
    assert "No machine is saved" in did(capsys, "hosts", "list", "--offline")
    assert "No machine is saved" in did(capsys, "hosts", "list")


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["add", "pi"], 2, "ADDRESS"),
        (["add", "a.b", "pi"], 2, "can't name"),
        (["add", "localhost", "pi"], 2, "can't name"),
        (["add", "pi", "http://pi"], 2, "web page"),
        (["add", "pi", "user:hunter2@pi"], 2, "password"),
        (["add", "pi", "ssh://pi", "--cafile", "a"], 2, "needs no pairing"),
        (["add", "pi", "pi", "--keyfile", "a"], 2, "which certfile names"),
        (["add", "pi", "ssh://pi", "--python", "a b"], 2, "is neither a path nor"),
        (["add", "pi", "10.0.0.5", "--env", "hunter2"], 2, "NAME=VALUE"),
        (["add", "pi", "10.0.0.5", "--cwd", "a\x1b[2J"], 2, "can't be shown"),
        (["add", "pi", "10.0.0.5", "--cwd", "a" * 5000], 2, "too long"),
        (["add", "lab", "10.0.0.6"], 1, "saved already, for 10.0.0.5:18812. --replace"),
        (["remove", "lab", "pi"], 1, "No machine is saved as pi. Saved are: lab."),
        (["test", "pi"], 1, "No machine is saved as pi"),
        (["tile", "pi"], 1, "No machine is saved as pi"),
        (["tile", "lab", "--remove"], 1, "lab has no tile"),
        (["tile", "lab", "--remove", "--display-name", "x"], 2, "nothing else"),
        (["bogus"], 2, "bogus"),
        ([], 2, "COMMAND"),
    ],
)
def test_what_is_refused_changes_nothing(capsys, argv, code, words):
    did(capsys, "hosts", "add", "lab", "10.0.0.5")
    before = file.path().read_bytes()
    sentence = refused(capsys, "hosts", *argv, code=code)
    assert words in sentence
    assert "hunter2" not in sentence or argv[-1] == "hunter2"
    assert file.path().read_bytes() == before
    assert kernels() == {}


def test_a_home_that_the_shell_has_put_in_is_the_other_machines(capsys, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    did(capsys, "hosts", "add", "pi", "ssh://pi", "--python", f"/home/me{os.sep}ml")
    did(capsys, "hosts", "add", "lab", "10.0.0.5", "--python", f"/home/me{os.sep}ml")
    assert [host.python for host in file.load().values()] == [f"~{os.sep}ml", f"/home/me{os.sep}ml"]


def test_certificates_are_a_part_of_the_address(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    did(capsys, "hosts", "add", "pi", "board.example", "--cafile", "ca.pem", "--certfile", "me.pem")
    assert (
        file.load()["pi"].address == f"rpycs://board.example:18821?cafile={tmp_path}/ca.pem&certfile={tmp_path}/me.pem"
    )


def test_a_path_that_is_here_too_stays_as_it_is(capsys):
    did(capsys, "hosts", "add", "pi", "ssh://pi", "--python", sys.executable)
    assert file.load()["pi"].python == sys.executable


def test_a_broken_file_is_a_sentence(capsys):
    file.path().parent.mkdir()
    file.path().write_text("[pi\n")
    for argv in (
        ["list"],
        ["list", "--offline"],
        ["test"],
        ["remove", "pi"],
        ["add", "pi", "10.0.0.5"],
        ["tile", "pi"],
    ):
        assert "hosts.toml, line 1: " in refused(capsys, "hosts", *argv, code=1)
    assert "hosts.toml, line 1: " in refused(capsys, "sessions", "pi", code=1)


def test_a_host_that_the_name_hides_is_told_of_once(capsys, monkeypatch):
    hides = "There is a host named pi too"
    monkeypatch.setattr(hosts_cli, "resolve", lambda address, deadline: [address.host] if address.host == "pi" else [])
    assert hides in did(capsys, "hosts", "add", "pi", "10.0.0.5")
    assert hides not in did(capsys, "hosts", "add", "pi", "pi:1000", "--replace")
    assert hides not in did(capsys, "hosts", "add", "lab", "10.0.0.5")


def test_a_tile_comes_and_goes_with_its_machine(capsys):
    shown = did(capsys, "hosts", "add", "pi", "10.0.0.5", "--tile")
    assert 'Jupyter\'s launcher shows "Python @ pi": the kernel rpyc-pi' in shown
    (spec,) = kernels().values()
    assert spec["display_name"] == "Python @ pi"
    assert spec["argv"][:3] == [sys.executable, "-m", "rpyc_kernel"]
    assert "--RpycKernel.address=pi" in spec["argv"]
    command = [sys.executable, "-m", "jupyter_client.kernelspecapp", "list", "--json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert listed["kernelspecs"]["rpyc-pi"]["spec"]["display_name"] == "Python @ pi"
    did(capsys, "hosts", "tile", "pi", "--display-name", "The board")
    assert kernels()["rpyc-pi"]["display_name"] == "The board"
    assert "Removed its tile" in did(capsys, "hosts", "tile", "pi", "--remove")
    assert list(file.load()) == ["pi"]
    did(capsys, "hosts", "tile", "pi")
    assert did(capsys, "hosts", "remove", "pi") == "Forgot pi.\nRemoved its tile, the kernel rpyc-pi.\n"
    assert kernels() == {}


def test_a_tile_of_a_name_in_another_script(capsys):
    did(capsys, "hosts", "add", "工作站", "10.0.0.5", "--tile")
    ((name, spec),) = kernels().items()
    assert name.isascii()
    assert spec["display_name"] == "Python @ 工作站"
    did(capsys, "hosts", "remove", "工作站")
    assert kernels() == {}


def test_another_kernel_of_that_name_stays(capsys):
    folder = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "rpyc-pi"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["R"], "display_name": "R", "language": "R"}')
    did(capsys, "hosts", "add", "pi", "10.0.0.5")
    assert "is not a kernel of rpyc-kernel's" in refused(capsys, "hosts", "tile", "pi", code=2)
    did(capsys, "hosts", "remove", "pi")
    assert kernels()["rpyc-pi"]["display_name"] == "R"


def test_a_front_end_may_ask_for_parameters(capsys):
    """Jupyter's enhancement proposal 87: each parameter stands in the command line, and has a default."""
    did(capsys, "hosts", "add", "pi", "10.0.0.5", "--tile")
    (spec,) = kernels().values()
    properties = spec["metadata"]["parameters"]["properties"]
    placeholders = [each.partition("={")[2].rstrip("}") for each in spec["argv"] if NOT_ASKED.search(each)]
    assert sorted(placeholders) == sorted(properties) == ["rpyc_cwd", "rpyc_python", "rpyc_shell"]
    for schema in properties.values():
        assert schema["type"] == "string"
        assert isinstance(schema["default"], str)


def test_install_takes_a_saved_name(capsys):
    did(capsys, "hosts", "add", "pi", "10.0.0.5")
    did(capsys, "install", "--name", "board", "--connect", "pi")
    (spec,) = kernels().values()
    assert "--RpycKernel.address=pi" in spec["argv"]
    assert spec["display_name"] == "Python @ pi"


@pytest.mark.needs("posix")
def test_the_file_is_private(capsys):
    did(capsys, "hosts", "add", "pi", "10.0.0.5")
    assert stat.S_IMODE(file.path().stat().st_mode) == 0o600
