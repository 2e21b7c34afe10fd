"""How the commands of our own are described, with which a cell may begin, and the texts of their help.

A command is written as a magic, ``%connect pi --new``, or as the old kernel's call, ``$connect("pi", new=True)``.
`COMMANDS` has each once; parsing (`parse`), completion and help follow from its entry. `registry.command` adds one.

Where in a cell a command may stand is `route`'s affair. Whether an address makes sense is `transport.address`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple

from rpyc_kernel.errors import CommandError

Arguments = dict[str, Any]
"""The arguments of a command: each positional and option of its entry by name, with its default where not typed."""

Spelling = Literal["$", "%", "%%"]
Suggests = Literal["machine", "connected", "session", "file", "remote file", "either file", "value", "remote value"]


class Kind(Enum):
    """The type of an option's value."""

    FLAG = "flag"  # bool; False when absent
    TEXT = "text"  # str | None
    PAIRS = "pairs"  # dict[str, str], from --env K=V as often as one likes, or {"K": "V"}
    NAMES = "names"  # list[str], from --input a,b as often as one likes
    SIZE = "size"  # bytes as int | None, from 500MB or 2GiB
    DURATION = "duration"  # seconds as float | None, from 2h or "2h"; a number in a call is seconds


class Positional(NamedTuple):
    """An argument without a name, a text.

    Attributes:
        name: Its name for the handler, in capitals in the help.
        help: A few words for the help.
        required: Whether it must be there; without it the value is None.
        many: Whether it takes all that follow, as a list.
        suggests: What completion suggests for it: a machine's names and addresses, the names of the notebook's own
            machines, names of sessions, files of this machine, of the other one or of either, or what an expression
            here or there may be.
        suggests_more: The same for those that follow, where it takes many.
        python: Whether it is an expression, in which blanks within brackets and quotes count as Python has them.
        rest: Whether it is the rest of a magic's line as it stands, behind the options; it is the last one. With ``%%``
            the rest of the cell takes its place.
    """

    name: str
    help: str
    required: bool = True
    many: bool = False
    suggests: Suggests | None = None
    python: bool = False
    suggests_more: Suggests | None = None
    rest: bool = False


class Option(NamedTuple):
    """An option: ``--name`` in a magic, ``name=`` in a call, where dashes become underscores.

    Attributes:
        name: Its name, with dashes.
        kind: The type of its value.
        help: A few words for the help.
        metavar: The value's name in the help, "" for a flag.
        suggests: What completion suggests for its value.
        short: A letter for a magic, as in ``-i``, or "".
    """

    name: str
    kind: Kind
    help: str
    metavar: str = ""
    suggests: Suggests | None = None
    short: str = ""

    @property
    def key(self) -> str:
        """The option's name in a call and for the handler."""
        return self.name.replace("-", "_")


class CommandSpec(NamedTuple):
    """One command.

    A ``%%`` spelling takes the rest of its cell; unless it is `local_code` the text is in `Arguments` as ``"code"``.

    Attributes:
        local_code: What the command holds is code for the local IPython, and becomes a `route.LocalCode` step.
        handler: What does it, called with a `CommandContext` and its `Arguments`; None only for `local_code`.
    """

    name: str
    spellings: tuple[Spelling, ...]
    summary: str
    positionals: tuple[Positional, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    local_code: bool = False
    handler: Callable[..., Awaitable[object]] | None = None


COMMANDS: dict[str, CommandSpec] = {}
"""All commands by their names, in the order in which they were registered."""


# ---- what a user reads


def spelled(spec: CommandSpec) -> list[str]:
    """Return a command's name in each of its spellings: ``["$connect", "%connect"]``."""
    return [prefix + spec.name for prefix in spec.spellings]


def positionals_of(spec: CommandSpec, shown: str) -> tuple[Positional, ...]:
    """Return the positionals that stand on the command's line. *shown*: its name with the prefix of the spelling."""
    return tuple(each for each in spec.positionals if not (each.rest and shown.startswith("%%")))


def usage(spec: CommandSpec, shown: str) -> str:
    """Return how a command is written, on one line. *shown*: its name with the prefix of the spelling."""
    if shown.startswith("$"):
        parts = [f'"{p.name.upper()}"' if p.required else f'["{p.name.upper()}"]' for p in spec.positionals]
        parts += [f"{option.key}={_CALL_VALUES[option.kind].format(option.metavar)}" for option in spec.options]
        return f"{shown}({', '.join(parts)})"
    words, rest = [shown], list[str]()
    for positional in positionals_of(spec, shown):
        word = positional.name.upper() + ("…" if positional.many else "")
        (rest if positional.rest else words).append(word if positional.required else f"[{word}]")
    for option in spec.options:
        word = f"--{option.name} {option.metavar}".rstrip()
        words.append(f"[{word}]" + ("…" if option.kind in (Kind.PAIRS, Kind.NAMES) else ""))
    return " ".join([*words, *rest])


_CALL_VALUES: Mapping[Kind, str] = {
    Kind.FLAG: "True",
    Kind.TEXT: '"{}"',
    Kind.PAIRS: '{{"K": "V"}}',
    Kind.DURATION: '"{}"',
    Kind.NAMES: '"{}"',
    Kind.SIZE: '"{}"',
}


def command_help(name: str) -> str:
    """Return the text that ``%name?`` shows. Raises CommandError for a name that is no command of ours."""
    spec = COMMANDS.get(name.lstrip("$%"))
    if spec is None:
        raise CommandError(unknown_command(name))
    lines = [usage(spec, shown) for shown in spelled(spec)]
    lines += ["", spec.summary]
    table = [(p.name.upper(), p.help) for p in spec.positionals]
    table += [
        (f"{f'-{option.short}, ' * bool(option.short)}--{option.name} {option.metavar}".rstrip(), option.help)
        for option in spec.options
    ]
    if table:
        width = max(len(left) for left, _ in table)
        lines += ["", *(f"  {left:<{width}}  {right}" for left, right in table)]
    if spec.examples:
        lines += ["", "For example:", *(f"  {example}" for example in spec.examples)]
    return "\n".join(lines)


def unknown_command(shown: str) -> str:
    """Return the sentence for ``$shown(…)`` that is no command."""
    known = [name for spec in COMMANDS.values() for name in spelled(spec)]
    return f"There is no command {shorten(shown)}.{did_you_mean(shown, known)} There are: {', '.join(known)}."


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the question that names the known name most like *name*, with a blank before; "" where none is alike."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes alone

    near = get_close_matches(name, known, 1)
    return f" Did you mean {near[0]}?" if near else ""


def shorten(text: str) -> str:
    """Cut a text that a sentence quotes."""
    return text if len(text) <= 60 else text[:57] + "…"
