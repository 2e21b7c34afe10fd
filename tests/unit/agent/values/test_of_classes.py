"""Enumerations, dataclasses and named tuples: plain data, or instances where the reader lists the class."""

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from rpyc_kernel.agent.values import MissingHereError, UnpackError, pack, unpack
from tests.unit.agent.values.copies import copied, same


class Colour(enum.Enum):
    RED = "r"
    BLUE = (1, 2)


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Job:
    name: str
    parts: Any = field(default_factory=list)

    def __post_init__(self):
        self.name += "!"  # of which a copy must not get a second one


@dataclass(frozen=True)
class Key:
    number: int


@dataclass(frozen=True)
class Slotted:
    __slots__ = ("x",)
    x: Any


def test_without_their_classes_they_are_plain_data():
    assert same(copied([Colour.RED, Colour.BLUE, Rights.READ | Rights.WRITE]), ["r", (1, 2), 3])
    assert same(copied(Point(1, [2])), (1, [2]))
    assert same(copied(Job("a", [Key(1)])), {"name": "a!", "parts": [{"number": 1}]})


def test_with_them_they_are_instances():
    value = [Colour.RED, Rights.READ | Rights.WRITE, Point(1, [2]), Job("a", [Slotted(2)]), {Key(1): {Key(2)}}]
    found = copied(value, classes=[Colour, Rights, Point, Job, Key, Slotted])
    assert found == value
    assert found[0] is Colour.RED
    assert type(found[2]) is Point
    assert found[3].name == "a!"


def test_one_that_contains_itself():
    job = Job("a")
    job.parts = [job, Point(job, 1)]
    found = copied(job, classes=[Job])
    assert found.parts[0] is found.parts[1][0] is found
    found = copied(job)
    assert found["parts"][0] is found["parts"][1][0] is found


def test_a_key_needs_its_class():
    for value in ({Key(1): 2}, {Key(1)}, [frozenset([Key(1)])], {(Key(1), 2): 3}):
        assert copied(value, classes=[Key]) == value
        with pytest.raises(MissingHereError, match=r"arrives as a dictionary.*Say which classes"):
            copied(value)


def test_what_is_not_data_is_named_with_its_field():
    with pytest.raises(TypeError, match=r"^r\['best'\]\.parts\[1\] is of the type "):
        pack({"best": Job("a", [1, print])}, "r")
    with pytest.raises(TypeError, match=r"^p\.x is of the type "):
        pack(Point(print, 1), "p")
    broken = Job("a")
    del broken.parts
    with pytest.raises(TypeError, match=r"^it has no parts, which its dataclass has"):
        pack(broken, "it")
    with pytest.raises(TypeError, match=r"^it is of the type .*Job, of which no copy"):
        pack(Job("a"), "it", objects=False)
    with pytest.raises(TypeError, match=r"^it is of the type type"):
        pack(Job, "it")


def test_one_that_holds_itself_through_what_cannot_change():
    slotted = Slotted(1)
    object.__setattr__(slotted, "x", (slotted,))
    with pytest.raises(TypeError, match=r"^it\.x\[0\] contains itself"):
        pack(slotted, "it")


def named(kind):
    return f"{kind.__module__}:{kind.__qualname__}"


@pytest.mark.parametrize(
    ("kind", "node"),
    [
        (Job, '["object","{}"]'), (Job, '["object","{}","name",1]'), (Job, '["object","{}","name"]'),
        (Job, '["object","{}","name",1,"parts",2,"__class__",3]'), (Job, '["object","{}","name",1,"__class__",3]'),
        (Job, '["object","{}",1,2,3,4]'), (Point, '["object","{}","x",1]'), (Key, '["classes.frozen","{}"]'),
        (Key, '["classes.frozen","{}","other",1]'), (Point, '["classes.namedtuple","{}",1]'),
        (Colour, '["classes.namedtuple","{}",1]'), (Colour, '["classes.enum","{}","GREEN","g"]'),
        (Colour, '["classes.enum","{}","__class__","g"]'), (Rights, '["classes.enum","{}",null,1000]'),
        (Colour, '["classes.enum","{}"]'), (Job, '["classes.enum","{}","name",1]'),
    ],
)  # fmt: skip
def test_what_is_no_instance_of_a_class_is_refused(kind, node):
    text = "[" + node.replace("{}", named(kind)) + ",[0]]"
    with pytest.raises(UnpackError):
        unpack(text.encode(), classes=[Job, Point, Key, Colour, Rights])


def test_classes_that_are_not_listed_are_not_looked_for():
    assert unpack(b'[["object","os:environ","a",1],[0]]', classes=[Job]) == {"a": 1}
    assert unpack(b'[["classes.enum","os:system","x",[0]],5]'.replace(b"[0]", b"1")) == 5
