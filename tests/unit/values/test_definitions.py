"""Functions and classes on their way to a machine: what can be sent, and a sentence for what can't."""

from __future__ import annotations

import sys
import types

import pytest

from rpyc_kernel.errors import ValueRefusedError
from rpyc_kernel.values import definitions

PYTHON = sys.version.split()[0]


def function(x):
    return x + 1


class Kind:
    attribute = 3


def outer(n):
    return lambda x: x + n


@pytest.mark.parametrize("value", [function, Kind])
def test_a_source(value):
    assert definitions.is_definition(value)
    how, data, defines = definitions.definition(value, "it", {"python": "3.8.1"})
    assert (how, defines) == ("source", value.__name__)
    found: dict[str, object] = {}
    exec(compile(data, "<it>", "exec"), found)
    assert type(found[defines]) is type(value)


@pytest.mark.parametrize("value", [outer(1), lambda: 1, type("Made", (), {}), eval("lambda: 2")])
def test_what_has_no_source_of_its_own(value):
    with pytest.raises(ValueRefusedError, match=r"install cloudpickle at both ends, for the same Python \(here 3"):
        definitions.definition(value, "it", {"python": PYTHON})


def test_cloudpickle_where_both_have_it(monkeypatch):
    module = types.ModuleType("cloudpickle")
    module.__spec__ = types.SimpleNamespace(loader=None)
    module.dumps = lambda value: b"pickled"
    monkeypatch.setitem(sys.modules, "cloudpickle", module)
    peer = {"python": PYTHON, "cloudpickle": "3.0"}
    assert definitions.definition(outer(1), "it", peer).how == "cloudpickle"
    assert definitions.definition(function, "it", {**peer, "python": "3.7.1"}).how == "source"
    assert definitions.definition(function, "it", {"python": PYTHON}).how == "source"

    def fail(_value):
        raise TypeError("cannot pickle it")

    module.dumps = fail
    with pytest.raises(ValueRefusedError, match="it can't be sent: TypeError: cannot pickle it"):
        definitions.definition(function, "it", peer)


def test_values_are_no_definitions():
    assert not any(map(definitions.is_definition, (1, len, sys, Kind(), function.__code__)))
