"""`make docs`: check what the documents and docstrings say of files, names and links; print what is wrong.

    python scripts/check_docs.py

- A link in a document leads to a file that exists, and to a heading where it names one. A link to another site is only
  looked at.
- A path or a name of the package in backticks exists: `link/protocol.py`, `agent/wire.py:Message.decode`,
  `rpyc_kernel.connect`. So does what a code block imports from the package.
- Docstrings are in one dialect, Google's: ``Args:``, and no ``:param x:``.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sources import PACKAGE, ROOT, defined, modules, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
# Documents whose bare file names are ours. The others name files of users and of other projects.
OF_OURS = {"architecture.md", "reliability.md", "platforms.md", "benchmarks.md", "CONTRIBUTING.md"}
PYTHON = [path for folder in ("src", "scripts", "benchmarks", "conformance") for path in ROOT.glob(f"{folder}/**/*.py")]
BUILT = ("build", "dist")  # made by our own targets, and absent from a clone
# Where a path may begin: the repository, its tests, the package, and its parts that have parts.
BASES = [
    ROOT,
    ROOT / "tests",
    PACKAGE,
    PACKAGE / "agent",
    PACKAGE / "agent" / "worker",
    PACKAGE / "kernel",
    PACKAGE / "transport",
]

FENCE = re.compile(r"^ *(```+|~~~+)(.*?)^ *\1 *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)(?: +\"[^\"]*\")?\)")
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
PATH = re.compile(r"([\w.*-]+/)*([\w-]+\.(?:py|md|ipynb|toml)|[\w.-]+/)(?:::?([\w.]+))?")
DOTTED = re.compile(r"\brpyc_kernel(?:\.\w+)+")
IMPORT = re.compile(r"^ *from (rpyc_kernel[\w.]*) import ([\w, ]+)", re.MULTILINE)
OTHER_DIALECT = re.compile(r"^ *:(param|type|returns?|rtype|raises?|i?var|yields?)\b.*?:", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """Something that a file says and that isn't so."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.text}"


def links(file: Path) -> Iterator[Fault]:
    """Check the links of a document."""
    text = SPAN.sub(_blank, prose(file))
    for match in LINK.finditer(text):
        if why := wrong_link(file, match[1]):
            yield Fault(file, _line(text, match), f"the link to {match[1]}: {why}")


def wrong_link(file: Path, target: str) -> str:
    """Say what is wrong with a link; "" where nothing is.

    Args:
        file: The document that has it.
        target: What stands between the parentheses.
    """
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        good = parts.scheme in ("http", "https") and "." in parts.netloc
        return "" if good else "it is neither a path nor a page on http or https"
    found = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not found.is_relative_to(ROOT) or not found.exists():
        return "there is no such file"
    if parts.fragment and unquote(parts.fragment) not in anchors(found):
        return "there is no such heading"
    return ""


@cache
def anchors(file: Path) -> frozenset[str]:
    """Find the anchors of a document's headings, as forges make them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(file), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", LINK.sub(lambda link: link[0][1 : link[0].index("](")], heading).lower())
        slug = words.replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return frozenset(found)


def names(file: Path) -> Iterator[Fault]:
    """Check the paths and the package's names that a document has in backticks, and what its code imports."""
    text = prose(file)
    for match in SPAN.finditer(text):
        for why in wrong_names(" ".join(match[2].split()), bare=file.name in OF_OURS):
            yield Fault(file, _line(text, match), why)
    code = file.read_text("utf-8")
    for match in IMPORT.finditer(code):
        for name in match[2].replace(",", " ").split(" as ")[0].split():
            if not exists(f"{match[1]}.{name}"):
                yield Fault(file, _line(code, match), f"{match[1]} has no {name}")


def wrong_names(span: str, *, bare: bool) -> Iterator[str]:
    """Say what is wrong with a span of code.

    Args:
        span: The text between the backticks.
        bare: Whether a file name without a folder is ours, too.
    """
    if (path := PATH.fullmatch(span)) and (path[1] or bare) and "*" not in span:
        first = span.partition("/")[0]
        if first in BUILT:
            return
        if bare or any((base / first).is_dir() for base in BASES):
            place, _, name = span.replace("::", ":").partition(":")
            found = files(place)
            if not found:
                yield f"there is no {place}"
            elif name and not any(name in defined(each) for each in found):
                yield f"{place} has no {name}"
    for dotted in DOTTED.findall(span):
        if not exists(dotted):
            yield f"there is no {dotted}"


def files(place: str) -> list[Path]:
    """Find what a path may mean: from one of the `BASES`, or, of a Python file, the end of a path in the package."""
    found = [base / place for base in BASES if (base / place).exists()]
    if not found and place.endswith(".py"):
        every = [*modules().values(), *ROOT.glob("tests/**/*.py")]
        found = [path for path in every if f"/{path.as_posix()}".endswith(f"/{place}")]
    return found


@cache
def exists(dotted: str) -> bool:
    """Whether the package has a module, a name in a module, or a text with that name."""
    known = modules()
    if dotted in known:
        return True
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if path := known.get(".".join(parts[:end])):
            return ".".join(parts[end:]) in defined(path) | _lazy(path) or _is_said(dotted)
    return False


def _lazy(path: Path) -> frozenset[str]:
    """Find the names in `__all__`, which a module may load late."""
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def _is_said(text: str) -> bool:
    return any(f'"{text}"' in path.read_text("utf-8") for path in modules().values())


def docstrings(file: Path) -> Iterator[Fault]:
    """Check the dialect of a Python file's docstrings, and the paths that they have in backticks."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=True) or ""
            line = getattr(node, "lineno", 1)
            if other := OTHER_DIALECT.search(text):
                yield Fault(file, line, f"{other[0].strip()} is in another dialect than Google's")
            for span in SPAN.finditer(text):
                for why in wrong_names(" ".join(span[2].split()), bare=False):
                    yield Fault(file, line, why)


def prose(file: Path) -> str:
    """Read a document without its blocks of code, line by line where it was."""
    return FENCE.sub(_blank, file.read_text("utf-8"))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def main() -> int:
    """Check everything, and return the exit code."""
    faults = [fault for file in DOCUMENTS for check in (links, names) for fault in check(file)]
    faults += [fault for file in PYTHON for fault in docstrings(file)]
    print(*faults, sep="\n", file=sys.stderr) if faults else print(f"{len(DOCUMENTS)} documents are right")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
