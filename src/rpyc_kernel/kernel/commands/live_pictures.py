"""``%watch`` and ``%stream``: what moves on the machine where cells run, in the cell, until stop is pressed."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.parse import parse_duration
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional, shorten

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext

EVERY_S = 0.1
MAX_LABEL_CHARS = 30
_NAMED = re.compile(r"([^\W\d]\w*)=(?!=)(.+)", re.DOTALL)
_BUILTIN = "__import__('builtins')."  # whatever variables the user has of these names


@command(
    "watch",
    "Shows expressions of the machine where cells run as a moving plot, until stop is pressed.",
    Positional("expressions", "what gives a number there, or NAME=EXPRESSION", many=True, python=True),
    Option("every", Kind.TEXT, "seconds between two looks; without it 0.1", "SECONDS"),
    Option("during", Kind.TEXT, "end by itself after that time, as 30 or 5m", "TIME"),
    examples=("%watch temperature()", "%watch x=imu.x y=imu.y --every 0.05", "%watch voltage / 2 --during 1m"),
)
async def watch(
    context: CommandContext, expressions: list[str], *, every: str | None, during: str | None
) -> dict[str, Any]:
    """Plot what expressions give there."""
    lines = ", ".join(f"{label[:MAX_LABEL_CHARS]!r}: ({text})" for label, text in _labelled(expressions))
    interval = EVERY_S if every is None else _seconds(every, "--every")
    ends = None if during is None else _seconds(during, "--during")
    call = f"{_BUILTIN}plot_live(lambda: {{{lines}}}, every={interval!r}, during={ends!r})"
    return await context.run_there(call)


@command(
    "stream",
    "Shows what a server on the machine where cells run, or one that it reaches, gives out as MJPEG, until stop is "
    "pressed.",
    Positional("address", "as that machine writes it: http://127.0.0.1:8080/"),
    Option("fps", Kind.TEXT, "pictures a second, at most; without it 30", "NUMBER"),
    Option("save", Kind.TEXT, "a video of it there, as clip.mp4", "FILE"),
    examples=("%stream http://127.0.0.1:8080/", "%stream http://192.168.4.1:81/stream --fps 10"),
)
async def stream(context: CommandContext, address: str, *, fps: str | None, save: str | None) -> dict[str, Any]:
    """Show the pictures of an address there."""
    if not address.startswith(("http://", "https://")):
        raise CommandError(f"%stream takes an http address, not {shorten(address)}.")
    options = "" if fps is None else f", fps={_seconds(fps, '--fps')!r}"
    options += "" if save is None else f", save={save!r}"
    return await context.run_there(f"{_BUILTIN}show.stream({address!r}{options})")


def _labelled(words: list[str]) -> list[tuple[str, str]]:
    """Return expressions with their labels: all words as one, where that is one, else each."""
    if len(words) > 1 and _is_expression(" ".join(words)):
        words = [" ".join(words)]
    found = []
    for word in words:
        match = _NAMED.fullmatch(word)
        label, expression = (match[1], match[2]) if match else (word, word)
        if not _is_expression(expression):
            raise CommandError(f"%watch takes expressions, and {shorten(expression)} is none.")
        found.append((label, expression.strip()))
    return found


def _is_expression(text: str) -> bool:
    try:
        ast.parse(f"({text}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _seconds(text: str, option: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = parse_duration(text)
    if not 0 < found < float("inf"):
        raise CommandError(f"{option} takes a number above 0, not {shorten(text)}.")
    return found
