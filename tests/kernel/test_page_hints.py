"""What the page can't load because it is another machine's, and scripts that are looked for on another machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

BOARD = "import socket\nsocket.gethostname = lambda: 'board'\n"


@pytest.fixture(scope="module", params=["ipython", "plain"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """A machine of another name."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(BOARD)
    with Remote(request.param, env={"PYTHONPATH": str(folder)}) as server:
        yield server


@pytest.fixture(scope="module")
def notebook(machine: Remote) -> Iterator[Client]:
    with Kernel() as client:
        yield client


@pytest.fixture
def board(notebook: Client, machine: Remote) -> Client:
    """A notebook there, in which nothing has run."""
    connect(notebook, machine, "--new")
    notebook.good(
        "class HTML:\n    def __init__(self, text): self.text = text\n    def _repr_html_(self): return self.text\n"
        "open('pic.svg', 'w').close()"
    )
    return notebook


def test_a_hint_follows_the_first_of_each_kind(board: Client) -> None:
    for harmless in ("<b>x</b>", "<img src='nowhere.png'>", "<a href='https://example.org/pic.svg'>x</a>"):
        assert board.good(f"HTML({harmless!r})").stderr == ""
    board.good("open('large.bin', 'wb').write(bytes(5 << 20))")
    cell = board.good("display(HTML('<img src=\"large.bin\">'))")
    assert "large.bin is a file of board, and too large" in cell.stderr
    assert "%get large.bin" in cell.stderr
    assert cell.status == "ok"
    assert board.good("HTML(\"<a href='large.bin'>x</a>\")").stderr == "", "once"
    cell = board.good('HTML(\'<iframe width="4" src="http://localhost:6006/?a=1"></iframe>\')')
    assert "not on board. %forward 6006 opens that port here" in cell.stderr
    assert board.good("HTML('<img src=\"http://127.0.0.1:1/\">')").stderr == "", "once"


def test_a_port_that_is_forwarded_needs_no_hint(board: Client) -> None:
    same, other, taken = (free_port() for _ in range(3))
    with socket.create_server(("127.0.0.1", taken)):
        board.good(f"%forward {same}")
        said = board.good(f"%forward {taken}").stdout
    assert board.good(f"HTML('<iframe src=\"http://localhost:{same}/\"></iframe>')").stderr == ""
    cell = board.good(f"HTML('<iframe src=\"http://localhost:{taken}/\"></iframe>')")
    (here,) = re.findall(r"http://localhost:\d+", cell.stderr.partition("there")[0].rpartition("board is ")[2])
    assert here in said
    assert here != f"http://localhost:{taken}"
    board.good(f"%forward {same} --end\n%restart")
    board.good(
        "class HTML:\n    def __init__(self, text): self.text = text\n    def _repr_html_(self): return self.text"
    )
    assert f"%forward {other}" in board.good(f"HTML('<a href=\"http://localhost:{other}\">x</a>')").stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_files_are_sent_with_what_is_shown(board: Client) -> None:
    board.good("open('a b.csv', 'w').write('1,2')\nopen('v.mp4', 'wb').write(b'video')")
    shown = board.good("HTML(\"<a href='a b.csv' target='_blank'>a b.csv</a><br>\")")
    assert shown.data["text/html"] == (  # type: ignore[index]
        "<a href='data:text/csv;base64,MSwy' download='a b.csv' target='_blank'>a b.csv</a><br>"
    )
    assert shown.stderr == ""
    shown = board.good('HTML(\'<video src="v.mp4" controls></video><p src="v.mp4">\')')
    assert shown.data["text/html"] == (  # type: ignore[index]
        '<video src="data:video/mp4;base64,dmlkZW8=" controls></video><p src="v.mp4">'
    )
    shown = board.good("from IPython.display import FileLink, Video\ndisplay(Video('v.mp4'))\nFileLink('a b.csv')")
    assert "data:text/csv;base64,MSwy" in shown.data["text/html"]  # type: ignore[index]
    assert "data:video/mp4;base64,dmlkZW8=" in shown.displays[0]["text/html"]


def test_there_is_no_hint_on_the_machine_of_the_page(nb: Client) -> None:
    nb.good("class HTML:\n    def _repr_html_(self): return '<img src=\"http://localhost:6006/\">'")
    assert nb.good("HTML()").stderr == ""


@pytest.mark.parametrize("code", ["%run nothere.py", "%run -i nothere.py 1 2"])
def test_a_script_that_is_not_found_was_looked_for_there(nb: Client, code: str) -> None:
    cell = nb.run(code)
    said = cell.stderr + (cell.traceback if cell.error else "")
    where = nb.good("import os, socket\n(socket.gethostname(), os.getcwd())").text
    assert cell.status == "error"
    assert all(part.strip("'") in said for part in str(where).strip("()").split(", "))
    assert "no file nothere.py" in said
    assert "%put FILE" in said


def test_loading_what_is_not_found(nb: Client, remote_kind: str) -> None:
    if remote_kind == "ipython":
        assert "no file nothere.py on" in nb.run("%load nothere.py").stderr
    assert nb.run("%run").status in ("ok", "error")
    assert nb.good("1").text == "1"
