"""Completes commands: their names, their options, and which argument is being typed. Text in, places out. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.parse import split_rest, split_words
from rpyc_kernel.kernel.commands.route import head_at
from rpyc_kernel.kernel.commands.scan import NOT_CODE, Line, logical_lines, tokens
from rpyc_kernel.kernel.commands.spec import COMMANDS, CommandSpec, Kind, Positional, Suggests, positionals_of, spelled


class Completion(NamedTuple):
    """Each of the matches replaces ``text[start:end]``; the kernel adds the other machine's (``%config`` …)."""

    matches: list[str]
    start: int
    end: int


class Argument(NamedTuple):
    """An argument that is being typed.

    Attributes:
        suggests: What may stand there.
        typed: Its beginning, before the cursor.
        start: Where it begins in the cell.
        quoted: Whether it stands in quotes already.
    """

    suggests: Suggests
    typed: str
    start: int
    quoted: bool


def complete_command(text: str, cursor: int) -> Completion | None:
    """Complete the name of a command at the beginning of a line, or an option; None where no command can stand."""
    start = _line_of_command(text[:cursor])
    if start is None:
        return None
    text_before, typed = text[:cursor], text[start:cursor]
    if re.fullmatch(r"(?:\$|%%?)\w*", typed):
        matches = [
            name + ("" if name[0] != "$" or text[cursor : cursor + 1] == "(" else "(" if spec.positionals else "()")
            for spec in COMMANDS.values()
            for name in spelled(spec)
            if name.startswith(typed)
        ]
        return Completion(matches, start, cursor) if matches else None
    if (found := _command(text_before, start)) is None:
        return None
    head, spec, rest = found
    if head["prefix"] == "$":
        word, options = _word_in_call(rest), [option.key + "=" for option in spec.options]
    else:
        word, options = _word_in_magic(spec, rest), ["--" + option.name for option in spec.options] + ["--help"]
    if word is None:
        return None
    matches = [option for option in options if option.startswith(word)]
    return Completion(matches, cursor - len(word), cursor) if matches else None


def argument_at(text: str, cursor: int) -> Argument | None:
    """Return the argument that ends at the cursor; None where none does for which something is suggested."""
    text_before = text[:cursor]
    start = _line_of_command(text_before)
    if start is None or (found := _command(text_before, start)) is None:
        return None
    head, spec, rest = found
    if head["prefix"] == "$":
        typed = re.fullmatch(r"[ \t]*\(\s*(?:(?P<name>\w+)\s*=\s*)?[\"'](?P<typed>[^\"'\\\r\n]*)", rest)
        typed = typed or re.search(r",\s*(?P<name>\w+)\s*=\s*[\"'](?P<typed>[^\"'\\\r\n]*)$", rest)
        if typed is None:
            return None
        name = typed["name"]
        named = {each.name: each.suggests for each in spec.positionals} | {
            each.key: each.suggests for each in spec.options
        }
        wanted = named.get(name) if name else next((each.suggests for each in spec.positionals), None)
        return Argument(wanted, typed["typed"], cursor - len(typed["typed"]), quoted=True) if wanted else None
    suggests, word = _argument_of_magic(spec, positionals_of(spec, head["written"]), rest)
    return Argument(suggests, word, cursor - len(word), quoted=False) if suggests else None


def _argument_of_magic(
    spec: CommandSpec, positionals: tuple[Positional, ...], rest: str
) -> tuple[Suggests | None, str]:
    """Return what may stand at the end of *rest*, and its beginning."""
    rest = re.sub(r"\\(?:\r\n|\r|\n)", " ", rest)
    words = re.split(r"\s+", rest)
    word = words[-1]
    if len(words) < 2 or any(each.startswith("#") for each in words) or word[:1] in ("-", '"', "'"):
        return None, ""
    try:
        before = split_words(rest[: len(rest) - len(word)])
    except CommandError:  # within quotes
        return None, ""
    valued = {"--" + option.name: option for option in spec.options if option.kind is not Kind.FLAG}
    count, value_follows = 0, False
    for each in before:
        count += not (value_follows or each.startswith("-"))
        value_follows = not value_follows and each in valued
    if value_follows:
        return valued[before[-1]].suggests, word
    if count >= len(positionals) and not (positionals and (positionals[-1].many or positionals[-1].rest)):
        return None, ""
    positional = positionals[min(count, len(positionals) - 1)]
    if positional.python:
        word = re.sub(r"^[^\W\d]\w*=(?!=)", "", word)  # the expression of NAME=EXPRESSION
    return (positional.suggests_more if count else None) or positional.suggests, word


def _line_of_command(text: str) -> int | None:
    """Return where the last line of *text* begins, if a command can stand there."""
    line = Line(0, 0, 0)
    for line in logical_lines(text):
        if line.end == len(text):
            break
        head = head_at(text, line.content)
        if text[line.content : line.content + 1] not in NOT_CODE and (head is None or head["prefix"] == "%%"):
            return None
    return None if line.content > line.start or line.end < len(text) else line.start


def _command(text: str, start: int) -> tuple[re.Match[str], CommandSpec, str] | None:
    """Return the command that stands at *start*: how it is written, its description, and what follows its name."""
    head = head_at(text, start)
    if head is None or head["query"] or head["written"] not in spelled(COMMANDS[head["name"]]):
        return None
    return head, COMMANDS[head["name"]], text[head.end() :]


def _word_in_magic(spec: CommandSpec, rest: str) -> str | None:
    if split_rest(spec, rest)[1].strip():  # within code
        return None
    try:
        words = split_words(rest)
    except CommandError:  # within quotes
        return None
    return words[-1] if words and rest.endswith(words[-1]) and words[-1].startswith("-") else None


def _word_in_call(rest: str) -> str | None:
    depth, last, end = 0, "", 0
    for kind, _, token_end in tokens(rest, 0):
        last, end = kind, token_end
        depth += (kind == "open") - (kind == "close")
        if not depth:
            return None
    word = re.search(r"[(,]\s*(\w*)$", rest)
    return word[1] if word and depth == 1 and not (last in ("unclosed", "comment") and end == len(rest)) else None
