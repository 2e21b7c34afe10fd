"""Notebooks that run on another machine by themselves: what was sent, and what this machine remembers of it.

The cells are sent all at once, with nothing of this machine needed after that. The notebook itself stays here, in a
private file in Jupyter's data folder, and gets its outputs from the session's messages.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_core.paths import jupyter_data_dir
from nbclient import NotebookClient

from rpyc_kernel.agent.boot import write_file
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.batch import notebook as notebooks
from rpyc_kernel.batch import unattended
from rpyc_kernel.batch.unattended import Unattended
from rpyc_kernel.errors import ArgumentError, CommandError, DialError, NotebookFileError, RpycKernelError
from rpyc_kernel.kernel.commands import route
from rpyc_kernel.kernel.jupyter.iopub import DISPLAYS, OUTPUTS
from rpyc_kernel.kernel.jupyter.pictures import Pictures
from rpyc_kernel.program import death, end_begun
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.plain import plain
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from rpyc_kernel.hosts.target import Target

KEEP_S = 7 * 24 * 3600.0  # that a session waits for somebody to fetch its outputs
FORGOTTEN_S = 90 * 24 * 3600.0  # after which a file here is removed
MAX_FILE_BYTES = 1 << 30
MAX_WARNING_CHARS = 300


@dataclass(frozen=True)
class DetachedRun:
    """One run, as this machine remembers it.

    Attributes:
        name: What its session is called.
        session: The session's id.
        address: Its server.
        machine: What the user calls that.
        source: The notebook's path.
        target: Where its outputs go, unless something else is said.
        began: When, in seconds since 1970.
        notebook: The notebook without outputs, as JSON.
        record: As in `Unattended`.
    """

    name: str
    session: str
    address: str
    machine: str
    source: str
    target: str
    began: float
    notebook: dict[str, Any] = field(repr=False)
    record: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def where(self) -> Unattended:
        """Where its session is. Raises AddressError."""
        return Unattended(Address.parse(self.address), self.session, self.record)

    def save(self) -> None:
        """Keep it. Raises NotebookFileError."""
        path = _folder() / f"{self.session}.json"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for other in path.parent.glob("*.json"):
                if other.stat().st_mtime < time.time() - FORGOTTEN_S:
                    other.unlink(missing_ok=True)
            write_file(str(path), json.dumps(asdict(self)).encode())
        except OSError as error:
            raise NotebookFileError(path, f"can't be written ({error.strerror}), so nothing was started") from None

    def forget(self) -> None:
        """Remove its file."""
        (_folder() / f"{self.session}.json").unlink(missing_ok=True)


def _folder() -> Path:
    return Path(jupyter_data_dir()) / "rpyc-kernel" / "runs"


def known() -> list[DetachedRun]:
    """Return the runs that this machine remembers, the newest first. A file that is none of ours is left out."""
    found = []
    for path in _folder().glob("*.json"):
        try:
            if path.stat().st_size <= MAX_FILE_BYTES:
                run = DetachedRun(**json.loads(path.read_bytes()))
                if path.stem == run.session:
                    found.append(run)
        except (OSError, ValueError, TypeError):
            continue
    return sorted(found, key=lambda run: -run.began)


def choose(name: str) -> DetachedRun:
    """Return the run of that name, or with that beginning of its session's id. Raises ArgumentError."""
    runs = known()
    fitting = [run for run in runs if run.name == name] or [
        run for run in runs if name and run.session.startswith(name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(run.session[:8] for run in fitting)
        raise ArgumentError(f"Several runs fit {plain(name)}: {ids}. Write the beginning of one's id.")
    names = ", ".join(dict.fromkeys(run.name for run in runs[:20])) or "none"
    raise ArgumentError(f"No run {plain(name)} was detached from this machine by this user. There is: {names}.")


def _free_name(stem: str) -> str:
    """Return a name that no run here has."""
    taken = {run.name for run in known()}
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


# --- what is sent


def start(machine: Target, notebook: Any, source: Path, target: Path) -> tuple[DetachedRun, list[str]]:
    """Have a notebook run on a machine by itself.

    Args:
        machine: Where.
        notebook: The notebook.
        source: Its path.
        target: Where its outputs are to go.

    Returns:
        The run, and what on that machine may end it, as sentences.

    Raises:
        RpycKernelError: It can't be sent; nothing runs then.
    """
    session, name = uuid.uuid4().hex, _free_name(source.stem)
    messages = _requests(notebook, session)
    config = machine.config_without_kernel(name, KEEP_S)

    def begin(server: Address, _seconds: float | None) -> tuple[DetachedRun, list[str]]:
        paths = str(source.resolve()), str(target.resolve())
        run = DetachedRun(name, session, str(server), machine.display, *paths, time.time(), notebook)
        run.save()  # before anything runs that would not be found again
        try:
            found, warnings = unattended.begin(server, session, config, messages)
        except DialError:
            run.forget()
            raise
        except BaseException as error:
            with suppress(RpycKernelError):  # or else it stays here, since some cells may run there
                if isinstance(error, RpycKernelError):
                    unattended.end(run.where)
                else:  # Ctrl-C: it may still begin
                    end_begun(server, session)
                run.forget()
            raise
        if found.record:
            run = replace(run, record=found.record)
            run.save()
        return run, [plain(warning, MAX_WARNING_CHARS) for warning in warnings]

    where = machine.address
    return first_server(where, where.locate(), begin)


def _requests(notebook: Any, session: str) -> list[Message]:
    """Return the requests for the cells of a notebook.

    Raises:
        CommandError: A cell has a command, or code for this machine, which nobody would run.
    """
    found: list[Message] = []
    for index, cell in enumerate(notebook.cells):
        if not notebooks.runs(cell):
            continue
        _check(cell.source, index)
        content = {
            "code": cell.source,
            "silent": False,
            "store_history": True,
            "execution_count": len(found) + 1,
            "allow_stdin": False,
            "deaths": 0,  # a cell that comes after one doesn't run
            "batch": session,
            "stop_on_error": not notebooks.allows_errors(cell),
        }
        found.append(Message("execute_request", content, _msg_id(session, index)))
    return found


def _check(source: str, index: int) -> None:
    try:
        steps = route.route(source)
    except CommandError as error:
        raise CommandError(f"Cell {index + 1}: {error}") from None
    if not all(isinstance(step, route.RemoteCode) for step in steps):
        raise CommandError(
            f"Cell {index + 1} has a command of rpyc-kernel's, or code for this machine. With --detach everything runs "
            "there: take the cell out, or run the notebook without --detach."
        )


def _msg_id(session: str, index: int) -> str:
    return f"{session}-{index}"


# --- what has come of it


@dataclass
class RunResult:
    """How far a run is.

    Attributes:
        notebook: The notebook, with the outputs so far.
        total: How many cells it has to run.
        ended: How many of them have run to their end.
        failed: The traceback, or the sentence, of the cell that has stopped it; "" for none.
        running: Whether it goes on.
    """

    notebook: Any
    total: int = 0
    ended: int = 0
    failed: str = ""
    running: bool = False

    @property
    def complete(self) -> bool:
        """Whether all of its cells have run, as far as is known here."""
        return self.ended == self.total and not self.failed


def outcome(run: DetachedRun, machine: Target, look: unattended.Look) -> RunResult:
    """Put the outputs into the notebook of a run, as nbclient does with those of a kernel.

    Args:
        run: The run.
        machine: Where it is, for sentences.
        look: What its session has given out.
    """
    notebook = nbformat.from_dict(run.notebook)
    client, pictures, replies = NotebookClient(notebook), Pictures(), {}
    client.clear_before_next_output = False
    cells = {_msg_id(run.session, index): index for index in range(len(notebook.cells))}
    for message in look.messages:
        index = cells.get(message.parent)
        if index is None:
            continue
        if message.type == "execute_reply":
            replies[index] = message
            client.clear_before_next_output = False  # nbclient begins each cell so
        elif message.type in OUTPUTS:
            if message.type in DISPLAYS:
                pictures.place(message)
            _show(client, message, index)
    client.set_widgets_metadata()
    notebook.metadata.setdefault("language_info", {"name": "python"})
    result = RunResult(notebook, running=look.busy)
    for index, cell in enumerate(notebook.cells):
        if notebooks.runs(cell):
            _conclude(result, cell, replies.get(index), machine)
    return result


def _show(client: NotebookClient, message: Message, index: int) -> None:
    cell = client.nb.cells[index]
    header = {"msg_type": message.type, "msg_id": ""}
    made = {
        "header": header,
        "msg_type": message.type,
        "parent_header": {"msg_id": message.parent},
        "content": message.content,
        "metadata": message.metadata,
        "buffers": [bytes(buffer) for buffer in message.buffers],
    }
    try:
        client.process_message(made, cell, index)
    except (LookupError, TypeError, ValueError, AttributeError):  # what that machine sends is no such message
        pass


def _conclude(result: RunResult, cell: Any, reply: Message | None, machine: Target) -> None:
    """Take note of how a cell has ended, if it has."""
    result.total += 1
    if reply is None:
        return
    content, status = reply.content, reply.content.get("status")
    if status == "aborted" or result.failed:
        return
    result.ended += 1
    cell.execution_count = result.total
    end = content.get("end") if reply.sealed else None
    if isinstance(end, dict):
        sentence = death(machine, end)
        made = {"ename": "WorkerDied", "evalue": sentence, "traceback": [f"\x1b[31mWorkerDied\x1b[0m: {sentence}"]}
        cell.outputs.append(nbformat.v4.new_output("error", **made))
        result.failed = sentence
    elif status != "ok" and not notebooks.allows_errors(cell):
        lines = content.get("traceback")
        text = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
        result.failed = text or plain(f"{content.get('ename')}: {content.get('evalue')}", 2000)
