"""``ssh://user@host:port``: through the system's ``ssh``, with all that the user has configured for it.

ssh is never let ask for anything: what it would ask for becomes a sentence with the line to run in a terminal.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, ClassVar

from rpyc_kernel.errors import (
    DialError,
    HostKeyError,
    LoginRefusedError,
    NameNotResolvedError,
    ProgramError,
    UnreachableError,
)
from rpyc_kernel.transport import remote_python
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.program import ProgramEnd, ProgramTransport

if TYPE_CHECKING:
    from collections.abc import Sequence


# Nothing is asked for; the user's ports are forwarded by the user's own logins; and what a configuration has run at
# each login (which an ssh before 7.6 doesn't know) gives way to the gateway.
_OPTIONS = ("BatchMode=yes", "ClearAllForwardings=yes", "IgnoreUnknown=RemoteCommand", "RemoteCommand=none")


class Ssh(ProgramTransport):
    """The port, and the user where none is named, are left to the user's configuration of ssh."""

    keeps_case = True  # as the names in ~/.ssh/config do

    environment: ClassVar[dict[str, str]] = {"SSH_ASKPASS_REQUIRE": "never"}  # for a jump host's ssh: BatchMode isn't

    def command(self, address: Address) -> Sequence[str]:
        """Return ``ssh … host command``."""
        options = [argument for option in _OPTIONS for argument in ("-o", option)]
        return ["ssh", "-T", *options, *_destination(address), remote_python.COMMAND]

    def install_hint(self) -> str:
        """Return how to install ssh."""
        return "Install OpenSSH's client, which most systems call openssh-client or openssh."

    def proved(self, address: Address) -> tuple[str, str]:
        """Return that ssh has logged in."""
        return "login", "ssh knows the host's key, and logs in without asking"

    def explain(self, address: Address, outcome: ProgramEnd) -> DialError | None:
        """Return the error for what ssh has said."""
        errors = outcome.errors
        line = _line("ssh", address)
        if "REMOTE HOST IDENTIFICATION HAS CHANGED" in errors:
            return HostKeyError(
                address,
                "the key of that machine has changed since ssh last saw it. It was set up anew, or somebody stands "
                "between.",
                f"If you know that it was set up anew, run: {_forget_line(address, errors)} and then, once: {line}",
            )
        if "Host key verification failed" in errors:
            mend = f"Run this once in a terminal, and compare the key: {line}"
            return HostKeyError(address, "ssh doesn't know that machine yet.", mend)
        if match := re.search(r"Permission denied \(([^)]*)\)", errors):
            return LoginRefusedError(address, *_how_to_log_in(match[1], address))
        if match := re.search(r"ssh: Could not resolve hostname (\S+): (.*)", errors):
            named = match[1] == _ascii(address.host).lower()  # or else that of a jump
            host = address.host if named else match[1]
            return NameNotResolvedError(address, host, temporary="emporary" in match[2])
        if match := re.search(r"ssh: connect to host (\S+) port (\d+): (.*)", errors):
            return _no_connection(address, match[1], match[2], match[3].strip())
        if re.search(r"kex_exchange_identification|banner exchange|Connection (closed|reset) by", errors):
            return ProgramError(
                address,
                f'the ssh server there hung up before a login: "{outcome.told}". It may have had too many failed '
                "logins, or it is no ssh server.",
                f"Try: {line}",
            )
        return None


def _destination(address: Address) -> list[str]:
    port = [] if address.port is None else ["-p", str(address.port)]
    user = ["-l", address.user] if address.user else []
    return [*port, *user, "--", _ascii(address.host)]


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _line(program: str, address: Address) -> str:
    """Return what to type in a terminal."""
    port = [] if address.port is None else ["-p", str(address.port)]
    return shlex.join([program, *port, f"{address.user}@{address.host}" if address.user else address.host])


def _how_to_log_in(methods: str, address: Address) -> tuple[str, str]:
    """Return why the login was refused, and what to do."""
    if re.search(r"password|keyboard-interactive", methods):
        return (
            "that machine accepts none of your keys, and would ask for a password, which is never asked for here.",
            (
                f"Run this once in a terminal: {_line('ssh-copy-id', address)} "
                "(where you have no key yet, first: ssh-keygen -t ed25519)"
            ),
        )
    return (
        "that machine accepts none of your keys.",
        (
            "If yours has a passphrase, unlock it in a terminal: ssh-add. Else have your public key put into "
            f"~/.ssh/authorized_keys there. Try: {_line('ssh', address)}"
        ),
    )


def _no_connection(address: Address, host: str, port: str, reason: str) -> DialError:
    if "refused" in reason:
        return ProgramError(
            address,
            f"no ssh server listens on port {port} of {host}.",
            "Start one there (on most systems: sudo systemctl enable --now ssh), or name its port as in ssh://host:2222.",
        )
    if "timed out" in reason:
        return ProgramError(
            address,
            f"{host} did not answer ssh on port {port}.",
            "Is the machine on, is the address right, and does a firewall let this port through?",
        )
    return UnreachableError(address, reason)


def _forget_line(address: Address, errors: str) -> str:
    """Return the line that removes the old key: ssh's own, where it has one."""
    if match := re.search(r"ssh-keygen -f .* -R .*", errors):
        return match[0].strip()
    name = address.host if address.port in (None, 22) else f"[{address.host}]:{address.port}"
    return shlex.join(["ssh-keygen", "-R", name])


TRANSPORT = Ssh("ssh")
