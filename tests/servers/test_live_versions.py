"""What both ends of a live connection know beyond RPyC, with each RPyC and Python that a server may have."""

import json

import pytest

import rpyc_kernel
from rpyc_kernel.errors import RemoteError
from tests.servers.rpyc_servers import start_server
from tests.servers.venvs import VERSIONS

THERE = """
import contextlib, socket
class Fault(Exception):
    def __init__(self, code): super().__init__('fault %d' % code); self.code = code
class Hot(Fault, ValueError): pass
def fail(kind, *args): raise kind(*args)
seen = []
@contextlib.contextmanager
def led():
    try: yield
    except ValueError as error: seen.append(error)
class Odd:
    def __repr__(self): raise ValueError('no')
    __hash__ = __repr__
"""


class Mine(ValueError):
    pass


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"rpyc{version[0]}-py{version[1]}")
def remote(request):
    rpyc, python = request.param
    with start_server(rpyc=rpyc, python=python) as server, rpyc_kernel.connect(server.address) as remote:
        remote.execute(THERE)
        yield remote


def test_exceptions_go_there_as_what_they_are(remote):
    for error in (ValueError("x", 3), Mine("own")):
        with remote.namespace["led"]():
            raise error
        seen = remote.eval("type(seen[-1]).__name__, seen[-1].args, isinstance(seen[-1], ValueError)")
        assert seen == (type(error).__name__, error.args, True)
    with remote.modules.contextlib.suppress(remote.modules.json.JSONDecodeError):
        raise json.JSONDecodeError("m", "d", 0)


def test_exceptions_come_from_there_as_what_they_are(remote):
    with pytest.raises(remote.modules.json.JSONDecodeError) as info:
        remote.modules.json.loads("{")
    assert (info.value.name, info.value.pos, isinstance(info.value, ValueError)) == ("JSONDecodeError", 1, True)
    with pytest.raises(remote.namespace["Fault"], match="fault 7") as info:
        remote.namespace["fail"](remote.namespace["Hot"], 7)
    assert (info.value.name, info.value.code, isinstance(info.value, ValueError)) == ("Hot", 7, True)
    with pytest.raises(OSError, match="lost") as info:
        remote.execute("raise socket.gaierror(-2, 'lost')")
    assert info.value.errno == -2
    with pytest.raises(RemoteError, match="3"):
        remote.execute("raise SystemExit(3)")


@pytest.mark.parametrize(
    "bad", ["10 ** 5000", r"'\ud800'", "repr(Odd())", "hash(Odd())", "fail(ValueError, 10 ** 5000)", "type(ours)"]
)
def test_what_cannot_be_sent_is_an_error_of_its_call(remote, bad):
    remote.namespace["ours"] = [object()]
    with pytest.raises((TypeError, ValueError, RemoteError)):
        print(remote.eval(bad))
    assert remote.eval("1 + 1") == 2


def test_values_are_copied_where_they_have_to_be(remote):
    assert remote.modules.copy.copy({"a": 1}) == {"a": 1}
    assert remote.modules.copy.deepcopy([1, {2}]) == [1, {2}]
    assert remote.modules.json.dumps(remote.deliver({"a": [1]})) == '{"a": [1]}'
    assert remote.builtins.sorted([3, 1]) == [1, 3]
    assert remote.eval("[1]") + [2] == [1, 2]  # noqa: RUF005 - which is what is tested
    there = remote.eval("{}")
    assert isinstance(there, dict)
    assert not callable(there)
    assert callable(remote.builtins.len)
