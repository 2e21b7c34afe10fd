"""``rpyc-kernel hosts``: machines under names of one's own: saves them, asks how they are, and makes tiles of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError, say
from rpyc_kernel.errors import DialError
from rpyc_kernel.hosts import ask, file
from rpyc_kernel.hosts.saved import SavedHost, check_value, checked_name, unknown, variables
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.plain import aligned
from rpyc_kernel.transport.sockets import resolve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

LOOK_UP_TIMEOUT_S = 2.0  # for a host that a name hides

DESCRIPTION = """\
Saves machines under names of your own, which %connect, $connect, rpyc_kernel.connect and the commands here then take
in place of an address. They are in one file, which you may edit too: `hosts list --offline` names it."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command, its own commands and their options to the command line."""
    parser = commands.add_parser(
        "hosts", help="save machines under names, and ask how they are", description=DESCRIPTION, allow_abbrev=False
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    add = inner.add_parser("add", help="save a machine under a name", allow_abbrev=False)
    add.add_argument("name", metavar="NAME", help="the name: letters, digits, '-' and '_'")
    add.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect")
    add.add_argument("--python", metavar="PATH", default="", help="the Python there that runs the cells")
    add.add_argument("--cwd", metavar="DIR", default="", help="the folder there that cells start in")
    add.add_argument("--env", metavar="K=V", action="append", default=[], help="a variable there; may be given again")
    machine.declare_files(add)
    add.add_argument("--replace", action="store_true", help="in place of a machine of that name")
    add.add_argument("--tile", action="store_true", help='show it in Jupyter\'s launcher too, as "Python @ NAME"')
    add.set_defaults(run=_add)

    show = inner.add_parser("list", help="show the saved machines, and how they are", allow_abbrev=False)
    show.add_argument("--offline", action="store_true", help="ask no machine: show what is saved, and where")
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(run=_list)

    test = inner.add_parser("test", help="ask machines how they are; exit code 1 if one can't be used")
    test.add_argument("names", metavar="NAME", nargs="*", help="which; without one, all")
    test.add_argument("--json", action="store_true", help="for programs")
    test.set_defaults(run=_test)

    remove = inner.add_parser("remove", help="forget machines, and take their tiles away", allow_abbrev=False)
    remove.add_argument("names", metavar="NAME", nargs="+")
    remove.set_defaults(run=_remove)

    tile = inner.add_parser("tile", help='show a machine in Jupyter\'s launcher, as "Python @ NAME"')
    tile.add_argument("name", metavar="NAME")
    tile.add_argument("--display-name", metavar="S", help="what the launcher shows instead")
    tile.add_argument("--remove", action="store_true", help="take the tile away; the machine stays saved")
    tile.set_defaults(run=_tile)


def _add(options: argparse.Namespace) -> None:
    name = checked_name(options.name)
    address = machine.certified(options.address, options) or Address.parse(options.address)
    python, cwd = check_value("--python", options.python), check_value("--cwd", options.cwd)
    if address.transport.takes_python:
        python = _unexpanded(python)
    host = SavedHost(name, str(address), python, cwd, variables(options.env))
    _where, left = host.where  # where its Python is none, that is said now
    for option in left:
        if sentence := address.transport.inapplicable.get(option):
            raise RefusalError(sentence)
    file.add(host, replace=options.replace)
    say(f"Saved {name}: {address}. In a notebook, %connect {name} goes there.")
    if _is_host_too(host):
        say(f"There is a host named {name} too, which {name} alone doesn't mean any more: write {name}:18812 for it.")
    if options.tile:
        _make_tile(name, None)


def _unexpanded(path: str) -> str:
    """Put the ``~`` back that the shell has replaced, where the path leads to nothing here: the one there was meant."""
    home = str(Path.home())
    meant = path.startswith(home + os.sep) and not Path(path).exists()
    return f"~{path.removeprefix(home)}" if meant else path


def _is_host_too(host: SavedHost) -> bool:
    """Return whether the name of *host* is that of another machine, as far as name servers tell in time."""
    if not host.name.isascii() or host.where[0].host == host.name:
        return False
    try:
        return bool(resolve(Address.parse(host.name), Deadline(LOOK_UP_TIMEOUT_S)))
    except DialError:
        return False


def _list(options: argparse.Namespace) -> None:
    hosts = [*file.load().values()]
    if not options.offline:
        _show(ask.ask(hosts), as_json=options.json)
        return
    # The values of variables stay where they are: some are secrets, and a terminal has a history.
    rows = [(host.name, host.address, host.python, host.cwd, " ".join(host.env)) for host in hosts]
    titles = ("name", "address", "python", "cwd", "env")
    if options.json:
        say(json.dumps([dict(zip(titles, row, strict=True)) for row in rows], indent=2, ensure_ascii=False))
        return
    say(aligned([titles, *rows]) if rows else ask.NOTHING_SAVED)
    say(f"In {file.path()}")


def _test(options: argparse.Namespace) -> None:
    hosts = file.load()
    names = [checked_name(name) for name in options.names] or [*hosts]
    for name in names:
        if name not in hosts:
            raise unknown(name, hosts)
    states = ask.ask(hosts[name] for name in dict.fromkeys(names))
    _show(states, as_json=options.json)
    if down := [state.name for state in states if not state.reachable]:
        raise RefusalError(f"Not usable: {', '.join(down)}.", 1)


def _show(states: Sequence[ask.HostState], *, as_json: bool) -> None:
    if as_json:
        entries = [state.described() for state in states]
        say(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        say(ask.table(states))


def _remove(options: argparse.Namespace) -> None:
    hosts = file.load()
    names = [*dict.fromkeys(map(checked_name, options.names))]
    for name in names:  # all or none
        if name not in hosts:
            raise unknown(name, hosts)
    for name in names:
        file.remove(name)
        say(f"Forgot {name}.")
        _remove_tile(name)


# --- tiles


def _tile(options: argparse.Namespace) -> None:
    name = checked_name(options.name)
    if options.remove:
        if options.display_name is not None:
            raise RefusalError("--remove takes a name and nothing else.")
        if not _remove_tile(name):
            raise RefusalError(f"{name} has no tile.", 1)
        return
    hosts = file.load()
    if name not in hosts:
        raise unknown(name, hosts)
    _make_tile(name, options.display_name)


def _make_tile(name: str, display_name: str | None) -> None:
    from rpyc_kernel.cli import kernelspec  # noqa: PLC0415 - it imports Jupyter's client, which takes long

    folder = _folder(name)
    spec = kernelspec.kernel_json(name, display_name, ())
    kernelspec.check_free(folder)
    kernelspec.write(folder, spec)
    say(f'Jupyter\'s launcher shows "{spec["display_name"]}": the kernel {folder.name}, in {folder}.')


def _remove_tile(name: str) -> bool:
    """Remove the tile of a machine, if it has one; return whether it had."""
    from rpyc_kernel.cli import kernelspec  # noqa: PLC0415

    folder = _folder(name)
    if kernelspec.machine(folder) != name:
        return False
    kernelspec.remove(folder)
    say(f"Removed its tile, the kernel {folder.name}.")
    return True


def _folder(name: str) -> Path:
    from rpyc_kernel.cli import kernelspec  # noqa: PLC0415

    ascii_name = name.encode("idna").decode("ascii")  # a kernel's name has no other letters
    return kernelspec.kernels_folder(None, sys_prefix=False) / f"rpyc-{ascii_name}"
