"""Exceptions between local cells and `remote`: caught at either end by the classes that they are of."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client
from tests.kernel.test_remote_name import fails, here, text

pytestmark = pytest.mark.mainly("plain")

THERE = """
import contextlib, subprocess
class Fault(Exception):
    limits = [0, 9]
    def __init__(self, code, where=None):
        super().__init__('fault %d' % code)
        self.code, self.where = code, where
class Hot(Fault, ValueError): pass
class Quiet(Exception):
    def __str__(self): return 'quiet ' + repr(self.args)
class Broken(Exception):
    def __str__(self): raise ZeroDivisionError
    __repr__ = __str__
def fail(kind, *args, **options): raise kind(*args, **options)
seen = []
@contextlib.contextmanager
def led():
    try:
        yield 'on'
    except ValueError as error:
        seen.append(error)
    except BaseException as error:
        seen.append(error)
        raise
class Block:
    def __init__(self, answer): self.answer = answer
    def __enter__(self): return self
    def __exit__(self, kind, error, tb):
        self.error = kind, error
        return self.answer
"""


def test_a_context_manager_of_there_gets_what_is_raised_in_its_block(nb: Client) -> None:
    nb.good(THERE)
    assert (
        here(nb, "with remote.namespace['led']() as state: raise ValueError('odd', 3)\nprint(state)").stdout == "on\n"
    )
    assert nb.good("(type(seen[-1]), seen[-1].args)").text == "(ValueError, ('odd', 3))"
    # a class that isn't known there is one of its built-in class there, and the very same object here
    nb.good("seen.clear()")
    here(nb, "class Mine(ValueError): pass\nwith remote.namespace['led'](): raise Mine('own')")
    assert nb.good("(type(seen[-1]).__name__, str(seen[-1]))").text == "('Mine', 'own')"
    code = """
class Other(Exception):
    def __init__(self, code): super().__init__('other'); self.code = code
first = Other(5)
try:
    with remote.namespace['led'](): raise first
except Other as error:
    print(error.code, error is first or error.__cause__ is first)
"""
    assert here(nb, code).stdout == "5 True\n"
    assert nb.good("(type(seen[-1]).__name__, seen[-1].code, isinstance(seen[-1], ValueError))").text == (
        "('Other', 5, False)"
    )
    for kind in ("KeyboardInterrupt", "SystemExit", "GeneratorExit"):
        code = f"try:\n    with remote.namespace['led'](): raise {kind}('k')\nexcept BaseException as e: print(type(e))"
        assert here(nb, code).stdout == f"<class '{kind}'>\n"
        assert nb.good("type(seen[-1]).__name__").text == repr(kind)
    here(nb, "with remote.namespace['Block'](True) as block: raise OSError(2, 'gone', 'x')")
    assert text(nb, 'remote.eval("block.error") if False else block.error[1].errno') == "2"
    assert text(nb, "len(remote.namespace['seen'])") == "5"


def test_suppress_and_classes_of_there(nb: Client) -> None:
    nb.good(THERE)
    suppress = "with remote.modules.contextlib.suppress({0}):\n    raise {1}\nprint('went on')"
    for caught, raised in [
        ("remote.builtins.ValueError", "ValueError('x')"),
        ("ValueError", "ValueError('x')"),
        ("remote.builtins.LookupError", "KeyError('x')"),
        ("remote.modules.json.JSONDecodeError", "__import__('json').JSONDecodeError('m', 'd', 0)"),
        ("remote.namespace['Fault']", "remote.namespace['Hot'](3)"),
    ]:
        assert here(nb, suppress.format(caught, raised)).stdout == "went on\n", (caught, raised)
    assert fails(nb, suppress.format("remote.builtins.KeyError", "ValueError('x')")).error["ename"] == "ValueError"  # type: ignore[index]
    assert (
        text(nb, "remote.builtins.ValueError is ValueError, remote.builtins.ValueError('x').args") == "(True, ('x',))"
    )


def test_what_was_raised_there_is_caught_here(nb: Client) -> None:
    nb.good(THERE)
    there = "remote.namespace['fail'](remote.eval({0!r}), *{1!r})"
    for kind, args, caught in [
        ("Fault", (7,), "remote.namespace['Fault']"),
        ("Hot", (7,), "remote.namespace['Fault']"),
        ("Hot", (7,), "ValueError"),
        ("Hot", (7,), "Exception"),
        ("subprocess.CalledProcessError", (3, "cmd"), "remote.modules.subprocess.CalledProcessError"),
        ("subprocess.TimeoutExpired", ("cmd", 3), "remote.modules.subprocess.SubprocessError"),
        ("__import__('socket').gaierror", (-2, "no name"), "OSError"),
        ("__import__('socket').gaierror", (-2, "no name"), "remote.modules.socket.gaierror"),
        ("__import__('socket').timeout", ("slow",), "remote.modules.socket.timeout"),
        ("ConnectionResetError", (104, "reset"), "ConnectionError"),
        ("FileNotFoundError", (2, "gone", "f"), "remote.builtins.OSError"),
        ("__import__('decimal').InvalidOperation", (), "ArithmeticError"),
        ("__import__('configparser').NoSectionError", ("s",), "remote.modules.configparser.Error"),
        ("UnicodeDecodeError", ("utf-8", b"x", 0, 1, "why"), "UnicodeError"),
        ("Quiet", (1,), "remote.namespace['Quiet']"),
        ("Broken", (1,), "remote.namespace['Broken']"),
    ]:
        code = f"try: {there.format(kind, args)}\nexcept {caught} as e: print('caught')"
        assert here(nb, code).stdout == "caught\n", (kind, caught)
    code = """
try: remote.modules.json.loads('{')
except remote.modules.json.JSONDecodeError as e: print(e.name, e.pos, e.lineno, isinstance(e, ValueError), e)
try: remote.modules.json.loads('{')
except KeyError: print('wrong')
except ValueError as e: print('value')
"""
    assert here(nb, code).stdout == (
        "JSONDecodeError 1 1 True Expecting property name enclosed in double quotes: line 1 column 2 (char 1)\nvalue\n"
    )
    code = """
try: remote.namespace['fail'](remote.namespace['Fault'], 7, where=['a', {'b': 1}])
except Exception as e: print(type(e).__name__, e.name, e, e.code, e.where, e.limits)
try: remote.modules.subprocess.check_output(['false'])
except remote.modules.subprocess.CalledProcessError as e: print(e.name, e.returncode, list(e.cmd), e.output)
try: remote.namespace['fail'](remote.namespace['Quiet'], [1])
except Exception as e: print(e)
"""
    assert here(nb, code).stdout == (
        "Fault Fault fault 7 7 ['a', {'b': 1}] [0, 9]\nCalledProcessError 1 ['false'] b''\nquiet ([1],)\n"
    )


def test_classes_that_would_end_a_program_do_not(nb: Client) -> None:
    nb.good("class Exit(SystemExit): pass\nclass Stop(KeyboardInterrupt): pass\nclass Base(BaseException): pass\n"
            "def fail(kind): raise kind('no')")  # fmt: skip
    for kind in ("Exit", "Stop", "Base", "SystemExit", "KeyboardInterrupt", "GeneratorExit"):
        code = f"try: remote.eval('fail({kind})')\nexcept Exception as e: print(e, e.name)"
        assert here(nb, code).stdout == f"no {kind}\n"
    assert text(nb, "issubclass(remote.builtins.SystemExit, SystemExit)") == "False"


def test_a_property_s_attribute_error_has_its_words(nb: Client) -> None:
    nb.good("class P:\n    @property\n    def v(self): raise AttributeError('message of the property')\np = P()")
    cell = fails(nb, "remote.namespace['p'].v")
    assert cell.error is not None
    assert cell.error["ename"] == "AttributeError"
    assert "message of the property" in cell.error["evalue"]
    assert "def v(self)" in cell.traceback


def test_what_generators_and_coroutines_return_arrives(nb: Client) -> None:
    nb.good("""
import asyncio
def counts():
    got = yield 1
    return [got]
async def measure():
    await asyncio.sleep(0)
    return {'t': 21}
def delegate(generator):
    got = yield from generator
    yield 'returned', got
def run(coroutine):
    async def wait(): return await coroutine
    return asyncio.run(wait())
class Block:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.value = error.value
        return True
block = Block()
""")
    code = """
def delegate(generator):
    got = yield from generator
    print('returned', got)
print(list(delegate(remote.namespace['counts']())))
print(await remote.namespace['measure']())
def own():
    yield 2
    return 'own value'
async def own_coroutine(): return ('own', [3])
print(list(remote.namespace['delegate'](own())))
print(remote.namespace['run'](own_coroutine()))
with remote.namespace['block']: raise StopIteration(5)
print(remote.namespace['block'].value)
"""
    assert here(nb, code).stdout == (
        "returned [None]\n[1]\n{'t': 21}\n[2, ('returned', 'own value')]\n('own', [3])\n5\n"
    )
