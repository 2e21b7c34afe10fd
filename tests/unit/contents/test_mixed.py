"""The user's own manager of contents, with machines beside what it has."""

import asyncio
import importlib
import inspect
import json
from pathlib import Path

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager, FileContentsManager
from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError

import rpyc_kernel
from rpyc_kernel.contents.machines import MachineList
from rpyc_kernel.contents.mixed import WithMachines, with_machines
from rpyc_kernel.contents.refusals import told
from rpyc_kernel.errors import AgentError, ArgumentError, TransferError

# `resolve_path` doesn't know whose path it gets (`contents/links.py` does); the next are called by those above them.
OF_PATHS_HERE = {"resolve_path", "delete_file", "rename_file", "check_and_sign", "mark_trusted_cells"}
OF_PATHS_HERE |= {"run_pre_save_hook", "run_pre_save_hooks"}


def test_each_method_that_takes_a_path_knows_those_on_machines():
    """A new one of Jupyter's would look for a machine's files here."""
    taking = {
        name
        for name, method in inspect.getmembers(AsyncContentsManager, inspect.isfunction)
        if not name.startswith("_") and {"path", "from_path", "old_path"} & set(inspect.signature(method).parameters)
    }
    assert taking - OF_PATHS_HERE == {name for name in taking if name in vars(WithMachines)}


@pytest.mark.parametrize("base", [FileContentsManager, AsyncFileContentsManager])
def test_what_is_on_this_machine_is_the_users_own_class_s_affair(base, tmp_path, monkeypatch):
    monkeypatch.setattr(MachineList, "targets", lambda _self: {"pi": None})
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "pi:").mkdir()  # a folder of that very name is there, once
    mixed, plain = with_machines(base)(root_dir=str(tmp_path)), base(root_dir=str(tmp_path))
    assert with_machines(type(mixed)) is type(mixed)
    assert isinstance(mixed, base)

    async def result(value):
        return await value if inspect.isawaitable(value) else value

    def same(name, *args):
        mine, theirs = getattr(mixed, name)(*args), getattr(plain, name)(*args)
        assert inspect.isawaitable(mine) == inspect.isawaitable(theirs)
        mine, theirs = asyncio.run(result(mine)), asyncio.run(result(theirs))
        assert mine == theirs
        return mine

    same("get", "x.txt")
    same("file_exists", "x.txt")
    same("is_hidden", "a:b")
    same("get_kernel_path", "x.txt")
    same("increment_filename", "x.txt", "")
    assert [each["name"] for each in asyncio.run(result(mixed.get("")))["content"]].count("pi:") == 1
    assert mixed.get_kernel_path("pi:home/n.ipynb") == ""
    with pytest.raises(HTTPError, match="No such file"):
        mixed.get("pi:../x")


def test_the_server_finds_the_extension():
    points = [each["module"] for each in rpyc_kernel._jupyter_server_extension_points()]
    modules = [importlib.import_module(each) for each in points]
    assert all(callable(each._load_jupyter_server_extension) for each in modules)
    assert "rpyc_kernel.contents.extension" in points
    file = Path(rpyc_kernel.__file__).parent / "jupyter_server" / "server_config.json"
    assert json.loads(file.read_text("utf-8")) == {"ServerApp": {"jpserver_extensions": {"rpyc_kernel": True}}}


@pytest.mark.parametrize(
    ("code", "status"), [("ENOENT", 404), ("EACCES", 403), ("EROFS", 403), ("EEXIST", 409), ("ENOSPC", 507), ("", 500)]
)
def test_what_front_ends_are_told(code, status):
    with pytest.raises(HTTPError, match="no") as raised, told():
        raise AgentError("no.", code)
    assert raised.value.status_code == status
    error = TransferError("no.")
    error.code = code
    with pytest.raises(HTTPError) as raised, told():
        raise error
    assert raised.value.status_code == status
    with pytest.raises(HTTPError) as raised, told():
        raise ArgumentError("not there")
    assert raised.value.status_code == 503
