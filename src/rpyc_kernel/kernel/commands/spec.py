"""The commands of our own that a cell may begin with: one table, both spellings.

A command is written as a magic, ``%connect pi --new``, or as the old kernel's call, ``$connect("pi", new=True)``.
`COMMANDS` describes each once; parsing (`parse`), completion and help text follow from the entry, so that a new
command is one new entry, and one in `registry` for what it does.

Where in a cell a command may stand is `route`'s affair. Whether an address makes sense is `transport.address`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple

from ...errors import CommandError

Arguments = dict[str, Any]
"""What a command was given: every positional and option of its entry by name, with its default where not typed."""

Spelling = Literal["$", "%", "%%"]


class Kind(Enum):
    """What an option takes, and hence the type of its value in `Arguments`."""

    FLAG = "flag"  # bool; False when absent
    TEXT = "text"  # str | None
    PAIRS = "pairs"  # dict[str, str], from --env K=V as often as one likes, or {"K": "V"}
    DURATION = "duration"  # seconds as float | None, from 2h or "2h"; a number in a call is seconds


class Positional(NamedTuple):
    """An argument without a name: `str`, or with `many` a `list[str]`."""

    name: str
    help: str
    required: bool = True
    many: bool = False


class Option(NamedTuple):
    """`--name` in a magic, `name=` in a call; dashes of the one are underscores of the other and in `Arguments`."""

    name: str
    kind: Kind
    help: str
    metavar: str = ""

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


class CommandSpec(NamedTuple):
    """One command. `local_code`: what it holds is code for the local IPython, and becomes a `routing.Local` step.

    A ``%%`` spelling takes the rest of its cell; unless it is `local_code` the text is in `Arguments` as ``"code"``.
    """

    name: str
    spellings: tuple[Spelling, ...]
    summary: str
    positionals: tuple[Positional, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    local_code: bool = False


COMMANDS: dict[str, CommandSpec] = {
    spec.name: spec
    for spec in (
        CommandSpec(
            "connect",
            ("$", "%"),
            "Runs the lines below it, and the cells after, on another machine's Python. To where the notebook already "
            "is, it keeps the session.",
            (
                Positional(
                    "address",
                    "host, host:port, rpyc:// or unix:// address, local:, or service:NAME",
                ),
            ),
            (
                Option("new", Kind.FLAG, "begin a fresh session, even where this notebook has one"),
                Option("cwd", Kind.TEXT, "the folder there that cells start in", "DIR"),
                Option("env", Kind.PAIRS, "set an environment variable there; may be given again", "K=V"),
                Option("python", Kind.TEXT, "the Python there that runs the cells", "PATH"),
                Option("keep", Kind.DURATION, "how long the session outlives the connection: 30m, 2h, 1d, 0", "TIME"),
                Option("name", Kind.TEXT, "what %sessions calls the session; without it, the notebook's name", "NAME"),
                Option("registry", Kind.TEXT, "for service:NAME: the registry to ask, host or host:port", "HOST"),
            ),
            ('$connect("192.168.43.44")', "%connect pi:18812 --cwd /srv/data --env LANG=C.UTF-8 --keep 2h"),
        ),
        CommandSpec(
            "exec",
            ("$",),
            "Runs code here, in the local IPython, which sees none of the other machine's variables.",
            (Positional("code", "the code, in quotes; three quotes on each side let it span lines"),),
            examples=('$exec("import os; print(os.getcwd())")',),
            local_code=True,
        ),
        CommandSpec(
            "local",
            ("%%",),
            "Runs the whole cell here, in the local IPython, which sees none of the other machine's variables.",
            examples=("%%local",),
            local_code=True,
        ),
        CommandSpec(
            "disconnect",
            ("%", "$"),
            "Leaves the machine. The session there goes on for as long as it is kept.",
            options=(Option("end", Kind.FLAG, "end the session there too, with its variables"),),
            examples=("%disconnect --end",),
        ),
        CommandSpec(
            "discover",
            ("%", "$"),
            "Lists the servers that an RPyC registry knows: those of one service, or of all where it tells.",
            (Positional("name", "the service, in any case, like SLAVE; without it, all of them", required=False),),
            (Option("registry", Kind.TEXT, "the registry to ask; without it, this network and this machine", "HOST"),),
            examples=("%discover SLAVE", "%discover --registry pi"),
        ),
        CommandSpec("hosts", ("%", "$"), "Lists the machines that this notebook knows.", examples=("%hosts",)),
        CommandSpec(
            "sessions",
            ("%", "$"),
            "Lists the sessions that run on a machine, or ends one.",
            (Positional("address", "which machine; without it, the one where cells run", required=False),),
            (Option("end", Kind.TEXT, "end that session: its name, its id or the beginning of it", "NAME"),),
            examples=("%sessions", "%sessions pi --end walk"),
        ),
        CommandSpec(
            "attach",
            ("%", "$"),
            "Takes over a session that runs on a machine, and shows what it gave out meanwhile.",
            (
                Positional("name", "the session's name, its id or the beginning of it"),
                Positional("address", "which machine; without it, the one where cells run", required=False),
            ),
            examples=("%attach walk", "%attach walk pi"),
        ),
        CommandSpec(
            "replay",
            ("%", "$"),
            "Shows again what the last cell gave out, or the cell with that number.",
            (Positional("cell", "the number of the cell", required=False),),
            examples=("%replay", "%replay 7"),
        ),
        CommandSpec(
            "ping",
            ("%", "$"),
            "Tells the round trip to the machine, its load, and the age of the session.",
            examples=("%ping",),
        ),
        CommandSpec(
            "restart",
            ("%", "$"),
            "Ends the Python on the other machine, whatever it does, and starts a fresh one. Beside a cell too.",
            examples=("%restart",),
        ),
    )
}


# ---- what a user reads


def spelled(spec: CommandSpec) -> list[str]:
    """Its name in every spelling that it has: ``["$connect", "%connect"]``."""
    return [prefix + spec.name for prefix in spec.spellings]


def usage(spec: CommandSpec, shown: str) -> str:
    """How to write it, on one line: `shown` is its name with the prefix of the spelling."""
    if shown.startswith("$"):
        parts = [f'"{p.name.upper()}"' if p.required else f'["{p.name.upper()}"]' for p in spec.positionals]
        parts += [f"{option.key}={_CALL_VALUES[option.kind].format(option.metavar)}" for option in spec.options]
        return f"{shown}({', '.join(parts)})"
    words = [shown]
    for positional in spec.positionals:
        word = positional.name.upper() + ("…" if positional.many else "")
        words.append(word if positional.required else f"[{word}]")
    for option in spec.options:
        word = f"--{option.name} {option.metavar}".rstrip()
        words.append(f"[{word}]" + ("…" if option.kind is Kind.PAIRS else ""))
    return " ".join(words)


_CALL_VALUES: Mapping[Kind, str] = {
    Kind.FLAG: "True",
    Kind.TEXT: '"{}"',
    Kind.PAIRS: '{{"K": "V"}}',
    Kind.DURATION: '"{}"',
}


def command_help(name: str) -> str:
    """What ``%name?`` shows. Raises `CommandError` for a name that is no command of ours."""
    spec = COMMANDS.get(name.lstrip("$%"))
    if spec is None:
        raise CommandError(unknown_command(name))
    lines = [usage(spec, shown) for shown in spelled(spec)]
    lines += ["", spec.summary]
    table = [(p.name.upper(), p.help) for p in spec.positionals]
    table += [(f"--{option.name} {option.metavar}".rstrip(), option.help) for option in spec.options]
    if table:
        width = max(len(left) for left, _ in table)
        lines += ["", *(f"  {left:<{width}}  {right}" for left, right in table)]
    if spec.examples:
        lines += ["", "For example:", *(f"  {example}" for example in spec.examples)]
    return "\n".join(lines)


def unknown_command(shown: str) -> str:
    """The sentence for ``$shown(…)`` that is no command."""
    known = [name for spec in COMMANDS.values() for name in spelled(spec)]
    return f"There is no command {shorten(shown)}.{did_you_mean(shown, known)} There are: {', '.join(known)}."


def did_you_mean(name: str, known: list[str]) -> str:
    """The question that names what is most like it, with a blank before; "" where nothing is."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes alone

    near = get_close_matches(name, known, 1)
    return f" Did you mean {near[0]}?" if near else ""


def shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
