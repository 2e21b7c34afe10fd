"""The commands that pages name: each is taken as it is written, in a terminal or in a cell."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rpyc_kernel.cli import main
from rpyc_kernel.cli.terminal import RefusalError
from rpyc_kernel.kernel.commands import connect, route  # noqa: F401 - has all commands registered
from rpyc_kernel.kernel.commands.spec import COMMANDS

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("agent-package/*.md")]
BLOCK = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
TERMINAL = re.compile(r"(?:\$ |.*\\?\| )?rpyc-kernel(?:-agent)? (.+)")
NAMES = "|".join(COMMANDS)
CELL = re.compile(rf"%%?(?:{NAMES})\b.*|[$](?:{NAMES})\([\"'].*\)(?:  #.*)?")
INCOMPLETE = re.compile(r"required|expected|needs")  # where a page only names a command or an option


def written(pattern: re.Pattern[str]) -> list[tuple[str, str, bool]]:
    """Return what stands in the pages as code and fits: the page, the text, and whether it stands in a block."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block, places in ((True, BLOCK.findall(text)), (False, INLINE.findall(BLOCK.sub("", text)))):
            lines = [line.strip() for place in places for line in place.splitlines()]
            found += [
                (page.name, match[match.lastindex or 0], block) for line in lines if (match := pattern.fullmatch(line))
            ]
    return found


def test_the_terminals_commands(capsys: pytest.CaptureFixture[str]) -> None:
    parser, wrong, whole = main._parser(), [], 0
    for page, text, block in written(TERMINAL):
        try:
            parser.parse_args(shlex.split(re.sub(r"[][]", "", text), comments=True))
            whole += 1
        except SystemExit as end:  # --help, --version
            wrong += [(page, text)] if end.code else []
        except (RefusalError, ValueError) as error:
            if block or not INCOMPLETE.search(str(error)):
                wrong.append((page, f"{text}: {error}"))
    assert wrong == []
    assert whole > 60
    assert "usage" in capsys.readouterr().out


def test_the_commands_of_cells() -> None:
    wrong, whole = [], 0
    for page, text, block in written(CELL):
        try:
            route.route(text.partition("  #")[0])
            whole += 1
        except route.CommandError as error:
            if block or not INCOMPLETE.search(str(error)):
                wrong.append((page, f"{text}: {error}"))
    assert wrong == []
    assert whole > 60
