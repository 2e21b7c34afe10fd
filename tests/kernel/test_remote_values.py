"""Values between local cells and `remote`: what goes by value or by reference, and what can't go at all."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client
from tests.kernel.test_remote_name import fails, here, text

pytestmark = pytest.mark.mainly("plain")

THERE = """
import numpy as np, pandas
class Odd:
    def __repr__(self): raise ValueError('no repr')
    __str__ = __repr__
    def __hash__(self): raise ValueError('no hash')
    def __eq__(self, other): raise ValueError('no eq')
class Posing:
    @property
    def __class__(self): raise ValueError('no class')
class Meta(type):
    @property
    def __name__(cls): raise ValueError('no name')
def deep(n):
    made = ()
    for _ in range(n): made = (made,)
    return made
def raises(*args): raise Exception(*args)
arr = np.arange(6.0).reshape(2, 3)
d = {'a': 1}
"""


def test_what_cannot_be_sent_is_an_error_of_its_call(nb: Client) -> None:
    """The connection is the same one after each of them."""
    nb.good(THERE)
    here(nb, "import numpy as np\nfirst = remote\nremote.namespace.update(z=np.arange(3), f=len)")
    for bad in (
        "remote.eval('type(z)')", "remote.eval('type(f)')", "remote.eval('(1, [type(z)])[1][0]')",
        "remote.eval('10 ** 5000')", "remote.eval('(1, -10 ** 5000)')", "remote.eval('deep(60)')",
        r"remote.eval('\"\\ud800\"')", "remote.eval('slice(10 ** 5000)')", "remote.namespace['raises'](10 ** 5000)",
        "remote.namespace['raises']('\\ud800')", "remote.eval('raises(10 ** 5000)')", "remote.eval('raises(deep(60))')",
        r"remote.eval('raises(\"\\ud800\")')", "remote.eval('raises(type(z), Odd())')", "repr(remote.eval('Odd()'))",
        "hash(remote.eval('Odd()'))", "remote.eval('raises(Posing())')", "remote.eval('raises(Odd)')",
        "remote.eval('f')(10 ** 5000)", "remote.builtins.print(remote.eval('Odd()'))",
        "remote.eval('Meta(\"M\", (), {})')",
    ):  # fmt: skip
        code = f"try:\n    {bad}\nexcept Exception as error: print('failed', remote is first, first.closed)"
        assert here(nb, code).stdout == "failed True False\n", bad
    for good in ("Odd()", "Posing()", "Meta", "[10 ** 5000]", "10 ** 4000", "[type(z)]"):
        assert here(nb, f"x = remote.eval({good!r})\nprint(remote is first, remote.eval('1 + 1'))").stdout == "True 2\n"
    assert "can't be sent" in fails(nb, "remote.eval('type(z)')").error["evalue"]  # type: ignore[index]


def test_arrays_of_there(nb: Client) -> None:
    nb.good(THERE)
    here(nb, "import numpy as np\nr, there = remote.namespace['arr'], remote.modules.numpy")
    assert text(nb, "r.shape, float(r.sum()), float(r[1, 2])") == "((2, 3), 15.0, 5.0)"
    for expression in (
        "r.dtype == np.dtype('float64')", "np.array(r).tolist() == [[0, 1, 2], [3, 4, 5]]",
        "str(r.astype('uint32').dtype) == 'uint32'", "str(r.astype(np.uint32).dtype) == 'uint32'",
        "(np.ones((2, 3)) + r).tolist() == [[1, 2, 3], [4, 5, 6]]", "np.sum(r) == 15", "np.sqrt(r).shape == (2, 3)",
        "(remote.value('arr') == np.arange(6.0).reshape(2, 3)).all()",
        "there.array(np.arange(3)).dtype == np.dtype('int64')", "there.sum(np.arange(1000)) == 499500",
        "there.array([1, 2, 3]).mean() == 2", "there.zeros(3, dtype=np.uint8).dtype == np.uint8",
        "there.zeros(3, dtype=int).dtype.kind == 'i'", "(r + np.ones(3)).shape == (2, 3)",
        "there.add(np.float32(1), np.int8(2)) == 3", "np.asarray(r, dtype=np.uint8).dtype == np.uint8",
    ):  # fmt: skip
        assert text(nb, f"bool({expression})") == "True", expression


def test_lists_and_dictionaries_of_ours_in_libraries_of_there(nb: Client) -> None:
    nb.good(THERE + "open('two.csv', 'w').write('1|2\\n3|4\\n')")
    here(nb, "pd = remote.modules.pandas")
    for expression in (
        "remote.modules.copy.copy({'a': 1}) == {'a': 1}", "remote.modules.copy.deepcopy([1, [2]]) == [1, [2]]",
        "pd.read_csv('two.csv', names=['p', 'q'], delimiter='|', dtype={'p': 'int64'}).shape == (2, 2)",
        "pd.read_csv('two.csv', names=['p', 'q'], sep='|', index_col=False, dtype={'p': int}).shape == (2, 2)",
        "remote.modules.pandas.DataFrame({'k': [1, 2], 'v': ['a', 'b']}).shape == (2, 2)",
        "remote.modules.pandas.DataFrame([{'k': 1}, {'k': 2}]).shape == (2, 1)",
        "remote.modules.pandas.Series([1.5, 2]).sum() == 3.5", "remote.modules.json.loads('[1]') + [2] == [1, 2]",
        "[2] + remote.modules.json.loads('[1]') == [2, 1]", "remote.eval('[1]') == [1]", "remote.eval('d') == {'a': 1}",
        "remote.builtins.sorted({3, 1}) == [1, 3]", "remote.eval('sum')([1, 2]) == 3",
        "remote.modules.json.dumps(remote.deliver({'a': [1]})) == '{\"a\": [1]}'",
    ):  # fmt: skip
        assert text(nb, f"bool({expression})") == "True", expression
    # by reference it stays ours
    nb.good("def add(l): l.append(1)")
    assert text(nb, "mine = []; remote.namespace['add'](mine); mine") == "[1]"


@pytest.mark.parametrize("code", [
    "import json; json.dumps(remote.namespace['d'])", "import rpyc; rpyc.classic.obtain(remote.namespace['d'])",
    "import copy; copy.copy(remote.namespace['d'])", "import pickle; pickle.dumps(remote.namespace['d'])",
])  # fmt: skip
def test_what_takes_no_netref_says_what_does(nb: Client, code: str) -> None:
    nb.good(THERE)
    cell = fails(nb, code)
    assert "remote.value(" in cell.traceback
    assert cell.error is not None
    assert cell.error["ename"] == "TypeError"


def test_netrefs_look_like_what_they_lead_to(nb: Client) -> None:
    nb.good(THERE)
    here(nb, "r = remote.namespace['d']")
    for expression, shown in [
        ("callable(r), callable(remote.eval('{}')), callable(remote.builtins.len)", "(False, False, True)"),
        ("isinstance(r, dict), isinstance(r, int), isinstance(remote.eval('[]'), list)", "(True, False, True)"),
        (
            "callable(remote.eval('Odd')), callable(remote.eval('[]')), callable(remote.builtins.dict)",
            "(True, False, True)",
        ),
        ("bool(remote.eval('{}')), bool(r), len(r), list(r.items())", "(False, True, 1, [('a', 1)])"),
    ]:
        assert text(nb, expression) == shown, expression


def test_isinstance_of_anything_never_fails(fresh: Client) -> None:
    """Not of netrefs of a connection that is no more, either, nor where their class says nothing of itself."""
    fresh.good(THERE)
    here(fresh, "kept = [remote.eval('Odd()'), remote.eval('Posing()'), remote.namespace['d'], remote.eval('Odd')]")
    assert text(fresh, "[isinstance(each, dict) for each in kept]") == "[False, False, True, False]"
    fresh.good("%restart")
    code = "import gc\nprint([isinstance(each, int) for each in kept], len(remote.namespace) > 0)\n"
    code += "print(sum(isinstance(each, (int, dict)) for each in gc.get_objects()) > 0)"
    assert here(fresh, code).stdout == "[False, False, False, False] True\nTrue\n"


def test_an_object_that_a_callback_has_given_comes_back(nb: Client) -> None:
    nb.good("class Thing: pass\ndef same(make): return make()\ndef kind(make): return type(make()).__name__\n")
    there = "remote.namespace['same']"
    assert text(nb, f"{there}(lambda: [3]), {there}(lambda: ([4], 5))") == "([3], ([4], 5))"
    assert text(nb, "remote.modules.functools.reduce(lambda a, b: a + b, [[1], [2], [3]])") == "[1, 2, 3]"
    made = "remote.namespace['kind'](lambda: remote.namespace['Thing']())"
    assert text(nb, f"{made}, remote.eval('1')") == "('Thing', 1)"
