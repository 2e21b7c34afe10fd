"""Make a page of the tables: docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_HEAD = """\
# Benchmarks

`make bench` prints this page's tables for the machine that it runs on; `make bench ARGS=--write` puts them here.

The kernels are measured in one run and in turns, {rounds} rounds with the order reversed each time, so that whatever
else the machine does hits all of them. A figure is the median of all rounds, a ratio the median of the ratios of each
round, against the local ipykernel. Times are those of a front end: from the request to both its reply and *idle*,
output complete. The servers are stock RPyC servers (`ThreadedServer(SlaveService)`) in processes of their own.
"""
_LOOPBACK = """\
## On loopback

*IPython there*: the server's Python has the same IPython as the local kernel. *None there*: it has RPyC and nothing
else, so the built-in shell runs. The start is until the reply to the kernel's first cell, which connects to the
server and runs `1+1` there. A round trip of `remote` is compared with one of a stock classic connection to the same
server, measured in turns. Memory is that of keeper and worker after `1+1`, each page divided by those who share it
(`Pss_Anon`), without IPython and with no asyncio in use; a single figure each, of one session.
"""
_VALUES = """\
## Values

Copies of values ([values.md](values.md)) between a script here and a session on a stock server, on loopback, from the
call to the value: found, packed, sent, received, unpacked. A rate's ratio is to that of a bare socket, from another
process into memory.
"""
_FILES = """\
## Files

Files ([files.md](files.md)) between this machine and a session on a stock server, on loopback, on one disk; the time is
from the call until all are in their places, with modes and times. A folder is synced when the one there is the same.
"""
_SEVERAL = """\
## Several machines

One notebook with several sessions ([several.md](several.md)) on one stock server, on loopback. Memory is the kernel's.
"""
_PICTURES = """\
## Pictures

`show(frame, fps=60)` in a loop with a camera of 60 pictures of 640 by 480 a second ([show.md](show.md)), from a session
on a stock server into JupyterLab in Chromium, all on this machine and without a graphics processor. Each picture says
when it was taken, and the page reads that from what it paints. *OpenCV*, *PIL*: what encodes there; *neither*: the
standard library makes PNG.
"""
_LINK = """\
## On a link of 50 ms each way

A TCP proxy holds back every byte for 50 ms in each direction and limits nothing else. Establishing a connection
takes a round trip of its own, as on a real link. The first `%connect` is a single figure. The row of 10,000 lines is
not judged by a number: what goes beyond the round trip is the time that printing them takes.
"""
_PLACING = """\
## Placing by Dask

A session on a worker of a Dask cluster on this machine ([growing.md](growing.md)), beside one by `local:`. A Python is
started for either; from the address to the reply of `1+1`.
"""


def report(tables: dict[str, str], about: str, notes: dict[str, list[str]], rounds: int) -> str:
    """Make the page.

    Args:
        tables: Markdown by part: ``loopback``, ``values``, ``files``, ``several``, ``pictures``,
            ``link`` and ``placing``.
        about: The paragraph about the machine.
        notes: What to say below a table, by part.
        rounds: How often each contender was measured.
    """
    parts = [_HEAD.format(rounds=rounds)]
    for name, head in (
        ("loopback", _LOOPBACK),
        ("values", _VALUES),
        ("files", _FILES),
        ("several", _SEVERAL),
        ("pictures", _PICTURES),
        ("link", _LINK),
        ("placing", _PLACING),
    ):
        if name in tables:
            parts.append(f"{head}\n{tables[name]}\n")
            parts += ["\n".join(f"- {note}" for note in notes[name]) + "\n"] if notes.get(name) else []
    parts.append(f"## The machine\n\n{about}\n")
    return "\n".join(parts)


def write(text: str) -> None:
    """Write the page into the documents."""
    PAGE.write_text(text, encoding="utf-8")
