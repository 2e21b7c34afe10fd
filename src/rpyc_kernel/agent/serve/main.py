"""``rpyc-kernel serve``, which is ``rpyc-kernel-agent serve`` where only that is installed."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys

from .. import memory_limit, session_limit
from ..local_socket import check_peer
from . import options as serve_options
from .daemon import Daemon
from .log import EventLog
from .places import PlaceError, listen_on_port, listen_privately, remove
from .rpyc_server import serve_connection
from .systemd import say_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn, Optional, Sequence

    from .announce import Announcer
    from .daemon import Client
    from .port import Pairings

SERVER = "rpyc-kernel serve"  #: what the kernel is told of who serves it
SCHEME = "rpycs://"


class ServeError(Exception):
    """Raised for what can't be done; the text is a sentence for the user.

    Attributes:
        code: The exit code: 1 (it failed) or 2 (it is written wrongly).
    """

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ServeError("%s; %s --help says how to write it." % (message[:1].upper() + message[1:], self.prog), 2)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Do what the command line says; returns the exit code.

    Args:
        argv: The command line without the program; this process's own where it is None.
    """
    parser = _Parser(prog="rpyc-kernel-agent", description="The other machine's half of rpyc-kernel.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    commands.required = True
    serve_options.declare(
        commands.add_parser("serve", help="let notebooks run cells here", description=serve_options.DESCRIPTION)
    )
    try:
        run(parser.parse_args(argv))
    except ServeError as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Do what the options say, see `options.declare`.

    Raises:
        ServeError: It can't be done.
    """
    refusal = serve_options.refusal(options)
    if refusal:
        raise ServeError(refusal, 2)
    try:
        if options.clients:
            _list_clients()
        elif options.forget is not None:
            _forget(options.forget)
        elif options.pair and options.port is None:
            _pair()
        elif options.port is None:
            _serve_own(options)
        else:
            _serve_port(options)
    except PlaceError as error:
        raise ServeError(str(error)) from None


def _list_clients() -> None:
    names = _pairings().clients.names()
    print("\n".join(names) or "Nobody is paired.")


def _forget(name: str) -> None:
    try:
        known = _pairings().clients.forget(name)
    except OSError as error:
        raise ServeError("%s can't be forgotten: %s." % (name, error.strerror or error)) from None
    if not known:
        raise ServeError("Nobody of the name %s is paired: serve --clients lists who is." % ascii(name))
    print("Forgot %s: it has to be paired again. Its connections end now; its sessions stay." % name)


def _pair() -> None:
    pairings = _pairings()
    where = pairings.holder()
    if not where:
        raise ServeError("No server of yours runs here on a port: serve --port 18821 --pair starts one, with a code.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        print(pairings.show_code(where[len(SCHEME) :]))
        sys.stdout.flush()
        name = pairings.wait_until_paired()
    finally:
        pairings.withdraw_code()
    if not name:
        raise ServeError("Nobody was paired: the code's time is over, it was tried too often, or a newer one is shown.")
    print("Paired with %s." % name)


def _pairings() -> Pairings:
    from .port import Pairings  # late: it loads OpenSSL, which a Unix socket doesn't need

    return Pairings()


def _serve_own(options: argparse.Namespace) -> None:
    """Serve this user alone, on a Unix socket."""
    log = EventLog(options.log_format)
    serve = _server(options.classic)
    _set_limits(options)
    listener, path = listen_privately()

    def admit(sock: socket.socket, peer: str) -> Optional[Client]:
        try:
            check_peer(sock)
        except OSError as error:
            log.warning("refused", peer=peer, reason=error)
            sock.close()
            return None
        log.info("admitted", peer=peer)
        return _Own(sock, options.classic)

    daemon = Daemon([listener], admit, serve, options, log)
    _say("unix://" + path, 'In a notebook of yours on this machine: $connect("unix://%s")' % path)
    try:
        daemon.run()
    finally:
        remove(path)


def _serve_port(options: argparse.Namespace) -> None:
    """Serve paired clients, on a port."""
    from .port import PortAdmission, address

    log = EventLog(options.log_format)
    serve = _server(options.classic)
    _set_limits(options)
    pairings = _pairings()
    where = address(options)
    other = pairings.holder(SCHEME + where)
    if other:
        raise ServeError("A server of yours serves at %s already." % other)
    admission = PortAdmission(pairings, options, log)
    daemon = Daemon(listen_on_port(options.host, options.port), admission.admit, serve, options, log)
    lines = ["Its certificate is %s" % admission.fingerprint]
    if options.pair:
        lines.append(pairings.show_code(where))
    elif admission.needs_proof and not pairings.clients.names():
        lines.append(
            "Nobody is paired yet: serve --pair, run here beside it, shows a code, and %%pair %s, in a notebook there, "
            "asks for it." % where
        )
    lines.append('In a notebook: $connect("%s%s")' % (SCHEME, where))
    announcer = _announcer(options, admission.fingerprint)
    looks = [lambda: admission.look_after(daemon)]
    if announcer is not None:
        daemon.watch(announcer.sock, announcer.receive)
        looks.append(announcer.look)
    _say(SCHEME + where, *lines)
    try:
        daemon.run(looks)
    finally:
        pairings.withdraw_code()
        if announcer is not None:
            announcer.close()


def _announcer(options: argparse.Namespace, fingerprint: str) -> Optional[Announcer]:
    if not options.announce:
        return None
    from .announce import Announcer

    try:
        return Announcer(options.port, fingerprint)
    except OSError as error:
        raise ServeError("--announce can't listen to mDNS: %s." % (error.strerror or error)) from None


class _Own:
    """This user, at the Unix socket."""

    client = ""

    def __init__(self, sock: socket.socket, classic: bool) -> None:
        self.sock = sock
        self.classic = classic


def _say(where: str, *lines: str) -> None:
    print("%s (Python %s) serves at %s" % (sys.executable, sys.version.split()[0], where))
    print("\n".join(lines))
    sys.stdout.flush()  # it may be a file
    say_ready()


def _set_limits(options: argparse.Namespace) -> None:
    """Leave the limits where brokers find them, which the kernels bring."""
    for name, limit in ((session_limit.VARIABLE, options.session_limit), (memory_limit.VARIABLE, options.memory_limit)):
        if limit:
            os.environ[name] = str(limit)


def _server(with_classic: bool) -> Callable[[Client], None]:
    serve_classic: Optional[Callable[[socket.socket], None]] = None
    if with_classic:
        try:
            from . import classic

            serve_classic = classic.server()
        except ImportError:
            raise ServeError(
                "--classic needs RPyC, which %s doesn't have: run %s -m pip install rpyc" % ((sys.executable,) * 2)
            ) from None

    def serve(client: Client) -> None:
        if client.classic and serve_classic is not None:
            serve_classic(client.sock)
        else:
            serve_connection(client.sock, SERVER)

    return serve
