"""A session on a machine that means harm: whatever runs there has RPyC's connection in its hands, and uses it."""

import contextlib
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rpyc

import rpyc_kernel
from rpyc_kernel.errors import ProtocolError, RemoteClosedError, RemoteError, RpycKernelError
from rpyc_kernel.link.threads import ConnectionThread
from tests.servers.rpyc_servers import start_server
from tests.servers.shortcuts import shorten

SECRET = "hunter2"

# What runs there: the connection to this side, without any of the manners of RPyC.
THERE = """
import gc, sys, time, threading
from rpyc.core import brine, consts, netref
conn = next(each for each in gc.get_objects() if type(each).__name__ == "SessionConnection")
frames = conn._channel

def attempt(work):
    try:
        return "got " + repr(work())
    except BaseException as error:
        return "refused " + type(error).__name__

def steal(callback):
    ask = conn.sync_request
    class Guess(netref.BaseNetref):
        __slots__ = ()
        def __del__(self): pass
    def guess(*pack):
        return Guess(conn, pack)
    own = ["{0.__globals__}"]
    return [attempt(work) for work in [
        lambda: callback.__globals__,
        lambda: callback.__code__,
        lambda: callback.__self__,
        lambda: callback.__reduce_ex__(4),
        lambda: callback.__globals__["__builtins__"],
        lambda: ask(consts.HANDLE_GETATTR, callback, "__globals__"),
        lambda: ask(consts.HANDLE_CALLATTR, callback, "__getattribute__", ("__globals__",), ()),
        lambda: ask(consts.HANDLE_CALLATTR, "{0.__globals__}", "format", (callback,), ()),
        lambda: ask(consts.HANDLE_PICKLE, callback, 4),
        lambda: ask(consts.HANDLE_SETATTR, callback, "__code__", 1),
        lambda: ask(consts.HANDLE_DELATTR, callback, "__code__"),
        lambda: ask(consts.HANDLE_CALL, eval, ("1",), ()),
        lambda: ask(consts.HANDLE_GETATTR, guess("builtins.type", id(type), 0), "__subclasses__"),
        lambda: ask(consts.HANDLE_INSPECT, ("builtins.type", id(type), 0)),
        lambda: ask(consts.HANDLE_CMP, callback, own, "__init__"),
        lambda: ask(consts.HANDLE_OLDSLICING, callback, "__globals__", "__dict__", 0, 1, ()),
        lambda: ask(consts.HANDLE_INSTANCECHECK, callback, ("builtins.type", 1, 0)),
        lambda: ask(consts.HANDLE_DEL, callback, -5),
        lambda: ask(consts.HANDLE_DEL, callback, own),
        lambda: conn.root.eval("1"),
        lambda: conn.root.getmodule("os"),
        lambda: __import__("copy").copy(callback),
        lambda: __import__("pickle").dumps(callback),
        lambda: ask(consts.HANDLE_BUFFITER, callback, 10**9),
        lambda: ask(99, callback),
    ]]

def send(frame):
    frames._frames.send(frame, False)

def flood(callback):
    while True:
        callback(1)

def before_their_turn():
    for number in range(10 ** 6, 10 ** 7):
        frames._send_message(number, 0, bytes(1 << 18))

def of_no_answer():
    for number in range(10 ** 6):
        frames._send_message(number, 10 ** 9, b"")

def unread(count):
    for number in range(count):
        send(bytes(1 << 18))

def hidden(value):
    class Poser(type(value)):
        pass
    return Poser(value)
"""


@pytest.fixture(scope="module")
def server():
    with start_server() as running:
        yield running


@pytest.fixture
def remote(server):
    connected = rpyc_kernel.connect(server.address)
    try:
        connected.execute(THERE)
        yield connected
    finally:
        connected.close()


def callback(*args, secret=SECRET):
    return args[0] if args else None


class Account:
    def __init__(self):
        self.password = [SECRET]

    def __repr__(self):
        return f"Account({self.password})"

    def deposit(self, amount=None):
        return amount


@pytest.mark.parametrize(
    "obj", [callback, Account().deposit, lambda: SECRET, Account], ids=["def", "method", "lambda", "class"]
)
def test_what_runs_there_gets_at_nothing(remote, obj):
    attempts = list(remote.namespace["steal"](obj))
    assert len(attempts) == 25
    assert not [(number, each) for number, each in enumerate(attempts) if not each.startswith("refused")]
    assert remote.eval("1 + 1") == 2


def test_raw_frames_that_are_none_close_it(remote, server):
    for frame in [b"", b"\x02", b"\x02\x11\x51", b"\x09\x11\x51\x00", b"\x02" + b"\x10" * 1000, b"\x01\x11\x51\x00"]:
        with rpyc_kernel.connect(server.address) as other:
            other.execute(THERE)
            with pytest.raises(ProtocolError):
                other.execute(f"send({frame!r})\nimport time; time.sleep(30)")
            assert other.closed
            with pytest.raises(RpycKernelError):
                other.eval("1")
    assert remote.eval("1 + 1") == 2


def test_frames_whose_turn_never_comes(remote, monkeypatch):
    monkeypatch.setattr(remote._channel._frames._sequence, "_limit", 8 << 20)
    with pytest.raises(ProtocolError, match="more than 8 MiB that nobody has asked for"):
        remote.execute("before_their_turn()")


def test_frames_that_acknowledge_what_was_never_sent(remote):
    with pytest.raises(ProtocolError, match="never sent"):
        remote.execute("of_no_answer()")


@pytest.mark.parametrize("sent", ["b'\\xff' * 1000", "bytes(8) + b'\\xff' * 12 + bytes(4)"], ids=["long", "early"])
def test_a_shortcut_on_which_comes_what_is_none(remote, sent):
    shorten(remote)
    with pytest.raises(ProtocolError):
        remote.execute(f"frames._frames._shortcut._socket.send({sent})\nwhile True: time.sleep(0.01)")


def test_what_nobody_reads_is_not_kept_for_ever(remote, monkeypatch):
    monkeypatch.setattr(remote._channel._frames._sequence, "_limit", 4 << 20)
    with contextlib.suppress(RpycKernelError):
        rpyc.async_(remote.namespace["unread"])(64)
        until = time.monotonic() + 30
        while remote._channel._error is None and time.monotonic() < until:
            time.sleep(0.01)
    assert isinstance(remote._channel._error, ProtocolError)


@pytest.mark.parametrize("packed", ["5", "hidden((b'1',))", "(hidden(b'1'),)", "[b'1']", "(b'[' * 10000,)", "None"])
def test_copies_that_are_none(remote, packed):
    remote.execute(f"type(conn._local_root).value = lambda self, wanted, peer: {packed}")
    try:
        with pytest.raises(ProtocolError):
            remote.value("1")
    finally:
        remote.execute("type(conn._local_root).value = None")


@pytest.mark.parametrize("packed", ["5", "hidden((b'1',))", "(b'[' * 10000,)", "conn", '(b\'{"!":"array"}\',)'])
def test_arrays_that_are_none(remote, packed):
    remote.execute("class Array:\n    def __array__(self): pass")
    remote.execute(f"type(conn._local_root).array = lambda self, wanted, peer: {packed}")
    with pytest.raises(ProtocolError):
        np.array(remote.eval("Array()"))
    assert remote.eval("1 + 1") == 2


def test_copies_are_of_plain_data_alone(remote):
    """What is passed can be copied there if it is a list or the like, and nothing that guards itself is one."""

    class Guarded(list):
        def _rpyc_getattr(self, name):
            raise AttributeError(name)

    remote.execute("def copied(each): return conn.sync_request(100, each, False)")
    copied = remote.namespace["copied"]
    for each in (Account(), callback, Account, Guarded([SECRET]), np):
        with pytest.raises((TypeError, AttributeError)) as info:
            copied(each)
        assert SECRET not in str(info.value)
    remote.execute("def copied(each): return type(conn.sync_request(100, each, False)).__name__")
    assert remote.namespace["copied"]([1, {2}]) == "tuple"
    assert remote.eval("1 + 1") == 2


@pytest.mark.parametrize("told", ["5", "()", "hidden(('a', 'b'))", "(('m', 'E'), (), (('____class__', 5),), '')"])
def test_exceptions_made_there_that_are_none(remote, told):
    remote.execute(f"class Own(Exception): pass\ntype(conn._local_root).told = lambda self, error: {told}")
    own = remote.namespace["Own"]
    with pytest.raises(ProtocolError):
        own("x")


@pytest.mark.parametrize(
    "about", ["5", "('3',)", "hidden(('3', '6', b''))", "('3', hidden('6'), b'')", "(1, 2, 3)", "(None,) * 3"]
)
def test_versions_that_are_none(remote, about):
    def double(x):
        return x * 2

    remote.execute(f"type(conn._local_root).about = lambda self: {about}")
    with pytest.raises(ProtocolError):
        remote.teleport(double)
    assert "double" not in remote.namespace


def test_exceptions_of_any_name(remote):
    named = "type('{}', (Exception,), {{'__module__': '{}'}})()"
    for raised in ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", named.format("eval", "builtins"),
        named.format("E", "antigravity"), "BaseExceptionGroup('g', [ValueError()])"]:  # fmt: skip
        with pytest.raises(RemoteError):
            remote.execute(f"raise {raised}")
    with pytest.raises(SyntaxError) as info:
        remote.execute("raise SyntaxError('m', ('/dev/zero', 1, 1, None))")
    assert info.value.filename == "</dev/zero>"
    assert remote.eval("1 + 1") == 2


# --- for those who mean well --------------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped(when):
    """SIGINT for this process as soon as *when* says so."""
    ended = threading.Event()

    def press():
        while not ended.is_set():
            if when():
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # another thread's would wake nobody
                return
            time.sleep(0.02)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield
    finally:
        ended.set()
        presser.join()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("work", ["time.sleep(1000)", "while True: pass", "threading.Event().wait()", "flood(print)"])
def test_an_interrupt_ends_the_wait_and_the_connection_goes_on(remote, work, tmp_path):
    begun = tmp_path / "begun"
    for _ in range(2):
        with stopped(begun.exists), pytest.raises(KeyboardInterrupt):
            remote.execute(f"open({str(begun)!r}, 'w').close()\n{work}")
        begun.unlink()
        assert remote.eval("1 + 1") == 2


def test_an_interrupt_reaches_what_runs_while_another_request_still_ends(remote, tmp_path):
    begun, other = tmp_path / "begun", tmp_path / "other"
    remote.execute(f"""
go_on = []
def mark(name):
    open(name, 'w').close()
def first():
    try:
        mark({str(begun)!r})
        while True: time.sleep(0.001)
    finally:
        while not go_on: time.sleep(0.001)
def second():
    go_on.append(1)
    while len([each for each in threading.enumerate() if each.name == "rpyc-kernel-live"]) > 1: time.sleep(0.001)
    mark({str(other)!r})
    while True: time.sleep(0.001)
""")
    for name, mark in (("first", begun), ("second", other)):
        with stopped(mark.exists), pytest.raises(KeyboardInterrupt):
            remote.namespace[name]()
    assert remote.eval("1 + 1") == 2


def test_an_interrupt_in_the_midst_of_a_request_loses_nothing(remote, monkeypatch):
    """It comes while the link takes the request, has the request's number, and hasn't sent the request yet."""
    take = ConnectionThread.take
    pressed = []

    def press(thread, action):
        if threading.current_thread() is threading.main_thread() and not pressed:
            pressed.append(action)
            signal.raise_signal(signal.SIGINT)
        take(thread, action)

    monkeypatch.setattr(ConnectionThread, "take", press)
    with stopped(lambda: False), pytest.raises(KeyboardInterrupt):
        remote._channel.submit("rpyc_lost", {})
    assert pressed
    assert remote.eval("1 + 1") == 2


def test_what_was_given_up_before_it_began_never_begins(remote, tmp_path):
    begun = tmp_path / "begun"
    slept = rpyc.async_(remote.modules.time.sleep)(1)  # the next request waits behind it there
    with stopped(lambda: remote._channel.waiting), pytest.raises(KeyboardInterrupt):
        remote.execute(f"open({str(begun)!r}, 'w').close()\nwhile True: pass")
    assert remote.eval("1 + 1") == 2
    with contextlib.suppress(KeyboardInterrupt, RemoteError):
        slept.wait()
    assert not begun.exists()


@pytest.mark.parametrize("background", [False, True])
def test_a_flood_of_callbacks_can_be_stopped(remote, background):
    calls = []
    served = rpyc.BgServingThread(remote, callback=lambda: None) if background else None
    try:
        with stopped(lambda: len(calls) > 5), pytest.raises(KeyboardInterrupt):
            remote.namespace["flood"](calls.append)
        assert remote.eval("1 + 1") == 2
    finally:
        if served is not None:
            served.stop()


def test_a_callback_that_raises_is_the_cause(remote):
    class OwnError(Exception):
        """Of a class that they don't know."""

    def fails(kind):
        raise kind("here")

    for kind, theirs in [(ValueError, ValueError), (OwnError, RemoteError)]:
        with pytest.raises(theirs) as info:
            list(remote.builtins.map(lambda _item, kind=kind: fails(kind), [1]))
        assert type(info.value.__cause__) is kind
        names = []
        tb = info.value.__cause__.__traceback__
        while tb is not None:
            names.append(tb.tb_frame.f_code.co_name)
            tb = tb.tb_next
        assert names[-1] == "fails"


def test_a_callback_that_exits_does(remote):
    def leaves(_item):
        raise SystemExit(7)

    with pytest.raises(SystemExit) as info:
        list(remote.builtins.map(leaves, [1]))
    assert info.value.code == 7
    assert remote.eval("1 + 1") == 2


def test_a_callback_is_asked_for_what_it_hasn_t(remote):
    """`hasattr`, `getattr` with a default, `functools.wraps` and `callable` go on there as with any function."""
    remote.execute(
        "import functools\n"
        "def wrapped(callback):\n"
        "    assert not hasattr(callback, 'colour') and callable(callback)\n"
        "    assert getattr(callback, '__wrapped__', 5) == 5\n"
        "    @functools.wraps(callback)\n"
        "    def inner(*args): return callback(*args)\n"
        "    return inner(4), inner.__name__, bool(callback), str(callback), callback == callback\n"
    )
    assert remote.namespace["wrapped"](callback)[:3] == (4, "callback", True)


def test_texts_that_are_none_go_through_as_errors(remote):
    """Half a character can't be sent; whoever asked is told, on either side, and nobody waits."""
    with pytest.raises(UnicodeEncodeError):
        remote.builtins.len("\udcff")
    with pytest.raises(UnicodeEncodeError) as info:
        list(remote.builtins.map(lambda _item: "\udcff", [1]))
    assert isinstance(info.value.__cause__, UnicodeEncodeError)
    with pytest.raises(ValueError, match="udcff"):
        list(remote.builtins.map(lambda _item: int("\udcff"), [1]))
    assert remote.eval("1 + 1") == 2


def test_two_threads_use_one_connection(remote):
    remote.execute("def add(x, y): return x + y\nclass Thing:\n    def __init__(self, n): self.n = n\n")
    errors = []

    def work(number):
        try:
            add = remote.namespace["add"]
            for count in range(60):
                assert add(number, count) == number + count
                things = [remote.namespace["Thing"](count) for _ in range(3)]
                assert [thing.n for thing in things] == [count] * 3
                assert list(remote.builtins.map(lambda item: item + number, (count,))) == [count + number]
                with pytest.raises(ZeroDivisionError):
                    remote.eval("1 / 0")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert not errors, errors


def test_events_reach_a_serving_thread(remote):
    remote.execute(
        "def tell(callback, count):\n"
        "    def run():\n"
        "        for number in range(count): callback(number)\n"
        "    threading.Thread(target=run, daemon=True).start()\n"
    )
    seen = []
    serving = rpyc.BgServingThread(remote, serve_interval=0.01, sleep_interval=0.01)
    try:
        remote.namespace["tell"](seen.append, 50)
        until = time.monotonic() + 60
        while len(seen) < 50 and time.monotonic() < until:
            assert remote.eval("1 + 1") == 2
    finally:
        serving.stop()
    assert seen == list(range(50))


def test_netrefs_dropped_in_many_threads(remote):
    """Nothing is dropped that is still used, and nothing is kept there that isn't."""
    remote.execute("held = len(conn._local_objects._dict)\ndef made(n): return [n]")

    def work():
        made = remote.namespace["made"]
        for count in range(100):
            one = made(count)
            two = remote.builtins.list(one)
            assert one[0] == two[0] == count

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    remote.flush()
    assert remote.eval("len(conn._local_objects._dict) - held") < 20


@pytest.mark.parametrize("asks", [1, 3])
def test_closing_while_others_wait(remote, asks):
    errors = []
    waiting = threading.Barrier(asks + 1)

    def work():
        sleep = rpyc.async_(remote.modules.time.sleep)
        waiting.wait(60)
        try:
            assert not sleep(1000).value
        except RemoteClosedError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(asks)]
    for thread in threads:
        thread.start()
    waiting.wait(60)
    remote.close()
    for thread in threads:
        thread.join(30)
    assert len(errors) == asks


def test_closing_in_a_callback(remote):
    with pytest.raises(RpycKernelError):
        list(remote.builtins.map(lambda _item: remote.close(), [1]))
    assert remote.closed


def test_this_machine_s_paths_are_not_told(remote):
    def fails(_item):
        raise ValueError("here") from OSError(Path(__file__))

    remote.execute(
        "def told(callback):\n    try: callback(1)\n"
        "    except ValueError as error: return str(error) + repr(vars(error))\n"
    )
    said = remote.namespace["told"](fails)
    assert "here" in said
    assert __file__ not in said
