"""What a user gets who typed the wrong thing, or whose other machine is not as it should be: one clear sentence."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import Request
from tests.needs import needs

pytestmark = pytest.mark.mainly("plain")

BOUND = 25.0
"""Seconds within which any of this has to be told."""


@pytest.fixture(scope="module")
def front() -> Iterator[Client]:
    """One notebook for all of it: it has to stay usable."""
    with Kernel() as front:
        yield front


def told(cell: Request, *words: str) -> str:
    """The one sentence that a user gets; it must have these words, and nothing of our internals."""
    assert cell.status == "error", cell
    assert cell.reply is not None
    assert cell.error is not None
    sentence = str(cell.error["evalue"])
    assert cell.reply["evalue"] == sentence
    assert 20 < len(sentence) < 600, sentence
    assert "\n" not in sentence, sentence
    assert sentence.rstrip()[-1] in ".?!)\"'", sentence
    for word in words:
        assert word in sentence, sentence
    for inside in ("rpyc_kernel/", "site-packages", "Traceback", 'File "', "object at 0x"):
        assert inside not in cell.traceback
        assert inside not in sentence
    assert (cell.stdout, cell.stderr, cell.data) == ("", "", None)
    return sentence


def tell(front: Client, address: str, *words: str, options: str = "") -> str:
    """Connect, with code behind it that must not run; check the sentence and that the notebook is usable after."""
    started = time.monotonic()
    code = f"%connect {address} {options}\nprint('must not run')"
    sentence = told(front.run(code, timeout=BOUND + 20), *words)
    assert time.monotonic() - started < BOUND
    assert front.good("%%local\n6 * 7").text == "42"
    assert front.history(n=2)[0][2] == code, "nothing that is typed is lost"
    return sentence


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does `answer` with each connection; gives its address."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                held.append(connection)
                try:
                    answer(connection)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


def http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.close()


def ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


def test_a_closed_port(front: Client) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        tell(front, address, address, "SlaveService")


def test_a_name_that_does_not_resolve(front: Client) -> None:
    tell(front, "no-such-host.invalid", "no-such-host.invalid")


def test_a_wrong_host(front: Client) -> None:
    """192.0.2.0/24 is for documentation: nobody has it. A network may refuse, or swallow."""
    tell(front, "192.0.2.77:18812", "192.0.2.77")


def test_a_port_that_speaks_http(front: Client) -> None:
    with listening(http) as address:
        tell(front, address, address, "HTTP")


def test_a_port_that_speaks_ssh(front: Client) -> None:
    with listening(ssh) as address:
        tell(front, address, address)


def test_a_port_that_says_nothing(front: Client) -> None:
    with listening(lambda _connection: None) as address:
        tell(front, address, address)


def test_a_port_that_hangs_up(front: Client) -> None:
    with listening(lambda connection: connection.close()) as address:
        tell(front, address, address)


def test_a_server_of_another_service(front: Client) -> None:
    with Remote("bare", service="VoidService") as remote:
        tell(front, remote.address, remote.address, "SlaveService")


def test_an_rpyc_too_old(front: Client) -> None:
    """What 3.x says to a request in the form of 4 to 6: it understands nothing and hangs up, or answers in its own."""
    with listening(lambda connection: connection.sendall(b"\x00\x00\x00\x05\x00\x01\x02\x03\x04\x05\n")) as address:
        tell(front, address, address)


def test_a_python_too_old(front: Client) -> None:
    needs("python3.6")
    with Remote("bare", python="3.6", rpyc="5.0.1") as remote:
        tell(front, remote.address, remote.address, "3.6", "3.7")


EMBEDDED = "import sys; sys.executable = {!r}"


@pytest.mark.parametrize("executable", ["", "/bin/false", "/no/such/program"])
def test_an_embedded_interpreter_whose_executable_is_no_python(front: Client, executable: str) -> None:
    with Remote("bare", before=EMBEDDED.format(executable)) as remote:
        tell(front, remote.address, remote.address, executable or "sys.executable", "--python")
        connect(front, remote, f"--python {remote.python}")
        assert front.good("6 * 7").text == "42"


FULL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
user, group = os.getuid(), os.getgid()
assert libc.unshare(0x10020000) == 0, os.strerror(ctypes.get_errno())  # a user and a mount namespace of its own
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write("0 %d 1" % user)
open("/proc/self/gid_map", "w").write("0 %d 1" % group)
def mount(kind, place, flags, options):
    done = libc.mount(b"none", place.encode(), kind, flags, options)
    assert done == 0, os.strerror(ctypes.get_errno())
mount(None, "/", 0x44000, None)
"""


def filled(*places: str) -> str:
    """Lines for a server: each of these folders a file system of its own without a free byte."""
    fill = "".join(
        f"""
mount(b"tmpfs", {place!r}, 0, b"size=4096,nr_inodes=8")
with open({place!r} + "/filler", "wb", buffering=0) as filler:
    try:
        while True: filler.write(bytes(4096))
    except OSError: pass
"""
        for place in places
    )
    return FULL + fill


def test_a_full_disk(front: Client) -> None:
    """Either it works from memory, or it says what to do."""
    needs("unshare")
    remote = Remote("bare")
    remote.options["before"] = filled(str(remote.home), str(remote.tmp), "/var/tmp", "/dev/shm")
    with remote:
        cell = front.run(f"%connect {remote.address}\n6 * 7", timeout=60)
        if cell.status == "error":
            told(cell, remote.address, "disk")
        else:
            assert cell.text == "42"
        assert front.good("%%local\n1").text == "1"


@pytest.mark.parametrize("where", ["home read-only", "no temporary folder", "nowhere to write", "long home", "no home"])
def test_odd_homes_of_the_other_machine_work_all_the_same(front: Client, where: str) -> None:
    remote = Remote("bare")
    long = remote.folder / ("x" * 100) / ("y" * 100)
    long.mkdir(parents=True)
    env = {
        "home read-only": {"HOME": "/sys"},  # where even root creates nothing
        "no temporary folder": {"TMPDIR": "/no/such/folder"},
        "nowhere to write": {"HOME": "/sys", "TMPDIR": "/sys"},
        "long home": {"HOME": str(long), "TMPDIR": str(long)},
        "no home": {"HOME": ""},
    }[where]
    remote.env.update(env)
    with remote:
        cell = front.good(f"%connect {remote.address}\nimport os; os.environ['RK_WHERE']", timeout=60)
        assert cell.text == "'there'"
        assert front.interrupted(slept(front)) < 10


def slept(front: Client) -> Request:
    cell = front.start("import time; print('ready'); time.sleep(60)")
    front.wait_output(cell, "ready")
    return cell


@pytest.mark.parametrize("where", ["home read-only", "long home", "no temporary folder"])
def test_odd_homes_of_this_machine_work_all_the_same(
    new_kernel: Callable[..., Kernel], remote: Remote, where: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    long = tmp_path_factory.mktemp("l") / ("x" * 100) / ("y" * 100)
    long.mkdir(parents=True)
    env = {
        "home read-only": {"IPYTHONDIR": ""},
        "long home": {"HOME": str(long), "TMPDIR": str(long), "IPYTHONDIR": ""},
        "no temporary folder": {"TMPDIR": "/no/such/folder"},
    }[where]
    command = None
    if where == "home read-only":
        needs("unshare")
        start = f'mount -t tmpfs -o ro none "$HOME" && exec {sys.executable} -m rpyc_kernel -f "$0"'
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", start, "{connection_file}"]
    front = new_kernel(env=env, command=command).first
    connect(front, remote)
    assert front.good("import os; os.environ['RK_WHERE']").text == "'there'"


def test_a_server_that_dies_in_the_middle_of_a_cell(front: Client, gate: Gate) -> None:
    with Remote("bare") as remote:
        connect(front, remote)
        cell = front.start(f"print('before', flush=True)\n{gate.wait}\nprint('after')")
        front.wait_output(cell, "before")
        remote.stop()
        front.wait_for(lambda: cell.displays, 10, "the line that says so")
        front.interrupt()  # it would be delivered when the link is back,
        front.drain(0.3)  # two presses at once would be one
        front.interrupt()  # and who presses again doesn't want to wait for that
        front.finish(cell, 10)
        assert cell.stdout == "before\n"
        assert cell.error is not None
        assert remote.address in cell.error["evalue"]
        assert "rpyc_kernel/" not in cell.traceback
        assert "Traceback" not in cell.traceback
        assert front.good("%%local\n1").text == "1"
    with Remote("bare") as other:
        connect(front, other)
        assert front.good("6 * 7").text == "42"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8888", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:port", "18812", "ftp://host",
        "user:secret@host", "::1:2:3:4:5:6:7:8:9", "[::1", "unix://relative", "nobody@127.0.0.1", "-oProxyCommand=x",
        "a" * 5000, "ho st", "999.1.1.1",
    ],
)  # fmt: skip
def test_addresses_that_are_none(front: Client, address: str) -> None:
    cell = front.run(f'$connect("{address}")')
    sentence = told(cell)
    assert "secret" not in sentence + cell.traceback
    assert front.good("%%local\n1").text == "1"


def test_an_address_may_have_spaces_around(front: Client, remote: Remote) -> None:
    assert front.good(f'$connect("  {remote.address} ")\n6 * 7').text == "42"


def test_after_all_this_a_good_address_works_in_the_same_notebook(front: Client, remote: Remote) -> None:
    for address in ("127.0.0.1:1", "no-such-host.invalid", "127.0.0.1:99999"):
        assert front.run(f"%connect {address}").status == "error"
    connect(front, remote)
    assert front.good("6 * 7").text == "42"
    told(front.run("%connect 127.0.0.1:1"))
    assert front.good("import os; os.environ['RK_WHERE']").text == "'there'", "the notebook is where it was"
