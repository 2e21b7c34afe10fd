"""The files of machines through the contents API of a real Jupyter server, on a stock RPyC server."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from urllib.parse import urlencode

import nbformat
import pytest

from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.kernel.remotes import wait_until
from tests.servers.jupyter_servers import JupyterServer
from tests.servers.rpyc_servers import start_server


@pytest.fixture(scope="module")
def jupyter():
    with start_server() as server:
        jupyter = JupyterServer("jupyter_server")
        jupyter.save_host("pi", server.address, "--tile")
        (jupyter.root / "here.txt").write_text("here")
        with jupyter:
            yield jupyter
        # its session has ended with the server that had begun it
        address = Address.parse(server.address)
        assert wait_until(lambda: "files" not in [each.name for each in listing.sessions(address)], 30)


@pytest.fixture
def there(tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def contents(path):
    """Return the address of a path there, of a folder or file of this machine that plays the other one."""
    return f"/api/contents/pi:{str(path)[1:]}"


def names(answer):
    assert answer.status == 200, answer.body
    return sorted(each["name"] for each in answer.json["content"])


def put(jupyter, path, text, **more):
    return jupyter.ask("PUT", contents(path), {"type": "file", "format": "text", "content": text, **more})


def test_machines_are_folders_beside_the_servers_own(jupyter):
    assert names(jupyter.ask("GET", "/api/contents/")) == ["here.txt", "pi:"]
    assert jupyter.ask("GET", "/api/contents/here.txt").json["content"] == "here"
    top = jupyter.ask("GET", "/api/contents/pi:").json
    assert {"tmp", "~"} <= {each["name"] for each in top["content"]}
    home = next(each for each in top["content"] if each["name"] == "~")
    assert home["path"] == f"pi:{str(Path.home())[1:]}"
    assert jupyter.ask("GET", "/api/contents/pi:/~").json["path"] == home["path"]


def test_files_are_listed_read_written_moved_and_removed(jupyter, there):
    (there / "data.csv").write_text("1,2\n")
    (there / "folder").mkdir()
    (there / "leads").symlink_to("folder")
    (there / "dangling").symlink_to("nothing")
    (there / ".hidden").write_text("")
    listed = jupyter.ask("GET", contents(there))
    assert names(listed) == ["data.csv", "folder", "leads"]
    kinds = {each["name"]: each["type"] for each in listed.json["content"]}
    assert kinds == {"data.csv": "file", "folder": "directory", "leads": "directory"}
    model = jupyter.ask("GET", contents(there / "data.csv")).json
    assert (model["content"], model["format"], model["mimetype"]) == ("1,2\n", "text", "text/csv")
    assert (model["path"], model["size"]) == (f"pi:{str(there)[1:]}/data.csv", 4)
    assert jupyter.ask("GET", f"/api/contents/pi:{there}/data.csv").json == model  # with the slash that a user writes
    assert put(jupyter, there / "new.txt", "größer").status == 201
    assert (there / "new.txt").read_text("utf-8") == "größer"
    (there / "run").write_text("old")
    (there / "run").chmod(0o755)
    assert put(jupyter, there / "run", "new").status == 200
    assert ((there / "run").read_text(), (there / "run").stat().st_mode & 0o777) == ("new", 0o755)
    moved = jupyter.ask("PATCH", contents(there / "run"), {"path": f"pi:{str(there)[1:]}/folder/ran"})
    assert (moved.status, (there / "folder" / "ran").read_text()) == (200, "new")
    taken = jupyter.ask("PATCH", contents(there / "new.txt"), {"path": f"pi:{str(there)[1:]}/data.csv"})
    assert (taken.status, (there / "data.csv").read_text()) == (409, "1,2\n")
    assert jupyter.ask("DELETE", contents(there / "new.txt")).status == 204
    full = jupyter.ask("DELETE", contents(there / "folder"))
    assert (full.status, "something is" in full.json["message"]) == (400, True)
    assert sorted(each.name for each in there.iterdir()) == [".hidden", "dangling", "data.csv", "folder", "leads"]
    assert jupyter.ask("GET", contents(there / "nothing")).status == 404


def test_bytes_and_odd_names(jupyter, there):
    data = bytes(range(256))
    odd = os.fsdecode(b"caf\xe9")
    (there / odd).write_bytes(data)
    (shown,) = jupyter.ask("GET", contents(there)).json["content"]
    model = jupyter.ask("GET", f"/api/contents/{shown['path']}").json
    assert (base64.b64decode(model["content"]), model["format"]) == (data, "base64")
    assert jupyter.ask("GET", f"/api/contents/{shown['path']}?format=text").status == 400
    text = base64.b64encode(data[::-1]).decode()
    body = {"type": "file", "format": "base64", "content": text}
    assert jupyter.ask("PUT", f"/api/contents/{shown['path']}", body).status == 200
    assert (there / odd).read_bytes() == data[::-1]


def test_a_notebook_lies_there(jupyter, there):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    path = contents(there / "n.ipynb")
    saved = jupyter.ask("PUT", path, {"type": "notebook", "format": "json", "content": notebook})
    assert (saved.status, saved.json["type"], saved.json["content"]) == (201, "notebook", None)
    assert nbformat.read(there / "n.ipynb", 4).cells[0].source == "1 + 1"
    model = jupyter.ask("GET", f"{path}?hash=1").json
    assert model["content"]["cells"][0]["source"] == "1 + 1"
    assert model["hash"] == hashlib.sha256((there / "n.ipynb").read_bytes()).hexdigest()
    (checkpoint,) = jupyter.ask("GET", f"{path}/checkpoints").json  # of the first save
    notebook.cells[0].source = "2 + 2"
    assert jupyter.ask("PUT", path, {"type": "notebook", "format": "json", "content": notebook}).status == 200
    assert nbformat.read(there / "n.ipynb", 4).cells[0].source == "2 + 2"
    assert jupyter.ask("POST", f"{path}/checkpoints/{checkpoint['id']}").status == 204
    assert nbformat.read(there / "n.ipynb", 4).cells[0].source == "1 + 1"
    assert jupyter.ask("POST", f"{path}/checkpoints").status == 201
    moved = jupyter.ask("PATCH", path, {"path": f"pi:{there}/m.ipynb"})
    assert (moved.status, jupyter.ask("GET", f"{contents(there / 'm.ipynb')}/checkpoints").json != []) == (200, True)
    assert jupyter.ask("DELETE", contents(there / "m.ipynb")).status == 204
    assert list((jupyter.folder / "data" / "rpyc-kernel" / "checkpoints").iterdir()) == []
    assert list(there.iterdir()) == []  # no folder of checkpoints either
    (there / "broken.ipynb").write_text("{")
    broken = jupyter.ask("GET", contents(there / "broken.ipynb"))
    assert (broken.status, "Unreadable Notebook" in broken.json["message"]) == (400, True)
    assert jupyter.ask("GET", f"{contents(there / 'broken.ipynb')}?type=file").json["content"] == "{"


def test_new_files_get_names_and_copies_cross(jupyter, there):
    made = [jupyter.ask("POST", contents(there), {"type": kind}).json["name"] for kind in ("notebook", "directory") * 2]
    assert made == ["Untitled.ipynb", "Untitled Folder", "Untitled1.ipynb", "Untitled Folder 1"]
    assert jupyter.ask("POST", contents(there), {"type": "file", "ext": ".py"}).json["name"] == "untitled.py"
    for name in ("here.txt", "here-Copy1.txt"):
        copied = jupyter.ask("POST", contents(there), {"copy_from": "here.txt"})
        assert (copied.status, copied.json["name"], (there / name).read_text()) == (201, name, "here")
    (there / "x.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook()) + "\n")
    for name in ("untitled.py", "x.ipynb"):
        back = jupyter.ask("POST", "/api/contents/", {"copy_from": f"pi:{there}/{name}"})
        assert (back.status, (jupyter.root / name).read_bytes()) == (201, (there / name).read_bytes())
        (jupyter.root / name).unlink()
    away = jupyter.ask("PATCH", contents(there / "untitled.py"), {"path": "away.py"})
    assert (away.status, "Copy it there" in away.json["message"]) == (400, True)


def test_a_large_upload_takes_its_place_with_its_last_piece(jupyter, there):
    pieces = [os.urandom(1 << 20) for _ in range(3)]
    (there / "model.bin").write_bytes(b"before")

    def send(chunk, data):
        body = {"type": "file", "format": "base64", "content": base64.b64encode(data).decode(), "chunk": chunk}
        return jupyter.ask("PUT", contents(there / "model.bin"), body)

    for number, piece in enumerate(pieces[:-1], start=1):
        assert send(number, piece).status == 200
    assert (there / "model.bin").read_bytes() == b"before"
    assert names(jupyter.ask("GET", contents(there))) == ["model.bin"]
    last = send(-1, pieces[-1])
    assert (last.status, last.json["size"], (there / "model.bin").read_bytes()) == (200, 3 << 20, b"".join(pieces))
    assert [send(1, b"a").status, send(3, b"b").status, send(4, b"c").status] == [200, 400, 400]  # 2 is missing
    assert [each.name for each in there.iterdir()] == ["model.bin"]
    assert (there / "model.bin").stat().st_size == 3 << 20


def test_downloads_come_in_pieces_and_in_parts(jupyter, there):
    data = os.urandom((5 << 20) + 7)
    (there / "größe.mp4").write_bytes(data)
    address = f"/files/pi:{there}/größe.mp4"
    whole = jupyter.ask("GET", f"{address}?download=1")
    assert (whole.status, whole.headers["Content-Type"], whole.body == data) == (200, "video/mp4", True)
    assert "attachment" in whole.headers["Content-Disposition"]
    head = jupyter.ask("HEAD", address)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(data)), b"")
    for said, start, end in (("bytes=5-1048580", 5, 1048581), ("bytes=-9", len(data) - 9, len(data))):
        part = jupyter.ask("GET", address, headers={"Range": said})
        assert (part.status, part.body == data[start:end]) == (206, True)
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(data)}"
    assert jupyter.ask("GET", address, headers={"Range": f"bytes={len(data)}-"}).status == 416
    (there / "page.html").write_text("<p>")
    page = jupyter.ask("GET", f"/files/pi:{there}/page.html")
    assert (page.headers["Content-Type"], "sandbox" in page.headers["Content-Security-Policy"]) == ("text/html", True)
    assert jupyter.ask("GET", f"/files/pi:{there}/nothing").status == 404
    assert jupyter.ask("GET", f"/files/pi:{there}").status == 404
    (jupyter.root / "at 10:30.txt").write_text("mine")  # no machine's: Jupyter's own handler
    assert jupyter.ask("GET", "/files/at 10:30.txt").body == b"mine"
    assert jupyter.ask("GET", "/api/contents/at 10:30.txt").json["content"] == "mine"
    (jupyter.root / "at 10:30.txt").unlink()


def test_what_is_hidden_and_what_is_no_path(jupyter, there):
    (there / ".secret").write_text("s")
    assert jupyter.ask("GET", contents(there / ".secret")).status == 404
    assert jupyter.ask("GET", f"/files/pi:{there}/.secret").status == 404
    assert jupyter.ask("DELETE", contents(there / ".secret")).status == 400
    assert put(jupyter, there / ".new", "x").status == 400
    for path in ("pi:%2e%2e/etc/passwd", "pi:tmp/%2e%2e/%2e%2e/etc", "pi:tmp/%00"):
        assert jupyter.ask("GET", f"/api/contents/{path}", quoted=True).status in (400, 404), path
        assert jupyter.ask("GET", f"/files/{path}", quoted=True).status in (400, 404), path
    os.mkfifo(there / "pipe")
    assert names(jupyter.ask("GET", contents(there))) == []
    assert jupyter.ask("GET", contents(there / "pipe")).status == 400
    (there / "plain").write_text("")
    assert jupyter.ask("GET", contents(there / "plain" / "below")).status == 404
    assert put(jupyter, there / "nowhere" / "x", "x").status == 404
    assert put(jupyter, there, "x").status == 400
    assert (there / ".secret").read_text() == "s"


def test_links_of_tracebacks_lead_to_the_machine_of_the_kernel(jupyter, there):
    def resolved(path, kernel=None):
        query = urlencode({"path": path, **({"kernel": kernel} if kernel else {})})
        answer = jupyter.ask("GET", f"/api/resolvePath?{query}")
        assert answer.status == 200
        return answer.json["resolved"]

    here = jupyter.root / "here.txt"  # the two machines of this test have the same files
    assert resolved(here) == [{"scope": "server", "path": "here.txt"}]
    session = {"path": f"pi:{there}/n.ipynb", "name": "", "type": "notebook", "kernel": {"name": "rpyc-pi"}}
    started = jupyter.ask("POST", "/api/sessions", session)
    assert started.status == 201
    kernel = started.json["kernel"]["id"]
    expected = [{"scope": "server", "path": f"pi:{str(here)[1:]}"}]
    assert resolved(here, kernel) != []  # no cell has run anywhere yet
    with jupyter.client(kernel) as client:
        client.good("1")
    assert resolved(here, kernel) == expected
    (there / "x.py").write_text("")
    assert resolved(there / "x.py", kernel) == [{"scope": "server", "path": f"pi:{str(there)[1:]}/x.py"}]
    assert [resolved(path, kernel) for path in (there, there / "y.py", "./here.txt", "here.txt", "")] == [[]] * 5
    assert resolved("./here.txt") != []  # by itself, Jupyter finds that one
    (there / ".venv").mkdir()
    (there / ".venv" / "z.py").write_text("")
    assert resolved(there / ".venv" / "z.py", kernel) == []  # the browser would not open it
    with jupyter.client(kernel) as client:
        client.good("%disconnect --end")
    assert resolved(here, kernel) == []
    assert jupyter.ask("DELETE", f"/api/sessions/{started.json['id']}").status == 204
