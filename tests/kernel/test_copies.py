"""`%pull`, `%push` and `%%local -i -o`: values between here and there, all or none, with a sentence for what can't."""

from __future__ import annotations

import threading
import time

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")


def error(front: Client, code: str, **more: object) -> str:
    """What a cell that fails tells."""
    cell = front.run(code, **more)
    assert cell.error is not None, cell.stdout
    assert not any("File " in line for line in cell.error["traceback"])
    return str(cell.error["evalue"])


def here(front: Client, expression: str) -> str:
    """What an expression is in local cells."""
    return front.good(f"%%local\nprint(({expression}))").stdout.strip()


def test_values_come_here(nb: Client) -> None:
    nb.good("a = [1, 2.5, None, ('x', b'y')]\nresults = {'best': {'of': {3, 4}}}")
    cell = nb.good('%pull a model=results["best"] n=len(a) few=[each for each in a if each]')
    assert cell.stdout.startswith("a: list, 4 items; model: dict, 1 item; n: int; few: list, 3 items (")
    assert here(nb, "a, model, n, few") == "([1, 2.5, None, ('x', b'y')], {'of': {3, 4}}, 4, [1, 2.5, ('x', b'y')])"
    nb.good("%pull a[0] --as first")
    assert here(nb, "first") == "1"


def test_values_go_there(nb: Client) -> None:
    nb.good("%%local\nparams = {'rate': 0.1}\nframes = [b'a' * 10] * 3")
    cell = nb.good("%push params frames n=len(frames)")
    assert cell.stdout.startswith("params: dict, 1 item; frames: list, 3 items; n: int (")
    assert nb.good("params, frames, n").text == "({'rate': 0.1}, [b'aaaaaaaaaa', b'aaaaaaaaaa', b'aaaaaaaaaa'], 3)"


def test_both_round_a_local_cell(nb: Client) -> None:
    nb.good("df, untouched = [3, 1, 2], 'there'")
    nb.good("%%local -i df -o cleaned,more\ncleaned = sorted(df)\nmore = len(df)")
    assert nb.good("cleaned, more").text == "([1, 2, 3], 3)"
    nb.good("%%local --input df --output df\ndf.append(4)")
    assert nb.good("df").text == "[3, 1, 2, 4]"
    cell = nb.run("%%local -i df -o cleaned\ncleaned = 'wrong'\n1/0")
    assert cell.error["ename"] == "ZeroDivisionError"
    assert nb.good("cleaned").text == "[1, 2, 3]"


def test_much_that_is_large(nb: Client) -> None:
    nb.good("import os\nbig = os.urandom(40_000_000)\nimport hashlib")
    nb.good("%pull big\n%push back=big")
    assert nb.good("back == big").text == "True"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("%pull there", "There is no variable there on "),
        ("%pull x=1/0", "1/0 can't be evaluated on "),
        ("%pull x=1+", "1+ can't be evaluated on "),
        ("%pull x=exit()", "exit() can't be evaluated on "),
        ("%pull lock", "lock is of the type _thread.lock"),
        ("%pull x=[1, {'deep': lock}]", "['deep'] is of the type _thread.lock"),
        ("%pull a[0]", "a[0] is no name, so its value needs one: %pull name=a[0]"),
        ("%pull list=a", "list is a name of Python's own"),
        ("%pull __builtins__=a", "__builtins__ is a name of Python's own"),
        ("%pull remote=a", "remote is a name of Python's own or of the notebook's"),
        ("%pull a a", "has a twice"),
        ("%pull a b --as c", "--as of %pull names one value"),
        ("%pull a --max much", "takes a size, like 500MB"),
        ("%pull x=(1", "has a bracket that is not closed"),
        ("%pull x='a", "has a ' that is not closed"),
        ("%pull", "%pull needs its values"),
        ("%push nowhere", "There is no variable nowhere here"),
        ("%push x=1/0", "1/0 can't be evaluated here: ZeroDivisionError"),
        ("%push x=__import__('sys').exit(3)", "can't be evaluated here: SystemExit: 3"),
        ("%push x=open('/dev/null')", "is of the type _io.TextIOWrapper"),
        ("%push print=1", "print is a name of Python's own"),
        ("%%local -i 1a\n1", "'1a' is none"),
        ("%%local -i nowhere\nprint('ran')", "There is no variable nowhere on "),
    ],
)
def test_what_cannot_be_is_a_sentence_and_assigns_nothing(nb: Client, command: str, told: str) -> None:
    nb.good("import threading\nlock, a = threading.Lock(), [1]")
    nb.good("%%local\na, x = 'mine', 'mine'")
    assert told in error(nb, command)
    assert here(nb, "a, x") == "('mine', 'mine')"
    assert nb.good("a").text == "[1]"


def test_a_python_that_ends_is_told_and_the_next_copy_is_of_the_next_one(fresh: Client) -> None:
    """No connection to the one that has ended is used again."""
    fresh.good("%pull x=1")
    assert "ended with exit code 3, and nothing was copied." in error(fresh, "%pull x=__import__('os')._exit(3)")
    fresh.wait_for(lambda: fresh.run("1").status == "ok", what="a cell in the next Python")
    fresh.good("%pull x=[2] --max 0", answers=["y"])
    assert here(fresh, "x") == "[2]"


def test_all_or_none(nb: Client) -> None:
    nb.good("import threading\nleft, lock, right = 1, threading.Lock(), 2")
    nb.good("%%local\nimport threading\nmine, lock = 1, threading.Lock()")
    error(nb, "%pull left lock right")
    error(nb, "%push mine lock")
    assert here(nb, "'left' in globals()") == "False"
    assert nb.good("'mine' in globals()").text == "False"


def test_what_is_large_is_asked_about_first(nb: Client) -> None:
    nb.good("heavy = bytes(3_000_000)")
    cell = nb.run("%pull heavy --max 1MB", answers=["n"])
    assert cell.error["evalue"] == "Nothing was copied."
    (asked,) = cell.inputs
    assert asked.content["prompt"].startswith("%pull heavy copies 2.9 MiB, which takes about ")
    assert here(nb, "'heavy' in globals()") == "False"
    nb.good("%pull heavy --max 1MB", answers=["y"])
    assert here(nb, "len(heavy)") == "3000000"
    nb.good("%push more=heavy --max 1MB", answers=["yes"])
    assert nb.good("len(more)").text == "3000000"
    said = error(nb, "%pull heavy --max 1MB", allow_stdin=False)
    assert said.endswith("This front end can't be asked: --max 2.9MiB copies it.")
    nb.good("%pull heavy --max 2.9MiB", allow_stdin=False)


def test_a_transfer_has_a_bar_and_ends_with_the_stop_button(new_kernel, remote: Remote) -> None:
    front = new_kernel().first
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        front.good("import os\nbig = os.urandom(50_000_000)\nsmall = 1")  # zeros would be packed, and gone at once
        proxy.rate = 5_000_000
        cell = front.start("%pull small big")
        front.wait_output(cell, "small, big:")
        front.interrupted(cell)
        proxy.rate = 0
        assert (cell.error["ename"], cell.error["evalue"]) == ("KeyboardInterrupt", "Stopped; nothing was copied.")
        assert here(front, "'small' in globals(), 'big' in globals()") == "(False, False)"
        assert front.good("len(big)").text == "50000000"


def test_a_transfer_holds_up_nobody_from_its_first_moment_on(new_kernel, remote: Remote) -> None:
    """A question waits for the end of a young cell, but not of one that moves much; what others print goes on."""
    front = new_kernel().first
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        front.good(
            "import os, threading, time\nbig, ended = os.urandom(60_000_000), threading.Event()\n"
            "def tick():\n    while not ended.wait(0.05):\n        print('tick', time.monotonic())"
        )
        front.complete("bi")  # the first one loads what completes, and the first copy what copies
        ticking = front.good("%pull x=1\nthreading.Thread(target=tick).start()")
        proxy.rate = 5_000_000
        for _ in range(5):
            cell = front.start("%pull big")
            assert "big" in front.complete("bi")["matches"]
            if young := time.monotonic() - cell.sent_at < 0.8:  # a cell is young for 1 s
                break
            front.interrupted(cell)
        assert young, "five times the answer waited"
        front.wait_output(cell, "big:")
        before = len(ticking.messages)
        front.wait_for(lambda: len(ticking.messages) > before + 5)
        ticks = [(each.at, float(each.content["text"].split()[-1])) for each in ticking.messages[before:]]
        assert min(at - printed for at, printed in ticks) < 1
        assert front.interrupted(cell) < 10
        proxy.rate = 0
        front.good("ended.set()")


def test_the_stop_button_ends_an_expression_there(nb: Client) -> None:
    cell = nb.start("%pull x=[print('on'), __import__('time').sleep(60)]")
    nb.wait_output(cell, "on")
    nb.interrupted(cell)
    assert (cell.error["ename"], cell.error["evalue"]) == ("KeyboardInterrupt", "Stopped; nothing was copied.")
    assert nb.good("1 + 1").text == "2"


def test_what_was_cut_goes_on(new_kernel, remote: Remote) -> None:
    front = new_kernel().first
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        front.good("import os, hashlib\nbig = os.urandom(30_000_000)\nhashlib.sha256(big).hexdigest()")
        proxy.rate = 20_000_000
        cutter = threading.Timer(0.5, proxy.cut)
        cutter.start()
        front.good("%pull big")
        cutter.join()
        proxy.rate = 0
        there = front.good("hashlib.sha256(big).hexdigest()").text
        assert here(front, "repr(__import__('hashlib').sha256(big).hexdigest())") == there


def test_what_an_expression_prints_is_shown(nb: Client) -> None:
    nb.good("def f():\n    print('working')\n    return 5\n")
    cell = nb.good("%pull x=f()")
    assert "working\n" in cell.stdout
    assert here(nb, "x") == "5"


def test_functions_and_classes_go_there(nb: Client) -> None:
    nb.good("scale = 10")
    nb.good(
        "%%local\nimport dataclasses\n\ndef scaled(x, y=2):\n    'Multiplies.'\n    return x * y * scale\n\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int = 0\n\n"
        "def outer(n):\n    def inner(x):\n        return x + n\n    return inner\n"
    )
    nb.good("import dataclasses")
    nb.good("%push scaled again=scaled Point")
    assert nb.good("scaled(3), again(1, y=1), scaled.__doc__, Point(x=4).x").text == "(60, 10, 'Multiplies.', 4)"
    cell = nb.run("scaled('a', None)")
    assert "<pushed scaled>" in "\n".join(cell.error["traceback"])
    assert "it uses n of the function around it" in error(nb, "%push f=outer(1)")
    assert "its source isn't a def or class of its own" in error(nb, "%push f=(lambda: 1)")


def test_a_pickle_comes_only_where_the_user_says_so(nb: Client) -> None:
    nb.good("class Own:\n    def __reduce__(self):\n        return (print, ('unpickled here',))\nown, plain = Own(), 7")
    assert "own is of the type" in error(nb, "%pull own")
    cell = nb.good("%pull plain own --pickle")
    told = "own can only be pickled. Reading a pickle runs whatever code "
    assert cell.stderr.startswith(told)
    assert here(nb, "plain, own") == "(7, None)"
    nb.good("%pull plain --pickle")


@pytest.mark.needs("linux")
def test_more_than_memory_is_a_sentence(nb: Client) -> None:
    """Memory that is mapped and never touched: nobody has so much."""
    nb.good("import mmap\nhuge = memoryview(mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | 0x4000))")
    nb.good("%%local\nimport mmap\nhuge = memoryview(mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | 0x4000))")
    assert "The values don't fit here: 4,194,304 MiB are needed" in error(nb, "%pull mine=huge --max 9TB")
    assert "the values don't fit: 4,194,304 MiB are needed" in error(nb, "%push yours=huge --max 9TB")
