"""How values are shown: mime bundles, texts, and the display builtins."""

import base64
import collections

import pytest

from rpyc_kernel.agent.worker.shells.plain.display.pretty import pretty
from tests.unit.plain_shell import Session


@pytest.fixture
def session():
    with Session() as session:
        yield session


def shown(session, code):
    (result,) = session.ok(code).of("execute_result")
    return result["data"], result["metadata"]


# --- bundles

RICH = """
class Rich:
    def __repr__(self): return 'rich'
    def _repr_html_(self): return '<b>'
    def _repr_markdown_(self): return '*'
    def _repr_svg_(self): return '<svg>'
    def _repr_png_(self): return b'png', {'width': 3}
    def _repr_jpeg_(self): return b'jpeg'
    def _repr_pdf_(self): return b'pdf'
    def _repr_latex_(self): return None
    def _repr_json_(self): return {'a': 1}
    def _repr_javascript_(self): raise NotImplementedError
"""


def test_all_forms_of_a_value(session):
    session.ok(RICH)
    data, metadata = shown(session, "Rich()")
    assert data == {
        "text/plain": "rich",
        "text/html": "<b>",
        "text/markdown": "*",
        "image/svg+xml": "<svg>",
        "image/png": base64.b64encode(b"png").decode() + "\n",
        "application/pdf": base64.b64encode(b"pdf").decode() + "\n",
        "application/json": {"a": 1},
    }
    assert metadata == {"image/png": {"width": 3}}


def test_a_jpeg_alone(session):
    data, _ = shown(session, "class J:\n    def _repr_jpeg_(self): return b'jpeg'\nJ()")
    assert base64.b64decode(data["image/jpeg"]) == b"jpeg"


def test_mimebundle(session):
    code = """
class M:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'text/x': 'X', 'image/png': b'p', 'text/html': 'mine'}, {'text/x': {'k': 1}}
    def _repr_html_(self): return 'not asked'
M()"""
    data, metadata = shown(session, code)
    assert data["text/x"] == "X"
    assert data["text/html"] == "mine"
    assert base64.b64decode(data["image/png"]) == b"p"
    assert data["text/plain"].startswith("<__main__.M at 0x")
    assert metadata == {"text/x": {"k": 1}}


def test_objects_that_show_themselves(session):
    messages = session.ok("class S:\n    def _ipython_display_(self): print('myself')\nS()")
    assert messages.types == ["stream", "stream"]
    assert messages.text() == "myself\n"


def test_a_class_is_not_its_instances(session):
    session.ok(RICH)
    assert shown(session, "Rich")[0] == {"text/plain": "__main__.Rich"}


def test_objects_that_answer_to_any_name(session):
    data, _ = shown(session, "class Any:\n    def __getattr__(self, name): return lambda *a, **k: 'x'\nAny()")
    assert list(data) == ["text/plain"]


def test_a_method_that_raises_costs_its_form_only(session):
    messages = session.ok(
        "class B:\n    def __repr__(self): return 'b'\n    def _repr_html_(self): return nowhere\nB()"
    )
    assert messages.of("execute_result")[0]["data"] == {"text/plain": "b"}
    assert "NameError" in messages.text("stderr")
    assert "_repr_html_" in messages.text("stderr")


def test_a_broken_repr_does_not_end_the_cell(session):
    messages = session.ok("class B:\n    def __repr__(self): return nowhere\nb = B()\nb")
    text = messages.of("execute_result")[0]["data"]["text/plain"]
    assert text.startswith("<B object at 0x")
    assert "NameError" in text
    assert "NameError" in messages.text("stderr")
    assert session.value("_ is b") == "True"
    assert session.value("class N:\n    def __repr__(self): return 5\nN()").startswith("<N object")


def test_an_interrupt_in_a_repr_ends_it(session):
    assert (
        session.error("class B:\n    def __repr__(self): raise KeyboardInterrupt\nB()")["ename"] == "KeyboardInterrupt"
    )


# --- the builtins


def test_display(session):
    messages = session.ok("print('a'); display(1, 'two'); print('b')")
    assert [kind for kind in messages.types if kind != "stream"] == ["display_data"] * 2
    assert messages.types[-1] == "stream"
    first, second = messages.of("display_data")
    assert first == {"data": {"text/plain": "1"}, "metadata": {}, "transient": {}}
    assert second["data"] == {"text/plain": "'two'"}


def test_display_ids(session):
    session.ok(
        "h = display('a', display_id=True)\nh.update('b')\nupdate_display('c', display_id=h.display_id)\nh.display('d')"
    )
    kinds = session.messages.types
    assert kinds == ["display_data", "update_display_data", "update_display_data", "display_data"]
    ids = {content["transient"]["display_id"] for _, content in session.messages}
    assert ids == {session["h"].display_id}
    assert len(session["h"].display_id) >= 16
    assert [content["data"]["text/plain"] for _, content in session.messages] == ["'a'", "'b'", "'c'", "'d'"]
    session.ok("k = display(display_id='mine')")
    assert session.messages == [("display_data", {"data": {}, "metadata": {}, "transient": {"display_id": "mine"}})]
    assert session.error("display(1, update=True)")["ename"] == "TypeError"
    assert session.error("display(1, display_id=5)")["ename"] == "TypeError"


def test_raw_bundles_and_choices(session):
    messages = session.ok("display({'text/html': '<i>', 'image/png': b'p'}, raw=True, metadata={'k': 1})")
    assert messages.of("display_data") == [
        {"data": {"text/html": "<i>", "image/png": "cA==\n"}, "metadata": {"k": 1}, "transient": {}}
    ]
    session.ok(RICH)
    messages = session.ok(
        "display(Rich(), include=['text/html']); display(Rich(), exclude=['text/plain', 'image/png'])"
    )
    one, other = messages.of("display_data")
    assert list(one["data"]) == ["text/html"]
    assert "text/plain" not in other["data"]
    assert "text/markdown" in other["data"]


def test_clear_output(session):
    messages = session.ok("clear_output(); clear_output(wait=True); display(1, clear=True)")
    assert messages.of("clear_output") == [{"wait": False}, {"wait": True}, {"wait": True}]
    assert messages.types[-1] == "display_data"


# --- texts


class Plain:
    pass


class Mine(list):
    def __repr__(self):
        return "<mine>"


class Tree:
    def __init__(self, *children):
        self.children = children

    def _repr_pretty_(self, p, cycle):
        if cycle:
            p.text("Tree(...)")
            return
        with p.group(5, "Tree(", ")"):
            for number, child in enumerate(self.children):
                if number:
                    p.text(",")
                    p.breakable()
                p.pretty(child)


def function(a, *, b=1):
    pass


def test_short_containers_are_one_line():
    value = [1, (2,), {3}, {"k": [None]}, frozenset([4]), set(), frozenset(), (), "a\nb"]
    assert pretty(value) == repr(value)


def test_long_containers_are_broken():
    assert pretty(list(range(50))) == "[" + ",\n ".join(map(str, range(50))) + "]"
    value = {"key": list(range(40)), "b": 1}
    assert pretty(value) == "{'key': [" + ",\n  ".join(map(str, range(40))) + "],\n 'b': 1}"
    assert pretty(("x" * 50, "y" * 50)) == "('{}',\n '{}')".format("x" * 50, "y" * 50)


def test_huge_containers_end():
    text = pretty(list(range(100000)))
    assert text.endswith(" 999,\n ...]")
    assert pretty({n: n for n in range(5000)}).endswith("...}")


def test_sets_are_sorted_where_they_can():
    assert pretty({3, 1, 2}) == "{1, 2, 3}"
    assert sorted(pretty({1, "a"})) == sorted("{1, 'a'}")


def test_cycles_and_depth():
    value = [1]
    value.append(value)
    assert pretty(value) == "[1, [...]]"
    table = {}
    table["t"] = table
    assert pretty(table) == "{'t': {...}}"
    deep = []
    for _ in range(100000):
        deep = [deep]
    assert "..." in pretty(deep)
    tree = Tree(1)
    tree.children = (tree,)
    assert pretty(tree) == "Tree(Tree(...))"


def test_subclasses_with_a_repr_of_their_own_use_it():
    point = collections.namedtuple("point", "x y")  # noqa: PYI024 - also on 3.7
    for value in (Mine([1]), point(1, 2), collections.OrderedDict(a=1), collections.Counter("a"), True):
        assert pretty([value]) == f"[{value!r}]"


def test_classes_and_functions():
    name = __name__
    assert pretty([int, Plain, ValueError]) == f"[int, {name}.Plain, ValueError]"
    assert pretty(function) == f"<function {name}.function(a, *, b=1)>"
    assert pretty(len) == "<function len(obj, /)>"
    assert pretty(Plain()).startswith(f"<{name}.Plain at 0x")
    assert pretty(ValueError("x", 1)) == "ValueError('x', 1)"


def test_repr_pretty():
    assert pretty(Tree(1, Tree("a"))) == "Tree(1, Tree('a'))"
    wide = Tree(*["x" * 30] * 3)
    assert pretty(wide) == "Tree(" + ",\n     ".join([repr("x" * 30)] * 3) + ")"
