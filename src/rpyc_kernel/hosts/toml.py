"""The text of the file of saved machines: read into values, and changed so that the user's comments stay.

A machine is a table: ``[pi]`` with ``address``, and if need be ``python``, ``cwd`` and ``env``.
"""

from __future__ import annotations

import re
from typing import Any

from rpyc_kernel.errors import ArgumentError
from rpyc_kernel.hosts.saved import SavedHost, check_value, checked_name

HEAD = "# Machines that rpyc-kernel knows by a name. `rpyc-kernel hosts` changes this file, and so may you.\n"
MAX_HOSTS = 500
_KEYS = {"address": str, "python": str, "cwd": str, "env": dict}


class TextError(ValueError):
    """Raised for a text that is not such a file. Its text says where and why, and completes "PATH, "."""


def read(text: str) -> dict[str, SavedHost]:
    """Return the machines in *text* by their names, in its order. Raises TextError."""
    import tomllib  # noqa: PLC0415 - who has saved no machine needs none

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = str(error)
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", told)
        number = (place and place[1]) or text.count("\n") + 1
        reason = told[: place.start()] if place else told
        raise TextError(f"line {number}: {reason[:1].lower()}{reason[1:]}") from None
    except RecursionError:
        raise TextError("line 1: it is nested too deeply") from None
    if len(tables) > MAX_HOSTS:
        raise TextError(f"line 1: it has {len(tables)} machines, and {MAX_HOSTS} are the most")
    hosts: dict[str, SavedHost] = {}
    for key, table in tables.items():
        try:
            host = _host(key, table)
            if host.name in hosts:
                raise ArgumentError(f"{host.name} stands there twice, in upper and lower case.")
        except ArgumentError as error:
            sentence = str(error)
            raise TextError(f"line {_line(text, key)}: {sentence.removesuffix('.')}") from None
        hosts[host.name] = host
    return hosts


def _host(key: str, table: object) -> SavedHost:
    name = checked_name(key)
    if not isinstance(table, dict):
        raise ArgumentError(f'{name} is no table: write [{name}] and below it address = "…".')
    if strange := [option for option in table if option not in _KEYS]:
        raise ArgumentError(f"{name} has {strange[0]!r}, which means nothing here; there are: {', '.join(_KEYS)}.")
    for option, value in table.items():
        if not isinstance(value, _KEYS[option]):
            wanted = "a table of texts" if option == "env" else "a text in quotes"
            raise ArgumentError(f"{option} of {name} must be {wanted}.")
        for text in value.items() if isinstance(value, dict) else [("", value)]:
            if not all(isinstance(each, str) for each in text):
                raise ArgumentError(f"{option} of {name} must be a table of texts.")
            check_value(f"{option} of {name}", "".join(text))
    if not table.get("address"):
        raise ArgumentError(f'{name} has no address: write address = "…" below [{name}].')
    return SavedHost(name, **table)


def _line(text: str, key: str) -> int:
    """Return the number of the line that begins what *key* is, as well as a search for it can tell."""
    quoted = f"[\"']?{re.escape(key)}[\"']?"
    found = re.search(rf"^[ \t]*\[?[ \t]*{quoted}[ \t]*[\].=]", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def put(text: str, host: SavedHost) -> str:
    """Return *text* with *host* in it, in place of one of that name. The *text* must be one that `read` takes."""
    import tomlkit  # noqa: PLC0415 - who only reads the file needs none of it

    document = tomlkit.parse(text or HEAD)
    key = _key(document, host.name)
    table: Any
    if key is None:
        if document.as_string().strip():
            document.add(tomlkit.nl())
        table = tomlkit.table()
        document.add(host.name, table)
    else:
        table = document[key]
    for option, value in [("address", host.address), *host.options.items()]:
        if table.get(option) != value:
            table[option] = _inline(value) if isinstance(value, dict) else value
    for option in [option for option in table if option != "address" and option not in host.options]:
        del table[option]
    return document.as_string()


def _inline(pairs: dict[str, str]) -> Any:
    import tomlkit  # noqa: PLC0415

    table = tomlkit.inline_table()
    table.update(pairs)
    return table


def drop(text: str, name: str) -> str:
    """Return *text* without the machine of that *name*. The *text* must be one that `read` takes."""
    import tomlkit  # noqa: PLC0415

    document = tomlkit.parse(text)
    if (key := _key(document, name)) is not None:
        del document[key]
    return document.as_string()


def _key(document: Any, name: str) -> str | None:
    """Return how *name*, which is in lower case, is written there."""
    return next((str(key) for key in document if checked_name(str(key)) == name), None)
