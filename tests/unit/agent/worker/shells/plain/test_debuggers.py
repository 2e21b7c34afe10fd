"""pdb in cells: it stays in their code, at their ends too."""

import sys

import pytest

from tests.unit.plain_shell import Session

START = "import io, pdb, sys\ndebugger = pdb.Pdb(stdin=io.StringIO(%r), stdout=sys.stdout, nosigint=True)\n"


@pytest.fixture
def session():
    kept = sys.gettrace()
    with Session() as session:
        yield session
    sys.settrace(kept)


def stops(session, commands, code, then="1 + 1"):
    """Where a debugger has stopped that is told these commands, with all that it has said; the next cell runs on."""
    session.ok(START % "\n".join([*commands, ""]))
    said = session.ok(code).text()
    assert sys.gettrace() is None
    assert session.value(then) == "2"
    assert "rpyc_kernel" not in said
    return [line for line in said.replace("(Pdb) ", "").splitlines() if line.startswith(("> ", "--"))], said


def test_a_breakpoint_at_the_end_of_a_cell_stops_there(session):
    where, _ = stops(session, ["c"], "x = 17\ndebugger.set_trace()")
    assert where == ["--Return--", "> <Cell In[2]>(2)<module>()->None"]


@pytest.mark.parametrize("step", ["n", "s"])
def test_a_step_beyond_the_end_of_a_cell_goes_on(session, step):
    where, _ = stops(session, [step] * 9, "debugger.set_trace()\nx = 17\n[x]")
    assert [line.replace("->None", "") for line in where] == [
        "> <Cell In[2]>(2)<module>()",
        "--Return--",
        "> <Cell In[2]>(2)<module>()",
        "> <Cell In[2]>(3)<module>()",
        "--Return--",
        "> <Cell In[2]>(3)<module>()",
    ]
    assert session.value("x") == "17"


def test_a_step_does_not_enter_what_shows_a_value(session):
    where, said = stops(session, ["s", "s", "p 3 * 5", "c"], "debugger.set_trace()\ndisplay(5)\nx = 17")
    assert where[1].startswith("> <Cell In[2]>(3)<module>()")
    assert "15" in said


def test_the_stack_is_the_cell_s(session):
    session.ok("def f():\n    debugger.set_trace()\n    return 17")
    _, said = stops(session, ["w", "u", "p 3 * 5", "u", "c"], "f()\n1")
    assert said.count("<Cell In[") >= 4
    assert "pytest" not in said
    assert "15" in said
    assert "Oldest frame" in said


def test_after_an_error_in_what_ours_has_called(session):
    session.ok("class Broken:\n    def _repr_mimebundle_(self, **more): return undefined_name")
    session.ok(START % "w\nq\n")
    session.run("def f():\n    return sorted([1, 2], key=lambda x: 1 / 0)\nf()")
    said = session.ok("debugger.reset(); debugger.interaction(None, sys.last_traceback)").text()
    assert said.count("<Cell In[") >= 3
