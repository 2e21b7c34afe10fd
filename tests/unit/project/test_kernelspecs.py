"""What Jupyter's own commands and folders make of our kernelspec, as docs/extend.md tells it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from rpyc_kernel import install

ROOT = Path(__file__).resolve().parents[3]
SPEC = ROOT / "src" / "rpyc_kernel" / "kernelspec"
pytestmark = pytest.mark.usefixtures("private_jupyter")


def kernelspec(*argv, code=0, **env):
    command = [sys.executable, "-m", "jupyter_client.kernelspecapp", *argv]
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def user_kernels():
    return Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels"


def test_the_protocol_version_is_the_one_that_ipykernel_names():
    spec = json.loads((SPEC / "kernel.json").read_text(encoding="utf-8"))
    assert spec["kernel_protocol_version"] == get_kernel_dict()["kernel_protocol_version"]
    assert install.main([]) == 0
    installed = KernelSpec.from_resource_dir(str(user_kernels() / "rpyc"))
    assert installed.kernel_protocol_version == spec["kernel_protocol_version"]
    assert spec["metadata"]["debugger"] is True


# --- the commands


def test_list_names_the_kernel_and_its_folder():
    assert install.main(["--name", "board"]) == 0
    lines = kernelspec("list").splitlines()
    assert lines[0] == "Available kernels:"
    assert ["board", str(user_kernels() / "board")] in [line.split() for line in lines]


@pytest.mark.parametrize("written", ["help", "--help"])
def test_help_tells_the_subcommands(written):
    said = kernelspec(written)
    for name in ("list", "install", "uninstall", "remove"):
        assert f"\n{name}\n" in said


@pytest.mark.parametrize("take_away", ["uninstall", "remove"])
def test_jupyters_own_install_takes_our_folder_too(take_away):
    kernelspec("install", str(SPEC), "--user", "--name", "Again")
    folder = user_kernels() / "again"
    assert {path.name for path in folder.iterdir()} == {path.name for path in SPEC.iterdir()}
    assert json.loads(kernelspec("list", "--json"))["kernelspecs"]["again"]["spec"]["display_name"] == "Python (RPyC)"
    kernelspec(take_away, "-y", "again")
    assert not folder.exists()


def test_jupyters_own_install_under_a_prefix(tmp_path):
    kernelspec("install", str(SPEC), "--prefix", str(tmp_path), "--name", "rpyc")
    assert (tmp_path / "share/jupyter/kernels/rpyc/kernel.json").is_file()
    assert install.main(["--prefix", str(tmp_path), "--remove"]) == 0  # ours knows it as its own


def test_uninstall_of_one_that_is_not_there_fails():
    kernelspec("uninstall", "-y", "nobody", code=1)


# --- the folders


@pytest.mark.needs("posix")
def test_the_folders_that_are_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    folders = [Path(folder) for folder in KernelSpecManager().kernel_dirs]
    for folder in (
        tmp_path / "kernels",
        user_kernels(),
        Path(sys.prefix, "share/jupyter/kernels"),
        Path("/usr/share/jupyter/kernels"),
        Path("/usr/local/share/jupyter/kernels"),
    ):
        assert folder in folders
    assert folders[0] == tmp_path / "kernels"


@pytest.mark.parametrize(("prefer_environment", "first"), [("0", "mine"), ("1", "theirs")])
def test_which_of_two_with_one_name_is_taken(tmp_path, monkeypatch, prefer_environment, first):
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", prefer_environment)
    monkeypatch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [str(tmp_path / "share" / "jupyter")])
    assert install.main(["--name", "board", "--display-name", "mine"]) == 0
    assert install.main(["--name", "board", "--display-name", "theirs", "--prefix", str(tmp_path)]) == 0
    assert KernelSpecManager().get_kernel_spec("board").display_name == first


def test_a_name_is_found_in_any_case():
    assert install.main(["--name", "Board"]) == 0
    assert KernelSpecManager().get_kernel_spec("BOARD").display_name == "Python (RPyC)"
    with pytest.raises(NoSuchKernel):
        KernelSpecManager().get_kernel_spec("bo ard")


# --- kernel.json, and what comes of it in the running kernel


@pytest.fixture
def running(monkeypatch):
    """Our kernel as `install` has put it there, with variables of its own, started by its name."""
    source = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", source)
    monkeypatch.setenv("RK_OUTSIDE", "outside")
    assert install.main(["--name", "board", "--env", "RK_SAID=in kernel.json", "--env", "RK_BOTH=${RK_OUTSIDE}!"]) == 0
    manager = KernelManager(kernel_name="board")
    manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.context.destroy(linger=0)


@pytest.mark.needs("posix")
def test_the_fields_and_the_connection_file(running):
    manager, client = running
    spec = manager.kernel_spec
    assert (spec.display_name, spec.language, spec.interrupt_mode) == ("Python (RPyC)", "python", "message")
    assert {"debugger": True, "supported_encryption": ["curve"]}.items() <= spec.metadata.items()
    assert spec.argv[0] == sys.executable
    assert Path(spec.resource_dir) == user_kernels() / "board"
    connection_file = Path(manager.connection_file)
    told = json.loads(connection_file.read_text())
    ports = {name: told[name] for name in told if name.endswith("_port")}
    assert set(ports) == {"shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"}
    assert len(set(ports.values())) == 5
    assert (told["transport"], told["ip"], told["signature_scheme"]) == ("tcp", "127.0.0.1", "hmac-sha256")
    assert told["kernel_name"] == "board"
    assert len(told["key"]) >= 32
    assert stat.S_IMODE(connection_file.stat().st_mode) & 0o077 == 0  # its user's alone

    seen = []
    reply = client.execute_interactive(
        "%%local\nimport os; print(os.environ['RK_SAID'], os.environ['RK_BOTH'], os.environ['RK_OUTSIDE'])",
        timeout=60,
        output_hook=lambda message: seen.append(message["content"].get("text", "")),
    )
    assert reply["content"]["status"] == "ok"
    assert "".join(seen) == "in kernel.json outside! outside\n"

    info = client.kernel_info(reply=True, timeout=60)["content"]
    assert info["implementation"] == "rpyc-kernel"
    assert info["language_info"]["name"] == spec.language
    assert info["language_info"]["mimetype"] == "text/x-python"
    assert info["language_info"]["file_extension"] == ".py"
    assert {"codemirror_mode", "pygments_lexer", "version"} <= set(info["language_info"])
    assert "rpyc-kernel" in info["banner"]


@pytest.mark.needs("posix")
def test_a_request_that_is_not_signed_with_the_key_is_not_heard(running):
    manager, client = running
    stranger = BlockingKernelClient()
    stranger.load_connection_file(manager.connection_file)
    stranger.session.key = b"guessed"
    stranger.start_channels()
    try:
        stranger.execute("%%local\nimport os; os.environ['RK_SAID'] = 'changed'")
        asked = "%%local\nimport os; print(os.environ['RK_SAID'])"
        for _ in range(3):  # a stranger's request would have been taken before the last of these
            seen = []
            hook = lambda message, seen=seen: seen.append(message["content"].get("text", ""))  # noqa: E731
            client.execute_interactive(asked, timeout=60, output_hook=hook)
            assert "".join(seen) == "in kernel.json\n"
    finally:
        stranger.stop_channels()
        stranger.context.destroy(linger=0)
