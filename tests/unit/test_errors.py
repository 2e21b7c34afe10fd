"""The tree of errors: each of ours stands in it, and says when it is raised."""

import ast
import re
from pathlib import Path

import pytest

from rpyc_kernel import errors
from rpyc_kernel.live import exceptions

PACKAGE = Path(errors.__file__).parent
DRAWN = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")


def subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def public():
    found = {each for each in subclasses(errors.RpycKernelError) if not each.__name__.startswith("_")}
    return sorted(
        (each for each in found if each.__module__.startswith("rpyc_kernel.")), key=lambda each: each.__name__
    )


def test_every_error_stands_in_the_tree_once():
    assert exceptions.RemoteException in public()
    assert sorted(DRAWN) == [each.__name__ for each in public()]


def test_no_other_file_defines_one():
    """But for the one that needs RPyC's own classes, and private ones that never leave their file."""
    names = {"RpycKernelError", *DRAWN}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and names & {getattr(base, "id", "") for base in node.bases}:
                found += [(path.name, node.name)] if path.name != "errors.py" and node.name[0] != "_" else []
    assert found == [("exception_classes.py", "RemoteException")]


def test_the_tree_is_that_of_the_classes():
    """The deeper one stands, the nearer it is to the one above."""
    above = []
    for line in (errors.__doc__ or "").splitlines():
        if not (found := re.match(r"([ │]*)[├└]── (\w+)", line)):
            continue
        depth, name = (len(found[1]) - 4) // 4, found[2]
        kind = getattr(errors, name, None) or getattr(exceptions, name)
        del above[depth:]
        assert not above or issubclass(kind, above[-1]), name
        above.append(kind)


@pytest.mark.parametrize(
    "kind", [each for each in public() if not list(each.__subclasses__())], ids=lambda each: each.__name__
)
def test_each_says_when_it_is_raised(kind):
    assert re.match("Raised|An exception of a class", kind.__doc__ or ""), kind.__doc__
