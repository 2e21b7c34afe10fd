"""The tree of errors: each of ours stands in it, and says when it is raised."""

import ast
import re
from pathlib import Path

import pytest

from rpyc_kernel import errors
from rpyc_kernel.kernel.commands import connect  # noqa: F401 - has all commands registered
from rpyc_kernel.kernel.commands.spec import COMMANDS
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


MENDED = [
    errors.ProgramMissingError("a", "ssh", "Install it."),
    errors.NoPythonError("a", "", (), "3.7"),
    errors.NoPythonError("a", "ml", (), "3.7"),
    errors.NameNotResolvedError("a", "a"),
    errors.NameNotResolvedError("a", "a", temporary=True),
    errors.UnsafeSocketError("a", "it is another user's"),
    errors.NobodyListeningError("a"),
    errors.UnreachableError("a", "no route"),
    errors.DialTimeoutError("a", 10),
    errors.NotRpycError("a", "HTTP"),
    errors.SilentServerError("a", 10),
    errors.ServerClosedError("a"),
    errors.ServerClosedError("a", gone=True),
    errors.NotPairedError("a", "pair it"),
    errors.CertificateChangedError("a", "AB", "CD", "pair it"),
    errors.CertificateError("a", "no"),
    errors.RpycVersionError("a", "RPyC 3"),
    errors.WrongServiceError("a", "Mine"),
    errors.PythonTooOldError("a", "3.6"),
    errors.OneShotError("a"),
    errors.PairingError("a", "no.", "Pair again."),
    errors.NotAdmittedError("a", "no.", "Pair again."),
    *(kind("a", "no.", "Do it.") for kind in (errors.ProgramError, errors.LoginRefusedError, errors.HostKeyError)),
]


@pytest.mark.parametrize("error", MENDED, ids=lambda error: type(error).__name__)
def test_what_mends_it_is_the_end_of_its_message(error):
    what = str(error).removesuffix(error.mend)
    assert error.mend
    assert re.search(r"[.:] $", what), what


def test_each_way_to_a_machine_that_ends_says_what_mends_it():
    """But for what only the user can have meant, and a transport of somebody else."""
    kinds = {*subclasses(errors.DialError), *subclasses(errors.RemoteUnfitError)}
    others = {errors.DialCancelledError, errors.UnsupportedSchemeError, errors.TransportError}
    assert kinds - others == set(map(type, MENDED))


def sentences():
    """Every text that the terminal's commands may say as well as a notebook, with the name of its file."""
    for path in PACKAGE.rglob("*.py"):
        if {"kernel", "worker", "cli"} & {*path.relative_to(PACKAGE).parts}:
            continue  # a notebook's own; what runs in cells; and what only terminals say
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        others = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        others |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in others:
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                yield path.name, "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))


def test_a_command_of_cells_is_never_all_that_somebody_at_a_terminal_reads():
    command = re.compile(rf"(?<!\w)([$]|%%?)({'|'.join(COMMANDS)})\b")
    found = [(name, text) for name, text in sentences() if command.search(text)]
    assert len(found) > 4
    assert [each for each in found if not re.search(r"notebook|terminal", each[1])] == []


@pytest.mark.parametrize(
    "kind", [each for each in public() if not list(each.__subclasses__())], ids=lambda each: each.__name__
)
def test_each_says_when_it_is_raised(kind):
    assert re.match("Raised|An exception of a class", kind.__doc__ or ""), kind.__doc__
