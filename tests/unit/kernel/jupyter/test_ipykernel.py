"""What kernel/jupyter/ relies on in ipykernel is there, each such place is named, and no other folder has one."""

import ast
import functools
import importlib
import inspect
import re
from pathlib import Path

import ipykernel
import pytest

from rpyc_kernel.kernel.app import RpycKernelApp
from rpyc_kernel.kernel.kernel import RpycKernel
from tests.unit.ipykernel_places import PLACES, Place

PACKAGE = Path(__file__).resolve().parents[4] / "src" / "rpyc_kernel"
JUPYTER = PACKAGE / "kernel" / "jupyter"
FILES = sorted(JUPYTER.glob("*.py"))
OTHER_FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if JUPYTER not in path.parents and PACKAGE / "agent" not in path.parents
)
THEIRS = ("ipykernel", "IPython")
DOCUMENTED = {"_render_traceback_"}  # by IPython, as a method that an exception may have

# Jupyter's interface of a kernel, and traitlets' of an application: what a class outside of that folder may override.
OF_A_KERNEL = re.compile(r"do_\w+|banner|implementation|implementation_version|start|__\w+__")
OF_AN_APP = re.compile(r"name|description|aliases|classes|kernel_class|__\w+__")


# --- each place is as it was


def found(theirs):
    """What has that name; an attribute of instances alone is given as the class's source. None if there is none."""
    module, _, path = theirs.partition(":")
    thing = importlib.import_module(module)
    for name in filter(None, path.split(".")):
        inner = inspect.getattr_static(thing, name, None)
        if inner is None:
            return thing if inspect.isclass(thing) and name in attributes(thing) else None
        thing = inner.fget if isinstance(inner, property) else inner
    return thing


@functools.cache
def attributes(kind):
    """The names that instances of a class have, as its source and its bases' tell: ``self.name = …``."""
    sources = (inspect.getsource(each) for each in kind.__mro__ if is_python(each))
    return {name for source in sources for name in re.findall(r"\bself\.(\w+)\b(?:\s*:[^=\n]+)?\s*=[^=]", source)}


def is_python(kind):
    return (
        getattr(importlib.import_module(kind.__module__), "__file__", "").endswith(".py") and kind.__module__[0] != "_"
    )


def parameters(function):
    """The names of a function's parameters, as one would write them."""
    bare = [
        each.replace(annotation=each.empty, default=each.empty)
        for each in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(bare))[1:-1]


def change(place):
    """What is other than the place says, as the end of a sentence; None if all is as it was."""
    thing = found(place.theirs)
    if thing is None:
        return "is gone"
    function = getattr(thing, "__wrapped__", thing)
    if place.takes is not None and parameters(function) != place.takes:
        return f"takes ({parameters(function)}), where it took ({place.takes})"
    at = 0
    for piece in place.has:
        source = inspect.getsource(function)
        at = source.find(piece, at)
        if at < 0:
            return f"has no `{piece}` any more" + (" behind the others" if piece in source else "")
    return None


def sentence(place, changed):
    """What changed, which place of ours depends on it, and what to look at."""
    package = place.theirs.partition(".")[0].partition(":")[0]
    version = getattr(importlib.import_module(package), "__version__", "")
    thing = found(place.theirs)
    at = ""
    if thing is not None:
        function = getattr(thing, "__wrapped__", thing)
        line = "" if inspect.ismodule(function) else f":{inspect.getsourcelines(function)[1]}"
        at = f"{inspect.getsourcefile(function)}{line}"
    else:
        at = importlib.import_module(place.theirs.partition(":")[0]).__file__
    name = place.theirs.rstrip(":").replace(":", ".")
    return (
        f"{name} of {package} {version} {changed}. kernel/jupyter/{place.ours} relies on it: {place.why}. "
        f"Read {at}, mend that file, then its line in tests/unit/ipykernel_places.py."
    )


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.ours}-{place.theirs}")
def test_what_we_rely_on_is_as_it_was(place):
    changed = change(place)
    assert changed is None, sentence(place, changed)


def test_the_version_is_one_that_was_looked_at():
    assert ipykernel.version_info[0] == 7
    assert ipykernel.version_info[:2] >= (7, 4)


# --- each place is named


def foreign(kind):
    """The names that the classes of ipykernel and IPython have from which a class of ours derives."""
    bases = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in THEIRS]
    return {name for base in bases for name in (*vars(base), *attributes(base))}


@functools.cache
def private_names():
    """The private names in classes of theirs that are in the table, and the names of ours in the folder."""
    classes = [
        each for each in (found(re.sub(r"\.\w+$", "", place.theirs)) for place in PLACES) if inspect.isclass(each)
    ]
    theirs = {name for kind in classes for name in (*vars(kind), *attributes(kind)) if is_private(name)}
    ours = set()
    for node in (node for path in FILES for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            ours.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            ours.add(node.attr)
    return theirs, ours


def reached(path):
    """Yield (line, name) of what a file imports of ipykernel or IPython, overrides, sets, or uses that is private."""
    theirs, ours = private_names()
    tree = ast.parse(path.read_text("utf-8"))
    module = importlib.import_module(".".join(("rpyc_kernel", *path.relative_to(PACKAGE).with_suffix("").parts)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in THEIRS:
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in ours:
            yield node.lineno, node.attr
        elif isinstance(node, ast.Constant) and node.value in theirs:
            yield node.lineno, node.value
        elif isinstance(node, ast.ClassDef) and hasattr(module, node.name):
            yield from of_class(node, foreign(getattr(module, node.name)))


def is_private(name):
    return isinstance(name, str) and re.fullmatch(r"_[a-z]\w*", name) is not None and name not in DOCUMENTED


def of_class(node, theirs):
    """Yield (line, name) of what a class of ours overrides or sets of its foreign bases', or uses that is private."""
    for each in node.body:
        names = [each.name] if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) else []
        names += [target.id for target in getattr(each, "targets", ()) if isinstance(target, ast.Name)]
        yield from ((each.lineno, name) for name in names if name in theirs and name != "__init__")
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self":
            if each.attr in theirs and (is_private(each.attr) or isinstance(each.ctx, ast.Store)):
                yield each.lineno, each.attr


NAMED = {(place.ours, re.split(r"[.:]", place.theirs.rstrip(":"))[-1]) for place in PLACES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_place_is_named(path):
    for line, name in reached(path):
        assert (path.name, name) in NAMED, (
            f"kernel/jupyter/{path.name}:{line} reaches {name} of ipykernel, of IPython, or of what is below them. "
            "Name it in tests/unit/ipykernel_places.py, with what it relies on."
        )


def test_no_other_file_imports_ipykernel():
    for path in OTHER_FILES:
        imports = re.findall(r"^\s*(?:from|import) (?:ipykernel|zmq)\b.*", path.read_text("utf-8"), re.MULTILINE)
        assert not imports, f"{path.name} has {imports}: what reaches into ipykernel belongs into kernel/jupyter/"


@pytest.mark.parametrize(("kind", "interface"), [(RpycKernel, OF_A_KERNEL), (RpycKernelApp, OF_AN_APP)])
def test_outside_of_the_folder_only_what_is_documented_is_overridden(kind, interface):
    theirs = foreign(kind)
    path = Path(inspect.getsourcefile(kind))
    [node] = [each for each in ast.parse(path.read_text("utf-8")).body if getattr(each, "name", "") == kind.__name__]
    for line, name in of_class(node, theirs):
        assert interface.fullmatch(name), (
            f"{path.name}:{line}: {kind.__name__} reaches {name} of ipykernel, which is no documented interface; "
            "that belongs into kernel/jupyter/, and into tests/unit/ipykernel_places.py"
        )


def test_the_kernel_is_the_only_one_outside_of_the_folder_whose_private_names_could_be_used():
    """Whoever has a kernel uses none of its private names, ipykernel's or ours."""
    private = {name for name in foreign(RpycKernel) if is_private(name)}
    for path in OTHER_FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in private:
                holder = ast.unparse(node.value)
                assert not re.search(r"\bkernel$", holder), f"{path.name}:{node.lineno} uses {holder}.{node.attr}"


# --- a change is told


class Changed:
    """Stands for a class of theirs that has changed."""

    def __init__(self):
        self.table = {}

    def handle(self, message):
        self.first()
        self.second()


@pytest.mark.parametrize(
    ("name", "expected", "told"),
    [
        ("gone", {}, "is gone"),
        ("handle", {"takes": "self, stream, message"}, "takes (self, message), where it took (self, stream, message)"),
        ("handle", {"has": ("self.third(",)}, "has no `self.third(` any more"),
        ("handle", {"has": ("self.second(", "self.first(")}, "has no `self.first(` any more behind the others"),
        ("handle", {"takes": "self, message", "has": ("self.first(", "self.second(")}, None),
        ("table", {}, None),
    ],
)
def test_a_change_is_told_in_a_sentence(name, expected, told):
    place = Place("interrupt.py", f"{__name__}:Changed.{name}", "it counts on it", **expected)
    assert change(place) == told
    if told:
        text = sentence(place, told)
        assert f"Changed.{name} of tests" in text
        assert f"{told}. kernel/jupyter/interrupt.py relies on it: it counts on it. Read {Path(__file__)}" in text
