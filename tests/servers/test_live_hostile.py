"""A hostile machine behind a live connection: it gets what was passed to it, and nothing of it runs here."""

import contextlib
import copy
import functools
import gc
import json
import pickle
import signal
import struct
import sys
import threading
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import rpyc
from rpyc.core import brine, consts

import rpyc_kernel
from rpyc_kernel.errors import ProtocolError, RemoteClosedError, RemoteError
from rpyc_kernel.live import connection, guard, services
from tests.servers.hostile_services import EXCEPTION, LOCAL, REMOTE, REPLY, ROOT, TUPLE, VALUE, HostileService, passed

SECRET = "hunter2"
MEGABYTE = 2**20
both_dialects = pytest.mark.parametrize("old", [False, True], ids=["rpyc6", "rpyc5"])


class Account:
    def __init__(self):
        self.owner = "me"
        self.password = [SECRET]

    def __repr__(self):
        return f"Account({self.password})"

    def deposit(self, amount=1, *, secret=SECRET):
        return amount


ACCOUNT = Account()


def callback(*args, secret=SECRET):
    return args[0] if args else None


@contextlib.contextmanager
def bounded(seconds, memory):
    """What is done inside takes no longer, and never holds more memory of Python's, than that."""
    gc.collect()
    tracemalloc.start()
    start = time.monotonic()
    try:
        yield
        assert time.monotonic() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def connected(behaviour, *, old=False, **config):
    with HostileService(behaviour, old=old) as service:
        root = rpyc_kernel.service(service.address, **config)
        try:
            yield root
        finally:
            root.____conn__.close()


def is_closed(root):
    with pytest.raises((RemoteClosedError, ProtocolError)):
        root.call()
    return root.____conn__.closed


# --- what it asks for ---------------------------------------------------------------------------------------------

CHAINS = ["__globals__", "__code__", "__self__", "__func__", "__class__", "__dict__", "__builtins__", "__closure__",
    "__subclasses__", "__mro__", "__init__", "__reduce_ex__", "__reduce__", "__getattribute__", "__defaults__",
    "__kwdefaults__", "__module__", "__wrapped__", "gi_frame", "gi_code", "f_globals", "password", "mro", "func",
    "args", "modules", "exposed_", "exposed___globals__", "", "\x00", "__call__.__self__", "__new__"]  # fmt: skip
OBJECTS = {
    "function": callback,
    "lambda": lambda: ACCOUNT,
    "method": ACCOUNT.deposit,
    "partial": functools.partial(callback, SECRET),
    "generator": (each for each in [ACCOUNT]),
    "module": sys,
    "class": Account,
    "instance": ACCOUNT,
    "wrapper": callback.__call__,
}


@both_dialects
@pytest.mark.parametrize("kind", OBJECTS)
def test_it_gets_at_nothing_behind_what_was_passed(kind, old):
    answers = []

    def behaviour(line, seq, args):
        obj = passed(args)
        for name in CHAINS:
            answers.append(line.ask(consts.HANDLE_GETATTR, obj, (VALUE, name)))
            answers.append(line.ask(consts.HANDLE_CALLATTR, obj, (VALUE, name), (VALUE, ()), (VALUE, ())))
        answers.extend(
            line.ask(handler, obj, (VALUE, "owner"), (VALUE, 1))
            for handler in (
                consts.HANDLE_SETATTR,
                consts.HANDLE_DELATTR,
                consts.HANDLE_PICKLE,
                consts.HANDLE_OLDSLICING,
            )
        )
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour, old=old) as root:
        assert root.call(OBJECTS[kind]) == "done"
        assert ACCOUNT.owner == "me"
    assert len(answers) == 2 * len(CHAINS) + 4
    for answer in answers:
        assert answer[0] == EXCEPTION, answer
        assert SECRET not in str(answer)


@pytest.mark.parametrize("kind", ["function", "lambda", "method", "partial", "module", "wrapper"])
def test_what_it_is_told_of_it_tells_of_nothing_else(kind):
    answers = []

    def behaviour(line, seq, args):
        obj = passed(args)
        answers.extend(line.ask(handler, obj) for handler in (consts.HANDLE_REPR, consts.HANDLE_STR, consts.HANDLE_DIR))
        answers.append(line.ask(consts.HANDLE_INSPECT, plain=(obj[1],)))
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour) as root:
        assert root.call(OBJECTS[kind]) == "done"
    for answer in answers:
        assert answer[0] == REPLY
        assert SECRET not in str(answer)
        assert "__globals__" not in str(answer)
        assert "/" not in str(answer[1][1] if isinstance(answer[1][1], str) else "")


def test_it_is_refused_what_was_not_passed():
    kept = []
    refused = []

    def behaviour(line, seq, args):
        ours = passed(args)
        name, type_id, object_id = ours[1]
        for ref in [
            (LOCAL, (name, type_id, object_id + 16)),
            (LOCAL, ("rpyc_kernel.live.connection.LiveConnection", id(type), id(sys))),
            (LOCAL, ("builtins.type", id(type), 0)),
            (LOCAL, ROOT),
            (REMOTE, ROOT),
            (VALUE, "{0.__class__}"),
            (VALUE, 5),
            (TUPLE, (ours,)),
        ]:
            refused.append(line.ask(consts.HANDLE_GETATTR, ref, (VALUE, "__class__")))
            refused.append(line.ask(consts.HANDLE_CALL, ref, (TUPLE, (ours,)), (VALUE, ())))
            refused.append(line.ask(consts.HANDLE_CALLATTR, ref, (VALUE, "format"), (TUPLE, (ours,)), (VALUE, ())))
            refused.append(line.ask(consts.HANDLE_REPR, ref))
            refused.append(line.ask(consts.HANDLE_CTXEXIT, ref, (VALUE, None)))
        refused.append(line.ask(consts.HANDLE_GETATTR, ours))  # too few
        refused.append(line.ask(consts.HANDLE_GETATTR, ours, (VALUE, "x"), (VALUE, 1)))  # too many
        refused.append(line.ask(consts.HANDLE_GETATTR, ours, (VALUE, b"x")))
        refused.append(line.ask(consts.HANDLE_CMP, ours, (VALUE, 1), (VALUE, "__init__")))
        refused.append(line.ask(consts.HANDLE_CMP, ours, (VALUE, 1), (VALUE, "__getattribute__")))
        refused.append(line.ask(consts.HANDLE_BUFFITER, ours, (VALUE, 10**9)))
        refused.append(line.ask(consts.HANDLE_DEL, ours, (VALUE, -(10**9))))
        refused.append(line.ask(consts.HANDLE_DEL, ours, (VALUE, "1")))
        refused.append(line.ask(consts.HANDLE_INSPECT, plain=(("builtins.type", id(type), 0),)))
        refused.append(line.ask(consts.HANDLE_INSPECT, plain=(5,)))
        refused.append(line.ask(consts.HANDLE_PING, ours))
        refused.append(line.ask(consts.HANDLE_PING, plain=("x" * 2_000_000,)))
        refused.extend(line.ask(handler, ours) for handler in (0, -1, 21, 4711))
        kept.append(line.ask(consts.HANDLE_CALL, ours, (VALUE, (7,)), (VALUE, ())))  # and this one goes on to work
        kept.append(line.ask(consts.HANDLE_DEL, ours, (VALUE, 2**70)))
        refused.append(line.ask(consts.HANDLE_CALL, ours, (VALUE, (7,)), (VALUE, ())))
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour) as root:
        assert root.call(callback) == "done"
        assert root.call(callback) == "done"  # what they dropped is passed anew
    assert [answer[1] for answer in kept] == [(VALUE, 7), (VALUE, None)] * 2
    assert {answer[0] for answer in refused} == {EXCEPTION}


def test_the_root_that_it_gets_is_nothing():
    answers = {}

    def behaviour(line, seq, args):
        _reply, (label, root) = line.ask(consts.HANDLE_GETROOT, plain=())
        assert label == REMOTE
        for name in [*CHAINS, "eval", "exposed_eval", "getmodule", "namespace", "execute", "_rpyc_getattr", "_conn"]:
            answers[name] = line.ask(consts.HANDLE_GETATTR, (LOCAL, root), (VALUE, name))
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour) as root:
        assert root.call() == "done"
    assert {answer[0] for answer in answers.values()} == {EXCEPTION}


POSER = "enum.StrEnum"  # a class that is loaded here, and a text


def test_an_object_of_its_own_does_not_pass_for_a_name_or_a_number():
    """As a name, it once was asked what "exposed_" and it make together, and answered "__globals__"."""
    answers = []

    def behaviour(line, seq, args):
        ours = passed(args)

        def meanwhile(number, request):
            """What they ask of it while they look at it: a text that is no private one; and then, ask something."""
            if request[0] == consts.HANDLE_INSPECT:
                methods = ("__radd__", "startswith", "__index__", "__gt__", "__hash__", "__iter__", "__next__")
                line.reply(number, (VALUE, tuple((name, None) for name in methods)))
            elif request[0] == consts.HANDLE_CALLATTR:
                name = request[1][1][1][1]
                line.reply(number, (VALUE, {"__radd__": "__globals__", "startswith": False}.get(name, 10**9)))
            elif request[0] != consts.HANDLE_DEL:
                line.request(consts.HANDLE_REPR, ours)  # needs the lock that they may hold
                line.reply(number, (VALUE, hash("x")))

        poser = (REMOTE, (POSER, 77, 78))
        for handler, boxes in [
            (consts.HANDLE_GETATTR, (ours, poser)),
            (consts.HANDLE_CALLATTR, (ours, poser, (VALUE, ()), (VALUE, ()))),
            (consts.HANDLE_CALL, (ours, poser, (VALUE, ()))),
            (consts.HANDLE_CALL, (ours, (VALUE, ()), poser)),
            (consts.HANDLE_CALL, (ours, (VALUE, ()), (TUPLE, (poser,)))),
            (consts.HANDLE_CMP, (ours, (VALUE, 1), poser)),
            (consts.HANDLE_BUFFITER, (ours, poser)),
            (consts.HANDLE_DEL, (ours, poser)),
            (consts.HANDLE_INSPECT, (poser,)),
        ]:
            answers.append(line.ask(handler, *boxes, answer=meanwhile))
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour, sync_request_timeout=20) as root, bounded(20, 8 * MEGABYTE):
        assert root.call(callback) == "done"
    assert {answer[0] for answer in answers} == {EXCEPTION}


def test_objects_of_another_connection_are_not_had():
    answers = []

    def behaviour(line, seq, args):
        if args[1][1][1][1]:
            first.append(passed(args))
        elif first:
            answers.append(line.ask(consts.HANDLE_CALL, first[0], (VALUE, ()), (VALUE, ())))
        line.reply(seq, (VALUE, "done"))

    first = []
    with connected(behaviour) as root, connected(behaviour) as other:
        root.call(callback)
        other.call()
    assert [answer[0] for answer in answers] == [EXCEPTION]


def test_holding_ever_more_of_what_is_here_comes_to_an_end(monkeypatch):
    monkeypatch.setattr(guard, "MAX_HELD_OBJECTS", 100)
    kinds = []

    def behaviour(line, seq, args):
        ours = passed(args)
        kinds.extend(line.ask(consts.HANDLE_GETATTR, ours, (VALUE, "append"))[0] for _ in range(200))
        line.reply(seq, (VALUE, "done"))

    with connected(behaviour) as root:
        assert root.call([]) == "done"
    assert kinds.count(EXCEPTION) >= 98


# --- what it answers ----------------------------------------------------------------------------------------------


@both_dialects
@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("builtins", "SystemExit"), ("builtins", "KeyboardInterrupt"), ("builtins", "GeneratorExit"),
     ("os", "system"), ("antigravity", "Evil"), ("\x00", "\x1b[2J\n"), ("builtins", "BaseExceptionGroup")],
)  # fmt: skip
def test_an_exception_is_no_more_than_that(module, name, old):
    def behaviour(line, seq, args):
        line.fail(seq, module, name, ("touch it",), (("__class__", "x"), ("with_traceback", "x"), ("code", 3)))

    with connected(behaviour, old=old) as root:
        for _ in range(2):
            with pytest.raises(RemoteError, match="touch it"):
                root.call()
    assert "antigravity" not in sys.modules


DEEP = functools.reduce(lambda inner, _: ("m", "n", 1, (inner,)), range(40), "Exception")
WIDE = ("m", "n", 1, tuple(("m", str(number), number, ("Exception",)) for number in range(1000)))


@pytest.mark.parametrize(
    "described",
    ["SystemExit", "KeyboardInterrupt", "BaseException", "eval", "type",
     ("builtins", "SystemExit", 1, ("SystemExit",)), ("sys", "exit", 1, ("GeneratorExit", "KeyError")),
     ("rpyc_kernel.errors", "ArgumentError", 1, ("object", "type")), ("\x1b", "\x1b[2J", -1, ()),
     ("m", "Both", 1, ("OSError", "ValueError", "OSError", "ImportError")),
     ("m", "Group", 1, ("BaseExceptionGroup", "SystemExit"))],
    ids=lambda told: repr(told)[:20],
)  # fmt: skip
def test_a_class_of_exceptions_is_one_that_ends_nothing(described):
    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, (("__init__", None), ("____class__", described))))
        else:
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 0)))

    with connected(behaviour) as root:
        kind = root.call()
        assert isinstance(kind, type)
        assert issubclass(kind, Exception)
        assert not issubclass(kind, (SystemExit, KeyboardInterrupt, GeneratorExit))
        assert kind.__module__ != "rpyc_kernel.errors" or issubclass(kind, RemoteError)
        assert kind.__name__.isprintable()
        assert kind.__name__ not in ("SystemExit", "KeyboardInterrupt", "GeneratorExit")


@pytest.mark.parametrize(
    "described",
    [5, (), ("m", "n"), ("m", "n", "1", ()), ("m", "n", 1, "Exception"), ("m", "n", 1, (5,)), DEEP, WIDE, b"Exception"],
    ids=lambda told: repr(told)[:20],
)
def test_a_class_of_exceptions_that_is_none_closes_it(described):
    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, (("____class__", described),)))
        else:
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 0)))

    with connected(behaviour) as root:
        with pytest.raises(ProtocolError):
            root.call()
        assert is_closed(root)


@pytest.mark.parametrize(
    "more",
    [("____cause__", 5), ("____members__", 5), ("____members__", (5,)), ("____data__", (b"[" * 9999,)),
     ("____data__", (b"[]",)), ("____data__", 5), ("____class__", 5), ("____class__", DEEP)],
    ids=lambda told: repr(told)[:30],
)  # fmt: skip
def test_what_an_exception_carries_is_checked(more):
    def behaviour(line, seq, args):
        line.fail(seq, "m", "Evil", ("a",), (("____class__", ("m", "Evil", 1, ("ExceptionGroup",))), more))

    with connected(behaviour) as root:
        with pytest.raises((ProtocolError, RemoteError)):
            root.call()


ODD = ["__init_subclass__", "__class_getitem__", "__set_name__", "__slots__", "__array__", "__reduce_ex__",
    "__reduce__", "__del__", "__qualname__", "__classcell__", "__module__", "__class__", "__dict__", "__getattribute__",
    "__get__", "__set__", "__delete__", "__deepcopy__", "__copy__", "__new__", "__init__", "__weakref__", "____conn__",
    "mro", "____id_pack__", "__instancecheck__", "__abstractmethods__", "no name", "", "\x00", "def", "call", "call",
    "__doc__", "__mro_entries__", "__subclasshook__", "__set__", "__annotations__", "__getstate__"]  # fmt: skip


def test_methods_of_odd_names_are_methods_or_nothing():
    calls = []

    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, tuple((name, "doc") for name in ODD)))
        elif args[0] == consts.HANDLE_CALL:
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 6)))
        else:
            calls.append(str(args))
            line.reply(seq, (VALUE, 1))

    with connected(behaviour) as root:
        thing = root.call()
        kept = {"secret": ACCOUNT}

        class Holder:
            held = thing

            def __init__(self):
                self.password = SECRET

        assert type(Holder().held) is type(thing)  # neither `__set_name__` nor `__get__` has passed the holder on
        assert not hasattr(thing, "__deepcopy__")
        with pytest.raises(TypeError, match="unpickled"):
            copy.deepcopy([kept, thing])
        with pytest.raises(TypeError, match="unpickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="unpickled"):
            rpyc.classic.obtain(thing)
        with pytest.raises(TypeError, match=r"remote\.value"):
            np.array(thing)
        with pytest.raises((TypeError, AttributeError)):  # its class is what they say, and has no name
            json.dumps(thing)
        assert copy.copy(thing) == 1
        del thing, Holder
    assert not [call for call in calls if f"({REMOTE}, ('" in call], calls  # nothing of ours was passed


def test_a_class_that_is_a_builtin_one_for_them_does_not_get_its_holder():
    calls = []

    def behaviour(line, seq, args):
        calls.append(args)
        line.reply(seq, (REMOTE, ("builtins.function", 5, 6)))

    with connected(behaviour) as root:

        class Holder:
            held = root.call()

        assert Holder().held is Holder.__dict__["held"]
    assert len(calls) == 1


@pytest.mark.parametrize(
    "methods",
    [(VALUE, None), (VALUE, 5), (VALUE, (5,)), (VALUE, (("a",),)), (VALUE, ((1, 2),)), (REMOTE, ("evil.Thing", 7, 8)),
     (REMOTE, ("builtins.tuple", 7, 8)), (TUPLE, ((REMOTE, ("evil.Other", 7, 9)),)), (LOCAL, ("x", 1, 2)), 5, (9, 9)],
    ids=str,
)  # fmt: skip
def test_answers_about_methods_are_plain_data(methods):
    """Objects in them would be asked for their methods too, and so on for ever."""
    asked = []

    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            asked.append(args)
            line.reply(seq, methods)
        else:
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 6)))

    with connected(behaviour) as root:
        with pytest.raises(ProtocolError):
            root.call()
        assert is_closed(root)
    assert len(asked) == 1


def test_ever_so_many_methods():
    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, tuple((f"m{number}", None) for number in range(50_000))))
        else:
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 6)))

    with connected(behaviour) as root, bounded(60, 200 * MEGABYTE):
        assert len([name for name in vars(type(root.call())) if name.startswith("m")]) < 10_000


def test_ever_more_classes_come_to_an_end(monkeypatch):
    monkeypatch.setattr(guard, "MAX_CLASSES", 20)
    count = 0

    def behaviour(line, seq, args):
        nonlocal count
        if args[0] == consts.HANDLE_INSPECT:
            count += 1
            line.reply(seq, (VALUE, ((f"m{count}", None),)))
        else:
            line.reply(seq, (TUPLE, tuple((REMOTE, ("evil.Thing", 5, number)) for number in range(100))))

    with connected(behaviour) as root:
        with pytest.raises(ProtocolError):
            root.call()
        assert is_closed(root)


def test_instances_of_one_class_share_it():
    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, (("m", None),)))
        else:
            line.reply(seq, (TUPLE, tuple((REMOTE, ("good.Thing", 5, number)) for number in range(100))))

    with connected(behaviour) as root:
        assert len({type(each) for each in root.call()}) == 1


def tuple_of(count, item=b"\x00"):
    return b"\x15" + struct.pack("!L", count) + item * count


def value_of(inner):
    return b"\x11\x51" + inner  # a box that is labelled as a value


PRIME = 2**61 - 1
WRONG = {
    "deep": value_of(b"\x10" * 50_000 + b"\x00"),
    "deep boxes": b"\x11\x52\x10" * 15_000 + b"\x11\x51\x00",
    "many": value_of(tuple_of(150_000)),
    "more than there is": value_of(b"\x15" + struct.pack("!L", 2**32 - 1) + b"\x00"),
    "long number": value_of(b"\x17" + struct.pack("!L", 50_000) + b"9" * 50_000),
    "short text": value_of(b"\x08\x0f" + struct.pack("!L", 2**32 - 1) + b"x"),
    "no text": value_of(b"\x08\x0b\xff\xff"),
    "half a character": value_of(b"\x08\x0c\xed\xa0\x80"),
    "colliding": value_of(b"\x1a" + brine.dump(tuple(number * PRIME for number in range(9_000)))),
    "half colliding": value_of(b"\x1a" + brine.dump(tuple(n * (PRIME if n % 2 else 1) for n in range(20_000)))),
    "set of sets": value_of(tuple_of(200, b"\x1a" + brine.dump(tuple(number * PRIME for number in range(1_000))))),
    "no box": brine.dump(5),
    "box of three": brine.dump((1, 2, 3)),
    "label": brine.dump((9, 9)),
    "label text": brine.dump(("1", 9)),
    "tuple of text": brine.dump((2, "ab")),
    "object of text": brine.dump((4, "abc")),
    "object of two": brine.dump((4, ("a", 1))),
    "object of numbers": brine.dump((4, (1, 2, 3))),
    "object of texts": brine.dump((4, ("a", "b", "c"))),
    "ours by guess": brine.dump((3, ("builtins.function", id(callback), id(callback)))),
    "ours by value": brine.dump((3, 5)),
    "trailing": value_of(b"\x00\x00"),
    "unknown tag": value_of(b"\x07"),
    "nothing": b"",
}


@both_dialects
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_malformed_closes_the_connection(wrong, old, monkeypatch):
    monkeypatch.setattr(connection, "MAX_ITEMS", 100_000)

    def behaviour(line, seq, args):
        line.frame(line.body(REPLY, seq, WRONG[wrong]))

    with connected(behaviour, old=old) as root:
        with pytest.raises(ProtocolError), bounded(20, 150 * MEGABYTE):
            root.call(callback)
        assert is_closed(root)


@both_dialects
def test_requests_that_are_none_close_it_too(old):
    for inner in [brine.dump(5), brine.dump((7,)), brine.dump(("x", (2, ()))), brine.dump((7, 5)), WRONG["deep"]]:

        def behaviour(line, seq, args, inner=inner):
            line.frame(line.body(1, 4711, inner))

        with connected(behaviour, old=old) as root:
            with pytest.raises(ProtocolError):
                root.call(callback)
            assert is_closed(root)


def test_frames_that_are_none():
    packer = zlib.compressobj(9)
    bomb = b"".join([packer.compress(bytes(MEGABYTE)) for _ in range(200)] + [packer.flush()])
    for send in [
        lambda line: line.raw(b"\xff\xff\xff\xff\x00"),
        lambda line: line.raw(b"\x00\x00\x00\x01\x07"),
        lambda line: line.frame(b"\x09\x11\x51\x00"),  # a message of no kind
        lambda line: line.frame(b""),
        lambda line: line.frame(bomb, packed=1),
        lambda line: line.frame(b"no zlib", packed=1),
    ]:

        def behaviour(line, seq, args, send=send):
            send(line)
            line.read()

        with connected(behaviour) as root:
            with pytest.raises(ProtocolError), bounded(20, 200 * MEGABYTE):
                root.call()
            assert is_closed(root)


@both_dialects
def test_answers_that_nobody_asked_for_are_nothing(old):
    def behaviour(line, seq, args):
        for number in (seq + 1, seq - 1, -1, 2**70, -(2**70), seq + 1000):
            line.reply(number, (VALUE, "wrong"))
            line.reply(number, (9, 9))
            line.fail(number, "builtins", "ValueError")
        line.reply(seq, (VALUE, "right"))
        line.reply(seq, (VALUE, "twice"))

    with connected(behaviour, old=old) as root:
        assert root.call() == "right"
        assert root.call() == "right"


def test_an_answer_that_asks_and_fails_is_that_request_s_own(monkeypatch):
    """It once was raised by whichever thread read it, and the one that had asked waited on."""

    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_INSPECT:
            line.fail(seq, "builtins", "KeyError", ("gone",))
        elif args[1][1][1] == (VALUE, ("thing",)):
            line.reply(seq, (REMOTE, ("evil.Thing", 5, 6)))
        else:
            line.reply(seq, (VALUE, "fine"))

    with connected(behaviour) as root:
        call = rpyc.async_(root.call)
        thing, fine = call("thing"), call("x")
        assert fine.value == "fine"
        with pytest.raises(KeyError, match="gone"):
            _ = thing.value
        assert root.call("x") == "fine"


# --- how long it keeps us -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def stop_pressed(after):
    """SIGINT for this process once the event is set, as the stop button and Ctrl-C send it."""

    def press():
        if after.wait(20):
            time.sleep(0.1)  # until the main thread waits, of which nothing tells
            signal.pthread_kill(main, signal.SIGINT)

    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield
    finally:
        after.set()
        presser.join()
        signal.signal(signal.SIGINT, before)


def floods(kind, begun):
    def behaviour(line, seq, args):
        for number in range(10**9):
            if kind == "requests":
                line.request(consts.HANDLE_PING, plain=("x",))
                line._read()
            elif kind == "callbacks":
                line.ask(consts.HANDLE_CALL, passed(args), (VALUE, (1,)), (VALUE, ()))
            elif kind == "answers":
                line.reply(seq + 1, (VALUE, 1))
            elif kind == "refused":
                line.ask(consts.HANDLE_PICKLE, passed(args), (VALUE, 4))
            if number == 50:
                begun.set()

    return behaviour


@pytest.mark.parametrize("kind", ["requests", "callbacks", "answers", "refused"])
def test_a_flood_can_be_stopped(kind):
    begun = threading.Event()
    with connected(floods(kind, begun)) as root, bounded(30, 30 * MEGABYTE):
        with stop_pressed(begun), pytest.raises(KeyboardInterrupt):
            root.call(callback)


@pytest.mark.parametrize("kind", ["requests", "callbacks", "answers", "refused"])
def test_a_flood_does_not_lengthen_the_wait(kind):
    with connected(floods(kind, threading.Event()), sync_request_timeout=1) as root, bounded(30, 30 * MEGABYTE):
        with pytest.raises(TimeoutError):
            root.call(callback)


def test_a_callback_can_be_stopped():
    begun = threading.Event()
    answers = []

    def waits(*_args):
        begun.set()
        time.sleep(60)  # what is to be stopped

    def behaviour(line, seq, args):
        if args[1][1][1] == (VALUE, ()):
            line.reply(seq, (VALUE, "fine"))
            return
        answers.append(line.ask(consts.HANDLE_CALL, passed(args), (VALUE, (1,)), (VALUE, ())))
        line.reply(seq, (VALUE, "late"))

    with connected(behaviour) as root:
        with stop_pressed(begun), pytest.raises(KeyboardInterrupt):
            root.call(waits)
        assert root.call() == "fine"
    assert answers[0][1][0] == ("builtins", "KeyboardInterrupt")


def test_endless_iterators_can_be_stopped():
    begun = threading.Event()
    count = 0

    def behaviour(line, seq, args):
        nonlocal count
        if args[0] == consts.HANDLE_INSPECT:
            line.reply(seq, (VALUE, (("__iter__", None), ("__next__", None), ("__len__", None))))
            return
        if args[1][1][1] == (VALUE, "__len__"):
            line.reply(seq, (VALUE, 2**62))
            return
        count += 1
        if count == 50:
            begun.set()
        line.reply(seq, (REMOTE, ("evil.Endless", 5, 6)))

    with connected(behaviour) as root:
        endless = root.call()
        with pytest.raises(MemoryError):
            list(endless)
        with stop_pressed(begun), pytest.raises(KeyboardInterrupt):
            for _ in endless:
                pass


def test_objects_in_place_of_names():
    def behaviour(line, seq, args):
        if args[0] == consts.HANDLE_DIR:
            line.reply(seq, (REMOTE, ("builtins.list", 5, 6)))
        else:
            line.reply(seq, (VALUE, 1))

    with connected(behaviour) as root:
        with pytest.raises(ProtocolError):
            dir(root)
        assert root.____conn__.closed


def test_calls_within_calls_without_end():
    deepest = 0

    def behaviour(line, seq, args):
        """Calls what was passed, which calls this again; and hands on what that has come to."""
        nonlocal deepest
        deepest += 1
        kind, answer = line.ask(
            consts.HANDLE_CALL,
            passed(args),
            (VALUE, ()),
            (VALUE, ()),
            answer=lambda *request: line.service.answer(line, *request),
        )
        line.send(kind, seq, answer)

    with connected(behaviour) as root, bounded(60, 100 * MEGABYTE):

        def again():
            return root.call(again)

        with pytest.raises(RecursionError):
            again()
    assert deepest > 5


@pytest.mark.parametrize("moment", ["before", "header", "middle", "callback", "goodbye"])
def test_it_hangs_up(moment):
    def behaviour(line, seq, args):
        if moment == "header":
            line.raw(b"\x00\x00")
        elif moment == "middle":
            line.raw(struct.pack("!LB", 100, 0) + b"\x02")
        elif moment == "callback":
            line.request(consts.HANDLE_CALL, passed(args), (VALUE, (1,)), (VALUE, ()))
        elif moment == "goodbye":
            line.request(consts.HANDLE_CLOSE, plain=())
            return
        raise OSError

    with connected(behaviour) as root:
        with pytest.raises(RemoteClosedError) as info:
            root.call(callback)
        assert "closed here" not in str(info.value)
        assert root.____conn__.closed
        assert isinstance(info.value, EOFError)


@pytest.mark.parametrize("timeout", [0.5, 60])
def test_what_comes_slowly_comes(monkeypatch, timeout):
    """As long as some does, and somebody waits for it; it can still come when nobody did."""
    monkeypatch.setattr(services, "FRAME_TIMEOUT_S", 1.0)

    def behaviour(line, seq, args):
        body = line.body(REPLY, seq, brine.dump((VALUE, "slow")))
        frame = struct.pack("!LB", len(body), 0) + body + b"\n"
        for place in range(len(frame)):
            line.raw(frame[place : place + 1])
            time.sleep(0.15)  # what this service does

    with connected(behaviour, sync_request_timeout=timeout) as root:
        if timeout < 1:
            call = root.call
            with pytest.raises(TimeoutError):
                call()
            root.____conn__._config["sync_request_timeout"] = 60
        assert root.call() == "slow"


def test_it_stalls_within_a_frame(monkeypatch):
    monkeypatch.setattr(services, "FRAME_TIMEOUT_S", 1.0)

    def behaviour(line, seq, args):
        line.raw(struct.pack("!LB", 100, 0) + b"\x02")
        line.read()

    with connected(behaviour) as root, bounded(20, 8 * MEGABYTE):
        with pytest.raises(ProtocolError, match="never ended"):
            root.call()
        assert is_closed(root)
