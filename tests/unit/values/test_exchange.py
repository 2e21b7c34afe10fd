"""What a worker offers is checked before it is believed; what can't be copied is a sentence."""

from __future__ import annotations

import pytest

from rpyc_kernel.errors import ProtocolError, ValueMissingError, ValueRefusedError
from rpyc_kernel.values import exchange


def test_an_offer():
    offer = exchange.offer_of({"status": "ok", "offer": "3", "sizes": [[2, 30], [5]], "pickled": [1]}, 2, "pi")
    assert (offer.name, offer.nbytes, offer.pickled) == ("3", 37, frozenset())


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"offer": 3, "sizes": [[1]]},
        {"offer": "3", "sizes": [[1], [1]]},
        {"offer": "3", "sizes": [[-1]]},
        {"offer": "3", "sizes": [[True]]},
        {"offer": "3", "sizes": [["1"]]},
        {"offer": "3", "sizes": {"0": [1]}},
        {"offer": "3", "sizes": [[0] * (exchange.MAX_SIZES + 1)]},
        {"offer": "3", "sizes": [[1]], "pickled": "all"},
        {"offer": "3", "sizes": [[1]], "pickled": [1]},
        {"offer": "3", "sizes": [[1]], "pickled": None},
        {"offer": "3", "sizes": [[]]},
        {"offer": "3", "sizes": [[10**400]]},
        {"offer": "3" * 1000, "sizes": [[1]]},
    ],
    ids=range(14),
)
def test_offers_that_are_none(reply):
    with pytest.raises(ProtocolError):
        exchange.offer_of({"status": "ok", **reply}, 1, "pi", may_pickle=True)


def test_a_pickle_that_nobody_has_allowed_is_no_pickle():
    offer = exchange.offer_of({"status": "ok", "offer": "3", "sizes": [[2]], "pickled": [0]}, 1, "pi")
    assert not offer.pickled


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ({"ename": "NameError", "expression": "x", "evalue": "name 'x'"}, "There is no variable x on pi."),
        ({"ename": "KeyError", "expression": "x[1]", "evalue": "1"}, "x[1] can't be evaluated on pi: KeyError: 1"),
        ({"stage": "copy", "evalue": "x is a lock"}, "On pi, x is a lock."),
        (
            {"ename": "WorkerDied", "evalue": "ended with exit code 3"},
            "The Python on pi ended with exit code 3, and nothing was copied. Its variables are lost.",
        ),
        ({"ename": "MissingHereError", "evalue": "It needs x."}, "What was copied cannot be made on pi. It needs x."),
        ({"ename": "MemoryError", "evalue": ""}, "pi could not take it: MemoryError."),
    ],
)
def test_refusals(reply, told):
    with pytest.raises(ValueRefusedError) as caught:
        exchange.offer_of({"status": "error", **reply}, 1, "pi")
    assert str(caught.value) == told


def test_what_is_no_packed_value():
    for packed in ([], [memoryview(b"[")], [memoryview(b'[["bytes",7],[0]]')]):
        with pytest.raises(ProtocolError):
            exchange.unpacked(packed, "pi")


def test_a_pickle_that_fails_is_a_sentence():
    with pytest.raises(ValueMissingError, match="A pickle from pi can't be read here"):
        exchange.unpickled([memoryview(b"no pickle")], "pi")


def test_what_cannot_be_packed():
    with pytest.raises(ValueRefusedError, match=r"^a.*is of the type"):
        exchange.pack_all({"fine": 1, "a": object()}, {})
