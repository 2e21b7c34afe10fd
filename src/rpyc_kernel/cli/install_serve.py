"""``rpyc-kernel install-serve``: puts ``serve`` onto a machine that can be reached, as a service of its user."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.serve import options as serve_options
from rpyc_kernel.cli.terminal import RefusalError, say
from rpyc_kernel.errors import LinkLost
from rpyc_kernel.hosts.target import find
from rpyc_kernel.transport.broker_client import agent_sources, open_broker
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import argparse

    from rpyc_kernel.transport.address import Address

INSTALL_TIMEOUT_S = 300.0  # for a small board, and its systemd
MAX_COMMAND_CHARS = 4000
PACKAGE = "rpyc_kernel_agent"
_MAIN = f"import sys\n\nfrom {PACKAGE}.serve.main import main\n\nsys.exit(main())\n"

DESCRIPTION = """\
Sends what serves to a machine, over any way that reaches it now, and has its systemd run it for you from then on: see
docs/serve.md. Run again, it brings it up to date, and gives it other options."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "install-serve", help="have another machine serve from now on", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect; or a saved name")
    parser.add_argument("--python", metavar="PATH", default="", help="the Python there that serves and runs cells")
    parser.add_argument("--remove", action="store_true", help="end it, and remove what was sent")
    serve_options.declare_serving(parser)
    parser.set_defaults(run=run, port=serve_options.DEFAULT_PORT)


def run(options: argparse.Namespace) -> None:
    """Do it. Raises a RpycKernelError or a RefusalError."""
    if refusal := serve_options.refusal(options):
        raise RefusalError(refusal)
    target = find(options.address)
    address = target.address.with_python(options.python)
    python = "" if address.python else options.python or str(target.config({}).get("python") or "")
    wanted = {"remove": options.remove, "options": serve_options.words(options), "python": python}
    with open_broker(address) as broker:
        host = str(broker.hello.get("host", ""))
        try:
            done, _buffers = broker.call("serve", wanted, [_program()], timeout=INSTALL_TIMEOUT_S)
        except LinkLost:
            raise RefusalError(
                f"The connection to {target.address.display} ended meanwhile, as it does where the server that carries "
                "it is restarted. Run the same again: it says whether all is up to date.",
                1,
            ) from None
    if options.remove:
        removed = "Removed it from" if done.get("removed") else "It is not installed on"
        say(f"{removed} {target.address.display}. Its sessions and pairings stay.")
    else:
        _tell(target.address, host, options.port, done)


def _program() -> bytes:
    """Return the zip of the modules that serve: always the same bytes for the same modules."""
    file = io.BytesIO()
    wanted = {path: text for path, text in agent_sources().items() if "/" not in path or path.startswith("serve/")}
    texts = {"__main__.py": _MAIN, **{f"{PACKAGE}/{path}": wanted[path] for path in sorted(wanted)}}
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in texts.items():
            packed.writestr(zipfile.ZipInfo(name), text.encode(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _tell(address: Address, host: str, port: int, done: dict[str, Any]) -> None:
    command = plain(str(done.get("command", "")), MAX_COMMAND_CHARS)
    if not done.get("service"):
        say(f"Sent it to {address.display}, which has no systemd for its user that answers. Start it there by")
        say(f"  {command}")
    else:
        say(f"{'Installed' if done.get('changed') else 'It is up to date'} on {address.display}, and it serves.")
    if done.get("service") and not done.get("lingers"):
        say("To keep it when you log out there, and start it with the machine, run there once:")
        say(f"  loginctl enable-linger {plain(str(done.get('user', '')), 100)}".rstrip())
    where = address.host or plain(host, 100)
    where = where if port == serve_options.DEFAULT_PORT else f"{where}:{port}"
    say("To pair with it, once, run there, beside it")
    say(f"  {plain(str(done.get('pair', '')), MAX_COMMAND_CHARS)}")
    say(f"and here rpyc-kernel pair {where}, or %pair {where} in a notebook, which asks for the code.")
    say(f'Then, in a notebook: $connect("rpycs://{where}")')
