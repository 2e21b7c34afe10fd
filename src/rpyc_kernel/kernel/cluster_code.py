"""The code that the notebook's machines run for its Dask cluster: scheduler, workers, clients, and how they end.

Each piece leaves no name in its session. What it starts is the session's, as all programs that cells start, and a
scheduler ends as soon as the Python that has started it does.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpyc_kernel.agent.wire import Message

START_TIMEOUT_S = 30.0
MAX_PORT = 65535
#: A scheduler's program, in any Python with Dask: it ends when its stdin does.
SCHEDULER = (
    "import os, sys, threading; threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start(); "
    "from distributed.cli.dask_scheduler import main; main(sys.argv[1:])"
)
_KEPT = """
import importlib.util, subprocess, sys, types
kept = sys.modules.setdefault("_rpyc_kernel_dask", types.ModuleType("_rpyc_kernel_dask"))
def begin(name, command, **streams):
    if importlib.util.find_spec("distributed") is None:
        raise ModuleNotFoundError("no %s here: its Python has no distributed" % name)
    end(name)  # one that a kernel before this one has left
    program = subprocess.Popen([sys.executable, *command], **streams)
    setattr(kept, name, program)
    return program
def end(name):
    program = kept.__dict__.pop(name, None)
    if program is None:
        return
    if program.stdin is None:
        program.terminate()
    else:
        program.stdin.close()
    try:
        program.wait(10)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
"""
_WORKER = (
    _KEPT
    + """
begin(
    "worker", ["-m", "distributed.cli.dask_worker", address, "--no-dashboard", "--death-timeout", "60"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
"""
)
_SCHEDULER = (
    _KEPT
    + """
import json, os, shutil, socket, tempfile, time
if not host:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect(("192.0.2.1", 9))  # of no machine (RFC 5737); nothing is sent
        host = sock.getsockname()[0]
    except OSError:
        host = socket.gethostname()
    finally:
        sock.close()
folder = tempfile.mkdtemp(prefix="rpyc-kernel-")
file = os.path.join(folder, "scheduler.json")
command = ["-c", program, "--host", host, "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", file]
try:
    with open(os.path.join(folder, "said"), "w+b") as said:
        scheduler = begin("scheduler", command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        give_up = time.monotonic() + seconds
        while True:
            try:
                with open(file) as written:
                    found = json.load(written)
                break
            except (OSError, ValueError):
                pass
            if scheduler.poll() is not None or time.monotonic() > give_up:
                said.seek(0)
                last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:] or ["it gave no reason"]
                raise OSError("no scheduler has started at %s: %s" % (host, last[0]))
            time.sleep(0.05)
except BaseException:
    end("scheduler")
    raise
finally:
    shutil.rmtree(folder, ignore_errors=True)
print(json.dumps({"address": found["address"], "dashboard": found.get("services", {}).get("dashboard", 0)}))
"""
)


class Scheduler(NamedTuple):
    """What a machine tells of the scheduler that has started there.

    Attributes:
        address: Its address, as Dask writes it.
        dashboard: The port of its dashboard there, 0 where it has none.
    """

    address: str
    dashboard: int


def start_worker(address: str) -> str:
    """Return the code that starts a worker for the scheduler at *address*."""
    return f"exec({_WORKER!r}, {{'address': {address!r}}})"


def start_scheduler(host: str) -> str:
    """Return the code that starts a scheduler at *host*, an address of that machine; "" for the one it leaves by."""
    names = {"host": host, "program": SCHEDULER, "seconds": START_TIMEOUT_S}
    return f"exec({_SCHEDULER!r}, {names!r})"


def end(name: str) -> str:
    """Return the code that ends a session's ``worker`` or ``scheduler``."""
    return f"exec({_KEPT + f'end({name!r})'!r}, {{}})"


def make_client(address: str) -> str:
    """Return the code that makes ``client`` in a session."""
    return f"client = __import__('distributed').Client({address!r}, set_as_default=False)"


def scheduler_of(messages: Iterable[Message]) -> Scheduler | None:
    """Read what the code that starts a scheduler has printed; None where that tells of none."""
    text = "".join(str(each.content.get("text")) for each in messages if each.type == "stream")
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if type(found) is dict and type(address := found.get("address")) is str:
            port = found.get("dashboard")
            if re.fullmatch(r"(tcp|tls)://[\w.:\[\]%-]{1,300}:[0-9]{1,5}", address):
                return Scheduler(address, port if type(port) is int and 0 < port <= MAX_PORT else 0)
    return None
