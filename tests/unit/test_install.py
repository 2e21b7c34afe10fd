"""The kernelspec: what the wheel brings, and what `python -m rpyc_kernel.install` writes and takes away."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rpyc_kernel import install

ROOT = Path(__file__).resolve().parents[2]
PAGE = ("package.json", "install.json", "static/extension.js")  # of what JupyterLab loads
LOGOS = {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
pytestmark = pytest.mark.usefixtures("private_jupyter")


def user_kernels():
    return Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels"


def spec_in(folder):
    return json.loads((folder / "kernel.json").read_text("utf-8"))


def refused(capsys, *argv, status=2):
    """Run install, expect it to refuse, and return its one sentence."""
    assert install.main(argv) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith("\n")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    return shown.err


def jupyter_kernelspec(*argv):
    command = [sys.executable, "-m", "jupyter_client.kernelspecapp", *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


def listed():
    return json.loads(jupyter_kernelspec("list", "--json").stdout)["kernelspecs"]


def foreign_kernel(folder):
    folder.mkdir(parents=True)
    spec = {"argv": ["R", "--slave", "{connection_file}"], "display_name": "R", "language": "R"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return folder


# --- the wheel's ---


def test_the_wheel_brings_a_kernelspec_with_logos(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        place = next(name for name in names if name.endswith("share/jupyter/kernels/rpyc/kernel.json"))
        spec = json.loads(archive.read(place))
        folder = place.removesuffix("kernel.json")
        data = folder.removesuffix("/share/jupyter/kernels/rpyc/")
        assert {name.removeprefix(folder) for name in names if name.startswith(folder)} == {"kernel.json", *LOGOS}
        assert "rpyc_kernel/kernelspec/kernel.json" in names
        assert "rpyc_kernel/agent/wire.py" in names
        assert "rpyc_kernel/py.typed" in names
        assert {f"{data}/share/jupyter/labextensions/rpyc-kernel/{name}" for name in PAGE} <= {*names}
        enabled = archive.read(f"{data}/etc/jupyter/jupyter_server_config.d/rpyc_kernel.json")
    assert json.loads(enabled) == {"ServerApp": {"jpserver_extensions": {"rpyc_kernel": True}}}
    parameters = spec["metadata"].pop("parameters")
    assert {name: each["default"] for name, each in parameters["properties"].items()} == {"rpyc_machine": ""}
    assert spec == {
        "argv": ["python", "-m", "rpyc_kernel", "-f", "{connection_file}", "--RpycKernel.address={rpyc_machine}"],
        "display_name": "Python (RPyC)",
        "language": "python",
        "interrupt_mode": "message",
        "kernel_protocol_version": "5.5",
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
        "env": {},
    }


def test_the_logos_have_the_size_in_their_name():
    folder = ROOT / "src" / "rpyc_kernel" / "kernelspec"
    for size in (32, 64):
        png = (folder / f"logo-{size}x{size}.png").read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(png[16:20], "big") == int.from_bytes(png[20:24], "big") == size


# --- what install writes ---


def test_installs_for_the_user_with_this_interpreter(capsys):
    assert install.main([]) == 0
    folder = user_kernels() / "rpyc"
    assert str(folder) in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"kernel.json", *LOGOS}
    spec = spec_in(folder)
    asked = "--RpycKernel.address={rpyc_machine}"
    assert spec["argv"] == [sys.executable, "-m", "rpyc_kernel", "-f", "{connection_file}", asked]
    assert list(spec["metadata"]["parameters"]["properties"]) == ["rpyc_machine"]
    assert Path(spec["argv"][0]).is_absolute()
    assert (spec["display_name"], spec["language"]) == ("Python (RPyC)", "python")
    assert (spec["interrupt_mode"], spec["metadata"]["debugger"]) == ("message", True)


def test_user_is_the_same_as_nothing():
    assert install.main(["--user", "--name", "here"]) == 0
    assert (user_kernels() / "here" / "kernel.json").is_file()


def test_installs_under_a_prefix_and_says_when_jupyter_does_not_look_there(tmp_path, capsys):
    assert install.main(["--prefix", str(tmp_path / "new")]) == 0
    data = tmp_path / "new" / "share" / "jupyter"
    assert spec_in(data / "kernels" / "rpyc")["argv"][0] == sys.executable
    assert f"with {data} in JUPYTER_PATH" in capsys.readouterr().out


def test_a_relative_prefix_is_under_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert install.main(["--prefix", "new"]) == 0
    assert (tmp_path / "new/share/jupyter/kernels/rpyc/kernel.json").is_file()


def test_installs_for_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install.main(["--sys-prefix"]) == 0
    assert (tmp_path / "share/jupyter/kernels/rpyc/kernel.json").is_file()


def test_a_machine_has_its_own_tile():
    argv = ["--name", "board", "--display-name", "The board", "--connect", "192.168.43.44:18812"]
    assert install.main([*argv, "--env", "LANG=C.UTF-8", "--env", "EMPTY=", "--env", "EQUALS=a=b"]) == 0
    spec = spec_in(user_kernels() / "board")
    assert spec["display_name"] == "The board"
    assert spec["argv"][-1] == "--RpycKernel.address=192.168.43.44:18812"
    assert spec["env"] == {"LANG": "C.UTF-8", "EMPTY": "", "EQUALS": "a=b"}


def test_without_a_display_name_the_tile_names_the_machine():
    assert install.main(["--name", "board", "--connect", "board.local"]) == 0
    assert spec_in(user_kernels() / "board")["display_name"] == "Python (RPyC): board.local"


def test_a_display_name_may_be_of_any_script():
    assert install.main(["--display-name", "树莓派 🍓"]) == 0
    assert spec_in(user_kernels() / "rpyc")["display_name"] == "树莓派 🍓"


def test_installing_again_replaces_what_was_ours():
    assert install.main(["--connect", "first"]) == 0
    assert install.main([]) == 0
    assert "first" not in " ".join(spec_in(user_kernels() / "rpyc")["argv"])
    assert {path.name for path in (user_kernels() / "rpyc").iterdir()} == {"kernel.json", *LOGOS}


def test_a_linked_kernelspec_is_replaced_and_its_target_left_alone(tmp_path):
    assert install.main(["--prefix", str(tmp_path), "--connect", "first"]) == 0
    target = tmp_path / "share/jupyter/kernels/rpyc"
    user_kernels().mkdir()
    (user_kernels() / "rpyc").symlink_to(target)
    assert install.main([]) == 0
    assert not (user_kernels() / "rpyc").is_symlink()
    assert spec_in(target)["argv"][-1].endswith("first:18812")


def test_the_name_of_a_service_is_as_good_as_an_address():
    assert install.main(["--connect", "Service:Slave"]) == 0
    assert spec_in(user_kernels() / "rpyc")["argv"][-1] == "--RpycKernel.address=service:SLAVE"


# --- what it refuses ---


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "../rpyc", "..", ".", "brett\n", "ü", "a\0", "$x", "\N{FULLWIDTH DIGIT ONE}"]
)
def test_a_name_that_is_no_name(name, capsys):
    assert "ASCII letters" in refused(capsys, "--name", name)
    assert not user_kernels().exists()


@pytest.mark.parametrize("name", ["board-2", "a.b_c", "7", "RPyC"])
def test_names_that_are_names(name):
    assert install.main(["--name", name]) == 0
    assert (user_kernels() / name.lower() / "kernel.json").is_file()


def test_the_name_of_jupyters_own_kernel(capsys):
    assert "choose another name" in refused(capsys, "--name", "python3")


@pytest.mark.parametrize("address", ["", "board:port", "http://board", "-oProxyCommand=x", "a b", "board:99999"])
def test_an_address_that_is_none(address, capsys):
    refused(capsys, f"--connect={address}")
    assert not user_kernels().exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["--connect", "user:hunter2@board"],
        ["--connect", "ssh://user:hunter2@board"],
        ["--env", "hunter 2=hunter2"],
    ],
)
def test_a_secret_is_neither_stored_nor_repeated(argv, capsys):
    assert "hunter2" not in refused(capsys, *argv)
    assert not user_kernels().exists()


@pytest.mark.parametrize("variable", ["NAME", "=x", "1A=x", "A-B=x", "A=\0", ""])
def test_an_environment_variable_that_is_none(variable, capsys):
    refused(capsys, "--env", variable)


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "\x1b[31mred"])
def test_a_display_name_that_cannot_be_shown(text, capsys):
    refused(capsys, "--display-name", text)


@pytest.mark.parametrize(
    "argv",
    [
        ["--user", "--sys-prefix"],
        ["--sys-prefix", "--prefix", "x"],
        ["--prefix", ""],
        ["--nmae", "x"],
        ["--disp", "x"],
        ["stray"],
        ["--name"],
        ["--remove", "--connect", "board"],
        ["--remove", "--env", "A=B"],
        ["--remove", "--display-name", "x"],
    ],
)
def test_a_command_line_that_means_nothing(argv, capsys):
    refused(capsys, *argv)
    assert not user_kernels().exists()


def test_another_kernel_of_that_name_is_left_alone(capsys):
    before = spec_in(foreign_kernel(user_kernels() / "board"))
    assert "choose another name" in refused(capsys, "--name", "board")
    assert "stays" in refused(capsys, "--name", "board", "--remove", status=1)
    assert spec_in(user_kernels() / "board") == before


def test_another_kernel_of_that_name_elsewhere_is_not_hidden(tmp_path, monkeypatch, capsys):
    foreign_kernel(tmp_path / "kernels" / "board")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert str(tmp_path) in refused(capsys, "--name", "board")


def test_a_folder_or_file_that_is_no_kernel_is_left_alone(capsys):
    (user_kernels() / "rpyc").mkdir(parents=True)
    (user_kernels() / "rpyc" / "thesis.txt").write_text("words")
    (user_kernels() / "file").write_text("words")
    refused(capsys)
    refused(capsys, "--name", "file")
    refused(capsys, "--remove", status=1)
    refused(capsys, "--remove", "--name", "file", status=1)
    assert (user_kernels() / "rpyc" / "thesis.txt").exists()
    assert (user_kernels() / "file").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"argv": 3}', '{"argv": ["-m"]}', '{"argv": ["x", "-m", "rpyc_kernel2"]}']
)
def test_an_unreadable_kernel_json_is_not_ours(content, capsys):
    (user_kernels() / "rpyc").mkdir(parents=True)
    (user_kernels() / "rpyc" / "kernel.json").write_text(content)
    refused(capsys)
    refused(capsys, "--remove", status=1)


def test_an_empty_folder_is_used():
    (user_kernels() / "rpyc").mkdir(parents=True)
    assert install.main([]) == 0


def test_where_nothing_can_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "choose another place" in refused(capsys, "--prefix", str(tmp_path / "file"), status=1)


@pytest.mark.needs("posix")
def test_a_read_only_prefix(tmp_path, capsys):
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may write everywhere
    try:
        assert "Permission denied" in refused(capsys, "--prefix", str(tmp_path), status=1)
    finally:
        if root:
            os.seteuid(0)


def test_a_python_that_does_not_know_its_executable(monkeypatch, capsys):
    monkeypatch.setattr(sys, "executable", "")
    refused(capsys, status=1)


# --- taking away, and Jupyter's own commands ---


def test_remove_takes_away_what_install_wrote(capsys):
    assert install.main(["--name", "board"]) == 0
    assert install.main(["--name", "Board", "--remove"]) == 0
    assert list(user_kernels().iterdir()) == []
    assert "Removed the kernel board" in capsys.readouterr().out
    assert "There is no kernel board" in refused(capsys, "--name", "board", "--remove", status=1)


def test_remove_says_where_the_kernel_is_instead(tmp_path, monkeypatch, capsys):
    assert install.main(["--prefix", str(tmp_path), "--name", "board"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    assert str(tmp_path) in refused(capsys, "--name", "board", "--remove", status=1)


@pytest.mark.needs("posix")
def test_remove_takes_a_link_away_but_not_its_target(tmp_path):
    assert install.main(["--prefix", str(tmp_path)]) == 0
    target = tmp_path / "share/jupyter/kernels/rpyc"
    user_kernels().mkdir()
    (user_kernels() / "rpyc").symlink_to(target)
    assert install.main(["--remove"]) == 0
    assert not (user_kernels() / "rpyc").is_symlink()
    assert (target / "kernel.json").is_file()


def test_jupyter_lists_and_uninstalls_it():
    assert install.main(["--name", "board", "--display-name", "The board", "--connect", "board.local"]) == 0
    found = listed()["board"]
    assert Path(found["resource_dir"]) == user_kernels() / "board"
    assert found["spec"]["display_name"] == "The board"
    jupyter_kernelspec("uninstall", "-y", "board")
    assert "board" not in listed()


def test_jupyter_tells_its_commands():
    told = jupyter_kernelspec("--help").stdout
    assert all(f"\n{word}\n" in told for word in ("list", "install", "uninstall", "remove"))


def test_as_a_command(tmp_path):
    command = [sys.executable, "-m", "rpyc_kernel.install", "--prefix", str(tmp_path), "--name", "board"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    again = subprocess.run([*command[:-1], "no name"], capture_output=True, text=True, timeout=60)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
