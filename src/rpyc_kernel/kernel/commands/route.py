"""Reads a cell, and says where each part of it runs: text in, steps out. No I/O, no state.

Commands stand at the top of a cell, among blank lines and comments; what follows runs on the other machine. One
further down is refused with a sentence before anything runs, for half of that cell would run elsewhere than it reads.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.parse import parse_call, parse_magic, words_of
from rpyc_kernel.kernel.commands.scan import NEWLINE, NOT_CODE, Line, closing, logical_lines
from rpyc_kernel.kernel.commands.spec import COMMANDS, Arguments, CommandSpec, spelled, unknown_command, usage


class Command(NamedTuple):
    """A command of the cell.

    Attributes:
        name: Its name in `COMMANDS`, or ``help``.
        arguments: Its arguments; of ``help`` the name, ``{"command": name}``.
        line: The number of the line in which it begins, from 1.
        source: The command as it was typed.
    """

    name: str
    arguments: Arguments
    line: int
    source: str


class LocalCode(NamedTuple):
    """Code for the local IPython.

    Attributes:
        code: The code, padded at the top so that its line numbers, hence those of a traceback, are the cell's. Only
            code that begins with ``%%`` is not padded, since a cell magic must be the first line.
        line: The number of the line in which it begins, from 1.
        options: The options that were given, by their keys.
    """

    code: str
    line: int
    options: Arguments = {}  # noqa: RUF012 - of a NamedTuple, and nobody changes it


class RemoteCode(NamedTuple):
    """Code for the connected machine, padded as in `LocalCode`. A cell without commands is passed on unchanged."""

    code: str
    line: int


class Machine(NamedTuple):
    """The steps behind it are for another machine of the notebook than cells usually run on.

    Attributes:
        name: The machine, as the notebook calls it.
        line: The number of the line of its ``%%on``, from 1.
    """

    name: str
    line: int


Step = Command | LocalCode | RemoteCode | Machine


ON = "on"  # the command that names the machine of a cell


@dataclass(slots=True)
class _Cell:
    """A cell that was read.

    Attributes:
        steps: The commands at its top.
        rest: The cell without them.
        first: The first line of code, None where there is none.
        body: Our cell magic that takes the rest: its description, its arguments, its line.
        closed: Whether nothing behind the command counts, as with ``%%local?``.
    """

    steps: list[Step]
    rest: str
    first: Line | None = None
    body: tuple[CommandSpec, Arguments, Line] | None = None
    closed: bool = False


class _UnclosedError(CommandError):
    offset = 0


_HEAD = re.compile(r"(?P<query>\?{0,2})(?P<written>(?P<prefix>\$|%%?)(?P<name>[^\W\d]\w*))")
_ON = re.compile(r"\s*%%on[ \t]+(?P<machine>\"[^\"\r\n]+\"|'[^'\r\n]+'|[^\s\"'#]+)[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n)")
_UNKNOWN = re.compile(r"(\$[^\W\d]\w*)[ \t]*\(")


def route(cell: str) -> list[Step]:
    """Return the steps of a cell, in their order; the first that fails ends the cell.

    Raises:
        CommandError: A command stands in the wrong place or is written wrongly; the user reads the sentence. Nothing of
            the cell has run then.
    """
    read = _read(cell)
    steps = read.steps
    line = _line_number(cell, read.first.start) if read.first else 1
    if read.body:
        spec, arguments, header = read.body
        if spec.name == ON:
            steps += [Machine(arguments["machine"], _line_number(cell, header.start)), *_steps_there(read.rest)]
        elif spec.local_code:
            steps.append(LocalCode(read.rest, line, {key: value for key, value in arguments.items() if value}))
        else:
            source = cell[header.start : header.end].rstrip()
            steps.append(Command(spec.name, arguments | {"code": read.rest}, _line_number(cell, header.start), source))
    elif read.first or not steps:
        steps.append(RemoteCode(read.rest, line if steps else 1))
    return steps


def _steps_there(cell: str) -> list[Step]:
    steps = route(cell)
    if any(isinstance(step, Machine) for step in steps):
        raise CommandError("One %%on names the machine of a whole cell. Put what is for another one into its own cell.")
    return steps


def machine_of(cell: str) -> tuple[str, int]:
    """Return the machine that the ``%%on`` at a cell's top names, and where the text for it begins; "", 0 without."""
    found = _ON.match(cell)
    return (found["machine"].strip("\"'"), found.end()) if found else ("", 0)


def strip_commands(cell: str) -> str:
    """Return the code of a cell, to be asked whether it is complete.

    An unclosed command stays without its ``$``, as Python code that is as incomplete. ``%%local`` stays too: IPython
    says when a cell magic is complete. A cell that will be refused is "", since it need not go on.
    """
    try:
        read = _read(cell)
    except _UnclosedError as error:
        return cell[error.offset + 1 :]
    except CommandError:
        return ""
    if read.body and read.body[0].name == ON:
        return strip_commands(read.rest)
    return cell[read.body[2].start :] if read.body else read.rest


def _read(cell: str) -> _Cell:
    read = _Cell([], cell)
    if not _mentions_commands(cell):
        return read
    taken: list[Line] = []
    for line in logical_lines(cell):
        if cell[line.content : line.content + 1] in NOT_CODE:
            continue
        head = head_at(cell, line.content)
        if head:
            _refuse_misplaced(cell, head, line, read)
            taken.append(line)
            _take(cell, head, line, read)
            if read.closed:
                return read
            if read.body and read.body[0].name == ON:
                break  # what follows is a cell of its own, commands at its top included
        elif read.first is None:
            unknown = _UNKNOWN.match(cell, line.start)
            if unknown and read.body is None:
                raise CommandError(f"Line {_line_number(cell, line.start)}: {unknown_command(unknown[1])}")
            read.first = line
            if cell.startswith("%%", line.start):
                break  # another cell magic's text, which need not be Python
    if taken:
        read.rest = _without(cell, taken, read.first)
    return read


def _refuse_misplaced(cell: str, head: re.Match[str], line: Line, read: _Cell) -> None:
    if read.first or read.body:
        raise CommandError(
            f"Line {_line_number(cell, line.start)}: {head['written']} stands below other code. Commands stand at the "
            "top of a cell: move it there, or into a cell of its own. Nothing of this cell has run."
        )
    if line.content > line.start:
        number = _line_number(cell, line.start)
        raise CommandError(f"Line {number}: {head['written']} is indented. Begin its line with it.")


def _take(cell: str, head: re.Match[str], line: Line, read: _Cell) -> None:
    """Add the command that begins with *head* to *read*."""
    spec, source, number = COMMANDS[head["name"]], cell[line.start : line.end].rstrip(), _line_number(cell, line.start)
    try:
        arguments = _parse(head, cell[head.end() : line.end])
    except CommandError as error:
        refusal = type(error)(f"Line {number}: {error}")
        if isinstance(refusal, _UnclosedError):
            refusal.offset = line.start
        raise refusal from None
    if arguments is None:
        read.steps.append(Command("help", {"command": spec.name}, number, source))
        if head["prefix"] == "%%":
            read.rest, read.closed = "", True
    elif head["prefix"] == "%%":
        read.body = spec, arguments, line
    elif spec.local_code:
        code = textwrap.dedent(arguments[spec.positionals[0].name])
        begins = re.compile(r"[ \t]*\(\s*").match(cell, head.end())
        before = _line_number(cell, begins.end() if begins else line.start) - 1
        read.steps.append(LocalCode(_padded("\n" * before + code), number))
    else:
        read.steps.append(Command(spec.name, arguments, number, source))


def _parse(head: re.Match[str], rest: str) -> Arguments | None:
    """Return the arguments in *rest*, the text behind the command's name; None where it asks for help."""
    spec, written = COMMANDS[head["name"]], head["written"]
    if written not in spelled(spec):
        raise CommandError(f"Write {' or '.join(spelled(spec))}, not {written}.")
    if head["query"] or re.fullmatch(r"\s*\?{1,2}\s*", rest):
        return None
    if head["prefix"] == "$":
        parenthesis = re.match(r"[ \t]*\(", rest)
        if not parenthesis:
            raise CommandError(f"{written} takes parentheses: {usage(spec, written)}")
        closed = closing(rest, parenthesis.end() - 1)
        if closed is None:
            raise _UnclosedError(f"{written}(… is not closed. A quote or a parenthesis is missing.")
        behind = rest[closed:].strip().removeprefix(";").lstrip()
        if behind and not behind.startswith("#"):
            raise CommandError(f"{written}(…) stands alone on its line. Put what follows it on the next line.")
        return parse_call(spec, "$" + spec.name + rest[:closed])
    if rest and not rest[0].isspace():
        raise CommandError(f"Put a space behind {written}, and no parentheses: {usage(spec, written)}")
    rest = re.sub(r"\\(?:\r\n|\r|\n)", " ", rest)
    if not {"-h", "--help"}.isdisjoint(words_of(spec, rest, written)):
        return None
    return parse_magic(spec, rest, written)


def head_at(text: str, position: int) -> re.Match[str] | None:
    """Match one of our commands at *position*, in any spelling. ``%connect.x`` and ``%connect-x`` are other magics."""
    head = _HEAD.match(text, position)
    if head is None or head["name"] not in COMMANDS:
        return None
    return None if head["prefix"] != "$" and text[head.end() : head.end() + 1] in (".", "-") else head


def _mentions_commands(cell: str) -> bool:
    """Tell whether a cell must be read: one that mentions no command is passed on as it is."""
    names = "|".join(map(re.escape, COMMANDS))
    return re.search(rf"[$%](?:{names})\b|(?:^|[\r\n])\$\w+[ \t]*\(", cell) is not None


def _without(cell: str, taken: list[Line], first: Line | None) -> str:
    if first and cell.startswith("%%", first.start):
        return cell[first.start :]
    pieces, position = [], 0
    for line in taken:
        pieces += [cell[position : line.start], *NEWLINE.findall(cell, line.start, line.end)]
        position = line.end
    return _padded("".join(pieces) + cell[position:])


def _padded(code: str) -> str:
    """Keep the line numbers of code: IPython drops blank lines at the top, and counts from the first other one."""
    magic = re.match(r"(?:[ \t\f]*[\r\n])*(?=%%)", code)
    if magic:
        return code[magic.end() :]
    return "#" + code if re.match(r"[ \t\f]*[\r\n]", code) else code


def _line_number(text: str, position: int) -> int:
    return len(NEWLINE.findall(text, 0, position)) + 1


def is_local(cell: str) -> bool:
    """Tell whether a cell begins with ``%%local``: then completion and inspection belong to the local IPython."""
    return cell.lstrip().startswith("%%local")
