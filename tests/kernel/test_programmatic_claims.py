"""docs/programmatic.md: each of its lines is run by a test, its code is the scripts', and it is right about Jupyter."""

import ast
import inspect
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from jupyter_client import KernelManager, find_connection_file
from jupyter_client.consoleapp import JupyterConsoleApp
from jupyter_client.kernelapp import KernelApp, main
from jupyter_client.kernelspecapp import ListKernelSpecs
from jupyter_client.manager import run_kernel
from jupyter_core.paths import jupyter_runtime_dir
from nbclient.cli import NbClientApp
from traitlets.config import LoggingConfigurable
from traitlets.config.configurable import MultipleInstanceError

from tests.kernel.documents import EXAMPLES, blocks, commands
from tests.kernel.kernels import private_environment, write_kernelspec


def test_every_line_of_the_document_is_run() -> None:
    sources = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_programmatic*.py")]
    texts = {node.value for tree in sources for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert len(commands()) > 30
    assert [line for line in commands() if line not in texts] == []


def test_its_code_is_that_of_the_scripts() -> None:
    scripts = [path.read_text() for path in EXAMPLES.glob("*.py")]
    assert len(blocks("python")) > 10
    assert [block for block in blocks("python") if not any(block in script for script in scripts)] == []


def test_an_application_on_a_bare_instance_reads_no_config_file(tmp_path: Path) -> None:
    write_kernelspec(tmp_path / "share")
    env = private_environment(tmp_path, JUPYTER_PATH=str(tmp_path / "share"))
    config = Path(env["JUPYTER_CONFIG_DIR"]) / "jupyter_config.py"
    config.write_text("c.KernelSpecManager.allowed_kernelspecs = {'rpyc'}\n")
    found = {}
    for call in ("ListKernelSpecs().start()", "ListKernelSpecs.launch_instance(argv=[])"):
        code = f"from jupyter_client.kernelspecapp import ListKernelSpecs; {call}"
        found[call] = subprocess.check_output([sys.executable, "-c", code], env=env, text=True, timeout=60)
    assert ["python3" in text for text in found.values()] == [True, False]
    assert all("rpyc" in text for text in found.values())


def test_main_is_a_class_method_and_a_process_has_one_application() -> None:
    assert main == KernelApp.launch_instance
    assert main.__self__ is KernelApp
    ListKernelSpecs.instance()
    try:
        with pytest.raises(MultipleInstanceError):
            KernelApp.instance()
    finally:
        ListKernelSpecs.clear_instance()


def test_a_manager_without_a_kernel_says_that_it_is_dead() -> None:
    manager = KernelManager()
    manager.write_connection_file()
    client = manager.client()
    client.start_channels()
    try:
        with pytest.raises(RuntimeError, match="Kernel died before replying to kernel_info"):
            client.wait_for_ready(timeout=600)
    finally:
        client.stop_channels()
        manager.cleanup_resources()


def test_a_manager_by_itself_writes_where_nobody_looks(tmp_path: Path) -> None:
    manager = KernelManager()
    assert manager.get_connection_info()["shell_port"] == 0
    manager.write_connection_file()
    try:
        assert manager.get_connection_info()["shell_port"] > 0
        path = Path(manager.connection_file)
        assert path.parent == Path(tempfile.gettempdir())
        with pytest.raises(OSError, match="Could not find"):
            find_connection_file(path.name)
        other = KernelManager()
        other.load_connection_file(str(path))
        other.connection_file = str(path)
        other.cleanup_connection_file()
        assert path.exists()  # only who has written it removes it
    finally:
        manager.cleanup_connection_file()
    assert not path.exists()


def test_ports_are_only_new_where_they_are_not_cached() -> None:
    assert KernelManager().cache_ports
    assert not KernelManager(transport="ipc").cache_ports
    manager = KernelManager(cache_ports=False)
    manager.write_connection_file()
    manager.cleanup_random_ports()
    assert manager.ports == [0] * 5
    assert not os.path.exists(manager.connection_file)  # noqa: PTH110


def test_an_empty_ip_leads_the_manager_nowhere() -> None:
    manager = KernelManager(ip="")
    manager.write_connection_file()
    try:
        assert json.loads(Path(manager.connection_file).read_text())["ip"] == "127.0.0.1"
        assert manager._make_url("control").startswith("tcp://:")
    finally:
        manager.cleanup_connection_file()
    assert KernelManager(ip="*").ip == "0.0.0.0"


def test_without_a_connection_file_unix_sockets_lie_in_the_current_folder() -> None:
    assert KernelManager(transport="ipc").ip == "kernel-ipc"
    assert KernelManager(transport="ipc", connection_file="/a/kernel.json").ip == "/a/kernel-ipc"


def test_the_runtime_folder_is_decided_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    if sys.platform == "linux":
        assert jupyter_runtime_dir() == "/xdg/jupyter/runtime"
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/data")
    assert jupyter_runtime_dir() == "/data/runtime"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/runtime")
    assert jupyter_runtime_dir() == "/runtime"


def test_jupyter_kernel_has_no_log_level_for_short(capsys: pytest.CaptureFixture[str]) -> None:
    app = KernelApp()
    with pytest.raises(SystemExit) as ended:
        app.parse_command_line(["--log-level=DEBUG"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --log-level=DEBUG" in capsys.readouterr().err
    assert app.log_level == logging.INFO
    app.parse_command_line(["--KernelApp.log_level=DEBUG"])
    assert app.log_level == logging.DEBUG


def test_where_a_configurable_has_its_log_from() -> None:
    alone = LoggingConfigurable()
    assert alone.log.name == "traitlets"
    assert [type(handler) for handler in alone.log.handlers] == [logging.NullHandler]
    app = KernelApp()
    assert LoggingConfigurable(parent=app).log is app.log
    assert KernelManager(parent=app).log is app.log


def test_what_is_said_of_other_programs() -> None:
    """Where one of these fails, that program has learned something, and the document has to say so."""
    assert "curve" not in inspect.getsource(JupyterConsoleApp.init_kernel_client)
    assert "config=" not in inspect.getsource(NbClientApp.run_notebook)
    assert "shutdown_kernel(now=True)" in inspect.getsource(run_kernel)
    assert "self.km.start_kernel()" in inspect.getsource(KernelApp.start)
