"""What of a cell's pictures goes into a document that a server keeps."""

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.jupyter.documents import DocumentCells, belongs_to_notebook, is_run_by_server


class Document:
    """A cell "a" that a server runs, and what it shows."""

    def __init__(self):
        self.now = 100.0
        self.cells = DocumentCells(lambda: self.now)
        self.cells.begin("a")
        self.shown = []

    def gets(self, msg_type, picture="", text="", after=0.033, cell="a"):
        self.now += after
        message = Message(msg_type, {"text": text}, cell)
        self._note(self.cells.admit(message, picture))

    def ends(self):
        self._note(self.cells.end("a"))

    def _note(self, messages):
        self.shown += [(each.type, each.content.get("text")) for each in messages]


def test_a_picture_that_is_alone_is_shown_anew_at_a_pace_that_a_document_bears():
    document = Document()
    document.gets("display_data", "p", "0")
    for n in range(1, 91):
        document.gets("update_display_data", "p", str(n))
    document.ends()
    kinds = [kind for kind, _text in document.shown]
    assert kinds == ["display_data", *["clear_output", "display_data"] * 6]
    assert document.shown[-1] == ("display_data", "90")


def test_beside_other_output_the_last_picture_follows_at_the_end():
    document = Document()
    document.gets("display_data", "p", "0")
    document.gets("stream", text="text")
    for n in range(1, 91):
        document.gets("update_display_data", "p", str(n))
    document.gets("display_data", "q", "another")
    document.gets("update_display_data", text="the user's own")
    document.ends()
    assert document.shown == [
        ("display_data", "0"),
        ("stream", "text"),
        ("display_data", "another"),
        ("update_display_data", "the user's own"),
        ("display_data", "90"),
    ]


def test_other_cells_are_left_alone():
    document = Document()
    for n in range(5):
        document.gets("update_display_data", "p", str(n), cell="b")
    document.ends()
    document.gets("update_display_data", "p", "late")
    assert [kind for kind, _text in document.shown] == ["update_display_data"] * 6


@pytest.mark.parametrize(("username", "name", "does"), [("", "a", False), ("me", "", False), ("me", "a", True)])
def test_who_runs_a_cell(monkeypatch, username, name, does):
    monkeypatch.setenv("JPY_SESSION_NAME", name)
    assert (belongs_to_notebook() and is_run_by_server({"username": username})) is does
