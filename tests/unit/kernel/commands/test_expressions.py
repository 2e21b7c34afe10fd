"""Expressions as arguments: which words they are, and which name each value gets."""

from __future__ import annotations

import pytest

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.expressions import NamedExpression, named_expressions, split_expressions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a  b\tc ", ["a", "b", "c"]),
        ('df model=results["best one"]', ["df", 'model=results["best one"]']),
        ("df[df.a > 3] few=[x for x in a if x]", ["df[df.a > 3]", "few=[x for x in a if x]"]),
        ("x='a b' y=\"it's\"", ["x='a b'", 'y="it\'s"']),
        ("x=f(\n  1,\n  2)\n", ["x=f(\n  1,\n  2)"]),
        ("a b  # and a comment", ["a", "b"]),
        ("a['#'] b", ["a['#']", "b"]),
        ("a --as b", ["a", "--as", "b"]),
        ("a==b", ["a==b"]),
    ],
)
def test_words(text, words):
    assert split_expressions(text, "%pull") == words


@pytest.mark.parametrize(("text", "told"), [("a[1", "a bracket"), ("a 'b", "a ' that"), ('a["b', 'a " that')])
def test_what_is_not_closed(text, told):
    with pytest.raises(CommandError, match=told):
        split_expressions(text, "%pull")


def test_names():
    found = named_expressions(["df", "model=results['best']", "eq=a==b"], None, "%pull")
    assert found == [
        NamedExpression("df", "df"),
        NamedExpression("model", "results['best']"),
        NamedExpression("eq", "a==b"),
    ]
    assert named_expressions(["a[0]"], "first", "%pull") == [NamedExpression("first", "a[0]")]
    assert named_expressions(["b=a[0]"], "first", "%pull") == [NamedExpression("first", "a[0]")]


@pytest.mark.parametrize(
    ("words", "only"),
    [
        *((["a.b"], None), (["a==b"], None), (["a="], None), (["if"], None), (["a", "a"], None), (["list"], None)),
        *((["a", "b"], "c"), (["a"], "remote"), (["a"], "1b"), (["a"], "get_ipython")),
    ],
)
def test_names_that_cannot_be(words, only):
    with pytest.raises(CommandError):
        named_expressions(words, only, "%pull")
