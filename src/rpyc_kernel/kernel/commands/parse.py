"""Reads the arguments of a command of ours: the words of a magic, or the literals of a call.

Nothing that was typed is evaluated: a call's arguments are read with `ast.literal_eval`.
"""

from __future__ import annotations

import ast
import re
import warnings

from rpyc_kernel.errors import CommandError
from rpyc_kernel.files.sizes import parse_size
from rpyc_kernel.kernel.commands.expressions import split_expressions
from rpyc_kernel.kernel.commands.spec import (
    Arguments,
    CommandSpec,
    Kind,
    Option,
    did_you_mean,
    positionals_of,
    shorten,
    usage,
)

MAX_DURATION_S = 10 * 365 * 86400.0
"""Longer than anybody means, and short enough for every timer that gets it."""

_WORD = re.compile(r"\s*(?P<word>(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def parse_magic(spec: CommandSpec, rest: str, shown: str | None = None) -> Arguments:
    """Read the words of a magic.

    Args:
        spec: The command.
        rest: What follows ``%name`` on its line or lines.
        shown: The name as it was typed, for sentences.

    Raises:
        CommandError: Something is written wrongly; the user reads its sentence.
    """
    shown = shown or "%" + spec.name
    options = {"--" + option.name: option for option in spec.options}
    options |= {"-" + option.short: option for option in spec.options if option.short}
    arguments = _defaults(spec)
    plain: list[str] = []
    words = words_of(spec, rest, shown)
    while words:
        word = words.pop(0)
        if word == "--":
            plain += words
            break
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None:
            raise CommandError(_no_such_option(shown, name, [each for each in options if each.startswith("--")]))
        if option.kind is Kind.FLAG:
            if equals:
                raise CommandError(f"{name} of {shown} takes no value: write {name} alone.")
            arguments[option.key] = True
            continue
        if not equals:
            if not words or words[0].startswith("--") or words[0] in options:
                raise CommandError(f"{name} of {shown} needs a value: {name} {option.metavar}.")
            value = words.pop(0)
        _store(arguments, option, value, f"{name} of {shown}")
    if (code := split_rest(spec, rest)[1]).strip():
        plain.append(code.strip())
    _fill_positionals(spec, plain, arguments, shown)
    return arguments


def parse_call(spec: CommandSpec, source: str) -> Arguments:
    """Read the literals of a call.

    Args:
        spec: The command.
        source: ``$name(…)``, from its ``$`` to its closing parenthesis.

    Raises:
        CommandError: Something is written wrongly; the user reads its sentence.
    """
    shown = f"${spec.name}"
    call = _parse_expression(source.removeprefix("$"))
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise CommandError(_not_literal(spec, source))
    options = {option.key: option for option in spec.options}
    arguments = _defaults(spec)
    plain = []
    for node in call.args:
        value = _literal(spec, source, node)
        if not isinstance(value, str):
            raise CommandError(_not_literal(spec, source))
        plain.append(value)
    for keyword in call.keywords:
        name = keyword.arg
        if name is None:  # **mapping
            raise CommandError(_not_literal(spec, source))
        value = _literal(spec, source, keyword.value)
        option = options.get(name)
        if option is not None:
            _store(arguments, option, value, f"{name}= of {shown}")
        elif not plain and spec.positionals and name == spec.positionals[0].name and isinstance(value, str):
            plain.append(value)
        else:
            raise CommandError(_no_such_option(shown, name + "=", [key + "=" for key in options]))
    _fill_positionals(spec, plain, arguments, shown)
    return arguments


def parse_duration(text: str) -> float:
    """Return ``2h``, ``30m``, ``45s``, ``1d`` or ``0`` in seconds. Raises CommandError for any other text."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([dhms])", text.strip().lower())
    if match:
        seconds = float(match[1]) * _UNITS[match[2]]
        if seconds <= MAX_DURATION_S:
            return seconds
        raise CommandError(f"{shorten(text)} is too long a time: ten years (3650d) is the most.")
    if re.fullmatch(r"0+", text.strip()):
        return 0.0
    raise CommandError(f"{shorten(text)!r} is no length of time: write a number and d, h, m or s, like 2h, or 0.")


def words_of(spec: CommandSpec, text: str, shown: str) -> list[str]:
    """Split what follows a magic's name in words, as its arguments are read. Raises CommandError for open quotes."""
    head, _code = split_rest(spec, text)
    python = any(positional.python and not positional.rest for positional in spec.positionals)
    return split_expressions(head, shown) if python else split_words(head, shown)


def split_rest(spec: CommandSpec, text: str) -> tuple[str, str]:
    """Split what follows a magic's name: its words, and the text that is taken as it stands, "" where none is."""
    if not (spec.positionals and spec.positionals[-1].rest):
        return text, ""
    valued = {"--" + option.name for option in spec.options if option.kind is not Kind.FLAG}
    valued |= {"-" + option.short for option in spec.options if option.short and option.kind is not Kind.FLAG}
    position = 0
    while (found := _WORD.match(text, position)) and found["word"].startswith("-") and found["word"] != "-":
        if found["word"] == "--":
            return text[:position], text[found.end() :]
        position = found.end()
        if found["word"] in valued and (value := _WORD.match(text, position)):
            position = value.end()
    return text[:position], text[position:]


def split_words(text: str, shown: str = "the command") -> list[str]:
    r"""Split a magic's line in words: quotes hold a word together, ``#`` behind a space starts a comment.

    `shlex` would take a backslash for an escape, as in ``C:\data``, and a ``#`` within a word for a comment.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    for char in text:
        if quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in "\"'":
            quote, word = char, word or ""
        elif char.isspace():
            if word is not None:
                words.append(word)
            word = None
        elif char == "#" and word is None:
            break
        else:
            word = (word or "") + char
    if quote:
        raise CommandError(f"{shown} has a {quote} that is not closed.")
    if word is not None:
        words.append(word)
    return words


def _defaults(spec: CommandSpec) -> Arguments:
    arguments: Arguments = {p.name: [] if p.many else None for p in spec.positionals}
    for option in spec.options:
        arguments[option.key] = {Kind.FLAG: False, Kind.PAIRS: {}, Kind.NAMES: []}.get(option.kind)
    return arguments


def _store(arguments: Arguments, option: Option, value: object, where: str) -> None:
    """Check *value*, a text of a magic or any literal of a call, and put it in its place."""
    if option.kind is Kind.FLAG:
        if not isinstance(value, bool):
            raise CommandError(f"{where} is either True or False.")
        arguments[option.key] = value
    elif option.kind is Kind.DURATION:
        arguments[option.key] = _duration(value, where)
    elif option.kind is Kind.PAIRS:
        arguments[option.key] = arguments[option.key] | _pairs(value, where)
    elif option.kind is Kind.NAMES:
        arguments[option.key] = arguments[option.key] + _names(value, where)
    elif option.kind is Kind.SIZE:
        arguments[option.key] = _size(_text(value, where), where)
    else:
        arguments[option.key] = _text(value, where)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise CommandError(f"{where} takes text that is not empty.")
    return value


def _pairs(value: object, where: str) -> dict[str, str]:
    if isinstance(value, str):
        name, equals, content = value.partition("=")
        pairs: object = {name: content} if equals else None
    else:
        pairs = value
    if not isinstance(pairs, dict):
        raise CommandError(f'{where} takes NAME=VALUE, or {{"NAME": "VALUE"}} in a call.')
    for name, content in pairs.items():
        if not isinstance(name, str) or not isinstance(content, str):
            raise CommandError(f'{where} takes names and values that are both text: {{"NAME": "VALUE"}}.')
        if not name or "=" in name or "\0" in name + content:
            raise CommandError(f"{where} takes NAME=VALUE, and {shorten(name)!r} is no name of a variable.")
    return dict(pairs)


def _names(value: object, where: str) -> list[str]:
    names = _text(value, where).split(",")
    if wrong := [name for name in names if not name.isidentifier()]:
        raise CommandError(f"{where} takes names of variables, a,b and so on, and {shorten(wrong[0])!r} is none.")
    return names


def _size(text: str, where: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise CommandError(f"{where} takes {error}, and not {shorten(text)!r}.") from None


def _duration(value: object, where: str) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except CommandError as error:
            raise CommandError(f"{where}: {error}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DURATION_S:
        raise CommandError(f'{where} takes a length of time, like "2h", or seconds.')
    return float(value)


def _fill_positionals(spec: CommandSpec, plain: list[str], arguments: Arguments, shown: str) -> None:
    left = list(plain)
    positionals = positionals_of(spec, shown)
    for positional in positionals:
        if positional.required and not left:
            raise CommandError(f"{shown} needs its {positional.name}: {usage(spec, shown)}")
        if positional.many:
            arguments[positional.name], left = left, []
        elif left:
            arguments[positional.name] = left.pop(0)
    if left:
        takes = " and ".join(positional.name for positional in positionals)
        one = f"only its {takes}" if takes else "no argument but options" if spec.options else "no argument"
        raise CommandError(f"{shown} takes {one}, so {shorten(left[0])!r} is too much: {usage(spec, shown)}")


def _parse_expression(source: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of "\d" in a user's text
            return ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _literal(spec: CommandSpec, source: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise CommandError(_not_literal(spec, source)) from None


def _not_literal(spec: CommandSpec, source: str) -> str:
    message = f"${spec.name}(…) takes literal text in quotes; nothing of it is evaluated, no names, no calls."
    inner = source.partition("(")[2].rpartition(")")[0].strip()
    if not spec.positionals:
        return message
    quotable = r'[^"\\\r\n]{1,60}' if spec.local_code else r"""[^"'\\\r\n,{}]{1,60}"""
    if not re.fullmatch(quotable, inner):
        return f"{message} For example: {spec.examples[0]}" if spec.examples else message
    return f'{message} Write ${spec.name}("{inner}") if that is the text you mean.'


def _no_such_option(shown: str, name: str, known: list[str]) -> str:
    if not known:
        return f"{shown} takes no options, so {shorten(name)} means nothing to it."
    return f"{shown} has no option {shorten(name)}.{did_you_mean(name, known)} It has: {', '.join(known)}."
