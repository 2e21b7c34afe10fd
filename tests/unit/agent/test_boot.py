"""The first of the agent on the other machine: its cache, what it believes, and that it brings the rest to life."""

import gc
import inspect
import io
import json
import os
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from rpyc_kernel.agent import boot
from rpyc_kernel.transport.broker_client import agent_archive
from tests.needs import needs
from tests.unit.sessions import BOOT, Client


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of the cache, which isn't made yet, and no other place to go."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    return tmp_path / "cache" / "rpyc-kernel"


def archive_of(**modules):
    """An archive of modules, those of a wing included: ``wing__one`` is ``wing/one.py``."""
    sources = {"__init__.py": "", "wing/__init__.py": ""}
    sources.update({name.replace("__", "/") + ".py": text for name, text in modules.items()})
    text = json.dumps(sources).encode()
    return boot.digest_of(text), zlib.compress(text)


DIGEST, ARCHIVE = archive_of(one="value = 1")
AGENT = boot.Agent(DIGEST, ARCHIVE)


def cached():
    found = boot.cached(DIGEST)
    return found and found.packed


# --- the cache


@pytest.mark.needs("posix")
def test_what_is_kept_is_found_again(cache):
    assert cached() is None
    boot.keep(AGENT)
    assert cached() == ARCHIVE
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert [path.name for path in cache.iterdir()] == ["agent-" + DIGEST]


def test_what_was_changed_in_the_cache_is_not_believed(cache):
    boot.keep(AGENT)
    (cache / ("agent-" + DIGEST)).write_bytes(b"something else")
    assert cached() is None


def test_what_was_not_used_for_a_month_is_removed(cache):
    boot.keep(AGENT)
    for name in ("agent-old", "code-old", "agent-new", "another-old"):
        (cache / name).touch()
        if name.endswith("old"):
            os.utime(cache / name, (0, time.time() - 31 * boot.DAY_S))
    os.utime(cache / ("agent-" + DIGEST), (0, time.time() - 31 * boot.DAY_S))
    assert cached() == ARCHIVE  # which is a use
    boot.keep(boot.Agent(*archive_of(one="value = 2")))
    assert {path.name for path in cache.iterdir()} >= {"agent-new", "another-old", "agent-" + DIGEST}
    assert not (cache / "agent-old").exists()
    assert not (cache / "code-old").exists()


@pytest.mark.needs("posix")
def test_where_the_first_folder_cannot_be_written_the_next_serves(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where a folder should be")
    boot.keep(AGENT)
    assert (tmp_path / "home" / ".cache" / "rpyc-kernel" / ("agent-" + DIGEST)).exists()
    assert cached() == ARCHIVE


@pytest.mark.needs("posix")
def test_with_nowhere_to_write_nothing_is_kept_and_nothing_raised(tmp_path):
    (tmp_path / "cache").write_text("")
    (tmp_path / "home").write_text("")
    boot.keep(AGENT)
    assert cached() is None


@pytest.mark.needs("posix")
@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_folder_that_others_may_enter_is_not_used(cache, mode):
    boot.keep(AGENT)
    cache.chmod(mode)
    assert str(cache) not in boot.private_folders(False)
    assert cached() is None


@pytest.mark.needs("posix")
def test_a_link_is_not_followed(cache, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.parent.mkdir()
    cache.symlink_to(tmp_path / "elsewhere")
    assert str(cache) not in boot.private_folders(True)


@pytest.mark.needs("posix")
def test_a_folder_of_another_user_is_not_used(cache, monkeypatch):
    assert str(cache) in boot.private_folders(True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert str(cache) not in boot.private_folders(False)


@pytest.mark.needs("posix")
def test_the_cache_is_never_in_a_shared_folder_and_a_session_may_be(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    below = str(tmp_path / f"rpyc-kernel-{os.geteuid()}")
    assert below in boot.private_folders(True)
    assert stat.S_IMODE(Path(below).stat().st_mode) == 0o700
    assert below not in boot.private_folders(True, shared=False)


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME", "TMPDIR"])
def test_a_folder_that_is_not_absolute_is_not_used(variable, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "relative")
    assert all(map(os.path.isabs, boot.private_folders(True)))
    assert not (tmp_path / "relative").exists()


# --- the archive


@pytest.fixture
def mounted():
    """Mounts archives, which are gone after the test."""
    path, modules = list(sys.meta_path), set(sys.modules)
    yield lambda digest, archive: boot.mount(boot.Agent(digest, archive))
    sys.meta_path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_modules_come_from_the_archive_under_a_name_of_their_own(mounted):
    digest, archive = archive_of(one="from .wing import two\nvalue = two.value + 1", wing__two="value = 1")
    package = mounted(digest, archive)
    assert package.endswith(digest[:16])
    module = boot.load("one", package)
    assert (module.value, module.__name__) == (2, package + ".one")
    assert not hasattr(module, "__file__")
    assert module.__loader__.get_source(module.__name__) == "from .wing import two\nvalue = two.value + 1"


def test_two_versions_live_in_one_process(mounted):
    packages = [mounted(*archive_of(one=f"value = {number}")) for number in (1, 2)]
    assert [boot.load("one", package).value for package in packages] == [1, 2]


def test_what_is_missing_is_an_import_error(mounted):
    package = mounted(*archive_of(one=""))
    with pytest.raises(ModuleNotFoundError):
        boot.load("two", package)


def test_an_archive_is_mounted_once(mounted):
    before = len(sys.meta_path)
    package = mounted(*archive_of(one=""))
    boot.load("one", package)
    assert mounted(*archive_of(one="")) == package
    assert len(sys.meta_path) == before + 1


def test_an_archive_that_unpacks_to_too_much_is_refused(mounted, monkeypatch):
    monkeypatch.setattr(boot, "MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(ValueError, match=r"."):
        boot.load("one", mounted(*archive_of(one="#" * 2000)))


# --- its code


@pytest.fixture
def code(cache):
    """The path of the code that a keeper has put into the cache."""
    boot.Agent(DIGEST, ARCHIVE).load_code()
    return next(cache.glob("code-*"))


def values(agent):
    scope = {}
    exec(agent.code("one.py"), scope)
    return scope["value"]


@pytest.mark.needs("posix")
def test_code_is_compiled_once(cache, code, monkeypatch):
    assert stat.S_IMODE(code.parent.stat().st_mode) == 0o700
    monkeypatch.setattr(os, "fork", None)
    agent = boot.Agent(DIGEST, b"not needed")
    agent.load_code()
    assert values(agent) == 1
    assert agent.has("wing/__init__.py")
    assert not agent.has("two.py")
    assert agent.code("one.py").co_filename == "<rpyc-kernel agent>/one.py"


@pytest.mark.needs("posix")
@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 36, bytes(8), None])
def test_code_that_is_damaged_is_not_used_and_made_again(code, damage):
    whole = code.read_bytes()
    code.write_bytes(whole[:-1] if damage is None else damage)
    agent = boot.Agent(DIGEST, ARCHIVE)
    agent.load_code()
    assert values(agent) == 1
    assert code.read_bytes() == whole


@pytest.mark.needs("posix")
def test_the_code_of_a_folder_that_others_may_enter_is_not_used(cache, code):
    cache.chmod(0o755)
    assert boot.cached_code(DIGEST) is None


@pytest.mark.needs("posix")
@pytest.mark.parametrize("what", ["cache_tag", "hexversion"])
def test_the_code_of_another_python_is_not_used(code, what, monkeypatch):
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(**{"cache_tag": "", "hexversion": 1, what: 0}))
    assert boot.cached_code(DIGEST) is None


@pytest.mark.needs("posix")
def test_with_nowhere_to_write_code_comes_from_memory(tmp_path):
    (tmp_path / "cache").write_text("")
    (tmp_path / "home").write_text("")
    agent = boot.Agent(DIGEST, ARCHIVE)
    agent.load_code()
    assert values(agent) == 1


@pytest.mark.needs("posix")
def test_an_agent_that_is_not_what_it_is_called_is_not_compiled(cache):
    agent = boot.Agent("0" * 64, ARCHIVE)
    agent.load_code()
    with pytest.raises(ValueError, match="damaged"):
        agent.code("one.py")
    assert not cache.exists()


# --- the broker's beginning

ECHO = """
class Broker:
    def __init__(self, *known):
        self.known = known
    def call(self, op, payload):
        return repr((op, payload, self.known)).encode()
"""


def test_the_agent_is_asked_for_once_and_then_cached(mounted):
    digest, archive = archive_of(broker=ECHO)
    call, answer = boot.open_broker(digest, b"source")
    assert answer == b""
    hello = repr(("hello", b"", (digest, archive, b"source"))).encode()
    call, answer = call("agent", archive)
    assert answer == call("hello", b"") == hello
    del sys.modules[boot.PREFIX + digest[:16]]  # as in another server
    call, answer = boot.open_broker(digest, b"source")
    assert answer == call("hello", b"") == hello


@pytest.mark.needs("posix")
def test_a_server_takes_the_code_that_a_keeper_has_compiled(mounted, cache):
    digest, archive = archive_of(broker='"""Asserts are not compiled."""\nassert False\n' + ECHO)
    boot.keep(boot.Agent(digest, archive))
    with pytest.raises(AssertionError):
        boot.open_broker(digest, b"source")
    boot.Agent(digest, archive).load_code()
    hello = repr(("hello", b"", (digest, archive, b"source"))).encode()
    assert boot.open_broker(digest, b"source")[1] == hello
    (cache / f"agent-{digest}").write_bytes(b"?" + archive)  # which keepers would get
    del sys.modules[boot.package_of(digest)]
    assert boot.open_broker(digest, b"source")[1] == b""


def test_a_second_connection_finds_the_agent_also_where_there_is_no_cache(mounted, tmp_path):
    (tmp_path / "cache").write_text("")
    (tmp_path / "home").write_text("")
    digest, archive = archive_of(broker=ECHO)
    call, answer = boot.open_broker(digest, b"source")
    assert answer == b""
    assert boot.open_broker(digest, b"source")[1] == b""
    hello = call("agent", archive)[1]
    assert boot.open_broker(digest, b"source")[1] == hello


def test_a_server_compiles_the_boot_text_once(mounted):
    digest, archive = archive_of(broker=ECHO, starter="compiled = {}")
    boot.open_broker(digest, b"source", "the code")[0]("agent", archive)
    package = sys.modules[boot.package_of(digest)]
    assert package.open_broker is boot.open_broker  # which `broker_client` calls next time
    assert package.starter.compiled == {b"source": "the code"}


def test_another_agent_than_the_one_named_is_refused_and_not_kept(mounted, cache):
    digest, archive = archive_of(broker=ECHO)
    call, answer = boot.open_broker(digest, b"source")
    assert answer == b""
    with pytest.raises(ValueError, match="damaged"):
        call("agent", archive_of(broker=ECHO + "#")[1])
    with pytest.raises(ValueError, match="damaged"):
        call("agent", b"?" + archive)
    assert not cache.exists()
    assert boot.open_broker(digest, b"source")[1] == b""


def test_a_keeper_does_not_run_what_is_not_what_it_is_called():
    _digest, archive = archive_of(keeper__main="")
    stream = io.BytesIO(b"%s\n%d 2\n%s{}" % (b"0" * 64, len(archive), archive))
    try:
        with pytest.raises(ValueError, match="damaged"):
            boot.start_keeper(stream)
    finally:
        gc.enable()


# --- the whole of it on every Python that this machine has

DRIVE = """
import sys
boot, digest, archive = sys.argv[1:4]
scope = {"__name__": "rpyc_kernel_boot"}
with open(boot, "rb") as file:
    source = file.read()
with open(archive, "rb") as file:
    archive = file.read()
exec(compile(source, "<rpyc-kernel boot>", "exec"), scope)
call, answer = scope["open_broker"](digest, source)
assert answer == b""
call, answer = call("agent", archive)
assert answer == call("hello", b"") == scope["open_broker"](digest, source)[1]
wire = sys.modules[scope["PREFIX"] + digest[:16] + ".wire"]
client = Client(call, wire, "old")
record = client.ask("spawn", shell="plain", keep=60)
assert "error" not in record, record
assert client.ask("hello")["python"] == record["python"] == "%d.%d.%d" % sys.version_info[:3]
client.attach()
machine, used = client.ask("machine"), client.ask("usage")  # for %info
assert machine["python"] == record["python"], machine
assert machine["kernel"].startswith("Linux ") and machine["os"] and machine["disk"]["total"] > 0, machine
assert machine["uptime"] > 0 and machine["cpu_count"] > 0, machine
assert used["host_virtual_memory"]["total"] > used["host_virtual_memory"]["available"] > 0, used
facts = __import__(scope["PREFIX"] + digest[:16] + ".keeper.machine", fromlist=["MachineFacts"])
board = facts.MachineFacts(sys.argv[4]).describe(None)
assert (board["model"], board["os"], board["uptime"]) == ("Jetson Nano", "A system", 12.5), board
assert (board["temperatures"], board["gpus"]) == ([("cpu", 48.5)], [{"name": "Jetson", "percent": 12.3}]), board

assert client.run("a", "print('w\\u00f6rld'); x = 20")[0] == "w\\u00f6rld\\n"
client.submit("b", "x + 1")
result = [each for each in client.until("b") if each.type == "execute_result"]
assert result[0].content["data"]["text/plain"] == "21", result
client.submit("c", "def f():\\n    return 1 / 0\\nf()")
error = [each for each in client.until("c") if each.type == "error"]
assert error[0].content["ename"] == "ZeroDivisionError", error
assert "return" in "".join(error[0].content["traceback"]), error
client.submit("d", msg_type="complete_request", code="x.bit_le", cursor_pos=8)
assert "bit_length" in client.until("d", "complete_reply")[-1].content["matches"][0]
client.submit("e", msg_type="inspect_request", code="len", cursor_pos=3, detail_level=0)
assert client.until("e", "inspect_reply")[-1].content["found"]
client.submit("f", "print('go')\\nimport time\\ntime.sleep(60)")
client.until("f", "stream")
assert client.interrupt("f")
assert client.until("f")[-1].content["ename"] == "KeyboardInterrupt"
client.submit("g", "name = input('who? ')\\nprint(name)")
serial = client.until("g", "input_request")[-1].content["serial"]
client.submit("h", msg_type="input_reply", value="me", serial=serial)
assert client.printed(client.until("g")) == "me\\n"
assert client.run("i", "import asyncio\\nawait asyncio.sleep(0.01)\\nprint(x)")[0] == "20\\n"
client.submit("j", "import os; os._exit(5)")
assert client.until("j")[-1].content["end"]["code"] == 5
assert client.run("k", "import sys; print('x' in globals(), file=sys.stderr)")[1]["status"] == "ok"
assert client.printed(client.messages, "stderr") == "False\\n", "something warned"
assert client.ask("terminate", epoch=client.epoch)["ended"]
import time
give_up = time.time() + 10
while "error" not in client.ask("status"):
    assert time.time() < give_up
    time.sleep(0.01)
print("all well on", sys.version.split()[0])
"""


@pytest.mark.needs("linux")
@pytest.mark.parametrize("version", [f"python3.{minor}" for minor in range(7, 14)])
def test_a_session_on_every_python(version, tmp_path, cache):
    """Warnings are errors over there, and the archive is all there is of us."""
    python = needs(version)
    digest, archive = agent_archive()
    (tmp_path / "boot").write_bytes(BOOT)
    (tmp_path / "agent").write_bytes(archive)
    board = {
        "proc/device-tree/model": "Jetson Nano\0",
        "proc/uptime": "12.5 20.0\n",
        "etc/os-release": 'PRETTY_NAME="A system"\n',
        "sys/class/thermal/thermal_zone0/type": "cpu\n",
        "sys/class/thermal/thermal_zone0/temp": "48500\n",
        "sys/devices/gpu.0/load": "123\n",
    }
    for name, text in board.items():
        path = tmp_path / "board" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    script = inspect.getsource(Client) + DRIVE
    environment = dict(os.environ, PYTHONWARNINGS="error", PYTHONPATH="", PYTHONIOENCODING="utf-8")
    done = subprocess.run(
        [python, "-c", script, str(tmp_path / "boot"), digest, str(tmp_path / "agent"), str(tmp_path / "board")],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert done.stdout.startswith("all well on"), done.stderr
    assert done.stderr == ""
    assert list((cache / "sessions").iterdir()) == []
