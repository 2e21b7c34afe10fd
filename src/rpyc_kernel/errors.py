"""Everything that can go wrong, as one tree.

A message is made for the person at the notebook: it says what happened, to which address, and what to do next. Errors
that belong to an address have its text as their attribute ``address``.

::

    RpycKernelError
    ├── AddressError                 a text that is no address
    ├── ArgumentError                an argument that can't be meant
    │   ├── CommandError             by a command in a cell
    │   └── MalformedArgumentError   or is written wrongly
    ├── HostsFileError               the file of saved machines can't be read, understood or written
    ├── NotebookFileError            a notebook's file can't be read, understood or written
    ├── MalformedRequestError        a front end's message that is not as Jupyter's protocol has it
    ├── DialError                    no usable connection came to be
    │   ├── UnsupportedSchemeError   an address of a kind that cannot be dialled
    │   ├── TransportError           the way there is another package's, and that failed
    │   ├── ProgramError             the program that leads there (ssh, docker, adb) did not
    │   │   ├── ProgramMissingError  it isn't installed here
    │   │   ├── LoginRefusedError    the machine there accepts no key of the user's
    │   │   ├── HostKeyError         ssh doesn't know the machine, or knows another one by that name
    │   │   └── NoPythonError        there is no Python, or none that is new enough
    │   ├── NameNotResolvedError     no such host name, or no name server answered
    │   ├── UnsafeSocketError        somebody else may be the server behind a Unix socket
    │   ├── NobodyListeningError     the machine is there, the port is closed
    │   ├── UnreachableError         no route, or the network forbids it
    │   ├── DialTimeoutError         nothing came back at all
    │   ├── DialCancelledError       the user pressed stop meanwhile
    │   ├── NotRpycError             the port speaks HTTP, SSH, TLS or something else
    │   ├── SilentServerError        the port accepts and then says nothing
    │   ├── ServerClosedError        the port accepts and hangs up
    │   ├── NotPairedError           a server that this machine has to be paired with first
    │   ├── PairingError             pairing with a server failed
    │   ├── CertificateChangedError  a server that shows another certificate than the one that is known
    │   ├── CertificateError         a certificate is refused, here or there
    │   ├── NotAdmittedError         the server that is known does not let this machine in
    │   ├── RpycVersionError         RPyC, but too old or too new to be understood
    │   └── WrongServiceError        RPyC, but not the classic SlaveService
    ├── DiscoveryError               a service was not found through RPyC's registry
    │   ├── NoRegistryError          nobody answered who is one
    │   ├── NotRegisteredError       the registry knows no server of that name
    │   ├── ListingRefusedError      the registry answers for one name at a time only
    │   ├── ServiceDownError         what it knows of that name can't be connected to
    │   └── SourceError              another source of machines could not look for them
    ├── RemoteUnfitError             the server is right, but no session can live there
    │   ├── PythonTooOldError
    │   └── OneShotError             it serves a single connection
    ├── LinkError                    a connection that had worked came to an end
    │   ├── LinkLost                 it broke, or was aborted
    │   ├── WaitingStoppedError      the user pressed stop instead of waiting for it
    │   ├── WithdrawnError           what the user stopped was not even sent
    │   ├── TooLongError             what the user has made is longer than what travels
    │   ├── NotTakenError            the machine answers a request by an error, however often it is sent
    │   ├── NoAnswerError            no reply within the time that was allowed
    │   └── ProtocolError            what came is not RPyC, or not what was asked for
    │       └── FrameTooLargeError
    ├── SessionError                 the link is right, the session isn't
    │   ├── SessionGoneError
    │   ├── TakenOverError
    │   ├── RemoteClosedError        the live connection into it was closed, or what it led to is gone
    │   └── SessionVersionError
    ├── RemoteError                  an exception in the server's Python, told through RPyC
    │   └── RemoteException          the same for live connections (in `live.exception_classes`: it imports rpyc)
    ├── TeleportError                a function that can't be sent to the other machine
    ├── TransferError                files that can't be copied
    ├── ForwardError                 a port that can't be forwarded
    ├── ValueMissingError            a copy of a value needs a package that isn't installed here
    ├── ValueRefusedError            a value that isn't there, or of which no copy can be sent
    ├── CopyStoppedError             the user pressed stop while something was copied
    ├── MachineTimeoutError          a machine has not answered in the time that a page waits
    ├── ParallelError                a cell has failed on some of the machines on which it ran
    └── AgentError                   a sentence of our agent on the other machine
        └── HeldError                somebody else holds that machine for a while
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def start_command(host: str = "", port: int | None = None) -> str:
    """Return the shell line that starts a stock RPyC server, for somebody who will dial *host* and *port*.

    For this machine itself it listens on loopback only: whoever reaches such a server can run code there.
    """
    if ":" in host:
        listen, family = ("::1" if host in _LOOPBACK else "::"), ", ipv6=True"
    else:
        listen, family = ("127.0.0.1" if host in _LOOPBACK else "0.0.0.0"), ""  # noqa: S104 - a text for the user
    return (
        'python3 -c "from rpyc.utils.server import ThreadedServer; from rpyc.core.service import SlaveService; '
        f"ThreadedServer(SlaveService, hostname='{listen}', port={port or 18812}{family}, reuse_addr=True).start()\""
    )


class RpycKernelError(Exception):
    """The root of all errors of ours; never raised itself."""


def again(error: RpycKernelError) -> RpycKernelError:
    """Return a copy of *error* to raise: an error that is raised again and again collects all of its tracebacks."""
    fresh = type(error).__new__(type(error), *error.args)
    fresh.__dict__.update(vars(error))
    return fresh


class AddressError(RpycKernelError):
    """Raised for a text that is no address. The message never repeats a secret that was written into it."""


class ArgumentError(RpycKernelError):
    """Raised for an argument that can't be meant: a name of no session or of several, a number out of its bounds."""


class MalformedArgumentError(ArgumentError):
    """Raised for an argument that is written wrongly, as a name that can be none."""


class CommandError(ArgumentError):
    """Raised for a command in a cell that is written wrongly, or can't be done where the notebook is.

    Where it is written wrongly, nothing of the cell has run.
    """


class MalformedRequestError(RpycKernelError):
    """Raised for a front end's request whose content is not as Jupyter's protocol has it."""

    def __init__(self, msg_type: str, reason: str) -> None:
        super().__init__(f"The front end has sent a {msg_type} that can't be understood: {reason}.")


class NotebookFileError(RpycKernelError):
    """Raised where the file of a notebook can't be used; *reason* says why, as the end of a sentence."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} {reason}.")


class HostsFileError(RpycKernelError):
    """Raised where the file of saved machines, or *another* one, can't be used; *reason* says why, in which line."""

    def __init__(self, path: object, reason: str, *, another: bool = False) -> None:
        self.reason = reason
        super().__init__(
            f"{path} can't be used as a file of machines: {reason}."
            if another
            else f"The file of saved machines can't be used: {path}, {reason}. Mend it, or write an address with its "
            "port, like host:port, which doesn't need it."
        )


class _AtAddress(RpycKernelError):
    """An error that belongs to one address, which the message names.

    Attributes:
        address: Its text.
        mend: The end of the message, which says what to do; "" where nothing is known to help.
    """

    def __init__(self, address: object, message: str, mend: str = "") -> None:
        super().__init__(f"{message} {mend}" if mend else message)
        self.address = str(address)
        self.mend = mend


# --- no connection came to be -------------------------------------------------------------------------------------


class DialError(_AtAddress):
    """No usable connection came to be. Nothing of the user's has run on the other machine."""


class UnsupportedSchemeError(DialError):
    """Raised for an address of a kind that can't be dialled."""

    def __init__(self, address: object, hint: str) -> None:
        super().__init__(address, f"Cannot connect to {address}: {hint}")


class TransportError(DialError):
    """Raised where another package's transport is broken, missing, or did not get there."""

    def __init__(self, address: object, told: str) -> None:
        super().__init__(address, f"Cannot connect to {address}: {told}")


class ProgramError(DialError):
    """Raised where the program that leads to a machine did not get there; *told* says why, and *mend* what to do."""

    def __init__(self, address: object, told: str, mend: str = "") -> None:
        super().__init__(address, f"Cannot connect to {address}: {told}", mend)


class ProgramMissingError(ProgramError):
    """Raised where that program isn't installed on this machine."""

    def __init__(self, address: object, program: str, hint: str) -> None:
        super().__init__(address, f"there is no program {program} on this machine.", hint)


class LoginRefusedError(ProgramError):
    """Raised where the other machine accepts none of the user's keys. No password is ever asked for here."""


class HostKeyError(ProgramError):
    """Raised where ssh doesn't know the other machine's key yet, or knows another one."""


class NoPythonError(ProgramError):
    """Raised where a machine has no Python that can be used.

    Attributes:
        tried: The Pythons that were found and can't be used, each with its version.
    """

    def __init__(self, address: object, python: str, tried: Sequence[str], oldest: str) -> None:
        self.tried = tuple(tried)
        needed = f"Python {oldest} or newer is needed there"
        found = f" ({'; '.join(tried)})" if tried else ""
        if python and tried:
            told, mend = f"{python} can't be used{found}: {needed}.", ""
        elif python:
            told = f"no Python {python!r} was found there."
            mend = "Name the path of a Python or of the folder of a venv, a conda environment, or a version of pyenv."
        else:
            said = f"no Python there can be used{found}" if tried else "no Python was found there"
            told, mend = f"{said}: {needed}.", "Install one, or say where it is with --python PATH."
        super().__init__(address, told, mend)


class NameNotResolvedError(DialError):
    """Raised when the host name has no IP address.

    Attributes:
        temporary: No name server answered, so that the name may exist.
    """

    def __init__(self, address: object, host: str, *, temporary: bool = False) -> None:
        self.temporary = temporary
        if temporary:
            said = f"Cannot look up the name {host!r}: no name server answered."
            mend = "Is this machine online? Try its IP address instead."
        else:
            said = f"There is no machine named {host!r}."
            mend = "Check the spelling, or use its IP address instead."
        super().__init__(address, said, mend)


class UnsafeSocketError(DialError):
    """Raised where somebody else may be behind a Unix socket, or may reach the server behind it; *why* says how."""

    def __init__(self, address: object, why: str) -> None:
        super().__init__(
            address,
            f"Not connected to {address}: {why}, so that somebody else may be there.",
            "Let the server make its socket in a folder of yours that only you may write to (chmod 700), with a umask "
            "of 077.",
        )


class NobodyListeningError(DialError):
    """Raised when the connection is refused: the port is closed, or the Unix socket has nobody behind it."""

    def __init__(self, address: object, host: str = "", port: int | None = None, command: str = "") -> None:
        command = command or (start_command(host, port) if port else "")
        hint = f"Start it there with: {command}" if command else "Start the server that belongs to it."
        super().__init__(address, f"No server is listening on {address}.", hint)


class UnreachableError(DialError):
    """Raised when the network says at once that it doesn't get there; *reason* is the system's own word."""

    def __init__(self, address: object, reason: str) -> None:
        super().__init__(
            address,
            f"Cannot reach {address}: {reason}.",
            "Are both machines on the same network, and do they ping each other?",
        )


class DialTimeoutError(DialError):
    """Raised when nothing came back for *seconds*: wrong address, machine off, or a firewall."""

    def __init__(self, address: object, seconds: float) -> None:
        super().__init__(
            address,
            f"{address} did not answer within {seconds:g} s.",
            "Is the machine on, is the address right, and does a firewall let this port through?",
        )


class DialCancelledError(DialError):
    """Raised when connecting was stopped: by the user, or by the event that was given to ``dial``."""

    def __init__(self, address: object) -> None:
        super().__init__(address, f"Connecting to {address} was stopped.")


class NotRpycError(DialError):
    """Raised when something else than RPyC answers.

    Attributes:
        speaks: Its name, as far as its first bytes tell.
    """

    def __init__(self, address: object, speaks: str, hint: str = "") -> None:
        self.speaks = speaks
        hint = hint or "Is the port right? An RPyC server listens on 18812 unless told otherwise."
        super().__init__(address, f"{address} is no RPyC server: it speaks {speaks}.", hint)


class SilentServerError(DialError):
    """Raised when the port accepts the connection but answers nothing for *seconds*."""

    def __init__(self, address: object, seconds: float) -> None:
        super().__init__(
            address,
            f"{address} accepts connections but said nothing for {seconds:g} s.",
            "Either it is no RPyC server, or it is busy with another client or stuck: check the port, or restart the "
            "server there.",
        )


class ServerClosedError(DialError):
    """Raised when the port accepts the connection and closes it before it has answered anything.

    Args:
        gone: It has served a first connection, and no second one.
        hint: What the way there tells of why, and what to do.
    """

    def __init__(self, address: object, *, gone: bool = False, hint: str = "") -> None:
        if gone:  # it served the first attempt, and nobody listened any more at the second
            message = f"The server on {address} hung up and no longer listens."
            mend = "A OneShotServer serves one connection only, and a notebook needs two: start a ThreadedServer there."
        else:
            message = f"{address} closed the connection before it answered."
            mend = hint or (
                "It is no RPyC server, it expects TLS, or it turned us away: look at what the server printed there."
            )
        super().__init__(address, message, mend)


class NotPairedError(DialError):
    """Raised for a server that lets in who is paired with it; *command* is the line that pairs."""

    def __init__(self, address: object, command: str) -> None:
        super().__init__(
            address,
            f"This machine is not paired with {address}.",
            "Run rpyc-kernel-agent serve --pair there (or rpyc-kernel serve --pair), which shows a code, and type it "
            f"in here once: {command}",
        )


class PairingError(DialError):
    """Raised where two machines could not be paired, or what they know of each other is broken. *told* says why."""

    def __init__(self, address: object, told: str, mend: str = "") -> None:
        super().__init__(address, f"The pairing with {address} failed: {told}", mend)


class CertificateChangedError(DialError):
    """Raised when a server shows another certificate than the one it was paired with. Nothing was sent there.

    Args:
        before: The fingerprint that is known.
        now: The one that was shown.
        command: The line that pairs with it.
        other: The address of another paired server, whose certificate it is.
    """

    def __init__(self, address: object, before: str, now: str, command: str, other: str = "") -> None:
        whose = f", which is that of {other}" if other else ""
        super().__init__(
            address,
            f"{address} is not the server that this machine was paired with: its certificate is {now}{whose}, and was "
            f"{before}. Somebody may stand between you and it, so nothing was sent.",
            "If the machine was set up anew, or another one has its address now, pair with it again: run serve --pair "
            f"there, and {command} here.",
        )


class CertificateError(DialError):
    """Raised when a certificate is refused: the server's here, or ours there. *reason* is OpenSSL's word for it."""

    def __init__(self, address: object, reason: str) -> None:
        super().__init__(
            address,
            f"TLS with {address} failed ({reason}), and nothing was sent.",
            "Check the authorities and certificates that both sides were given: what name they are for, and until "
            "when.",
        )


class NotAdmittedError(DialError):
    """Raised when the server that is known does not let this machine in. *told* says why, and what to do."""

    def __init__(self, address: object, told: str, mend: str = "") -> None:
        super().__init__(address, f"{address} does not let this machine in: {told}", mend)


#: where waiting alone doesn't help: somebody has to do what the sentence says
LOCKED_OUT = (
    NotPairedError,
    CertificateChangedError,
    CertificateError,
    NotAdmittedError,
    LoginRefusedError,
    HostKeyError,
)


class RpycVersionError(DialError):
    """Raised when RPyC answers in a dialect that is not understood here; *found* describes it."""

    def __init__(self, address: object, found: str) -> None:
        super().__init__(
            address,
            f"The server on {address} speaks {found}.",
            "This kernel understands RPyC 4.1 up to 6: install another one there: python3 -m pip install 'rpyc>=6,<7'",
        )


class WrongServiceError(DialError):
    """Raised when an RPyC server doesn't let a client run code.

    Attributes:
        service: The class that it serves.
    """

    def __init__(self, address: object, service: str, host: str = "") -> None:
        self.service = service
        super().__init__(
            address,
            f"The RPyC server on {address} serves {service or 'another service'}, where no code can be run.",
            f"The kernel needs a SlaveService: {start_command(host)}",
        )


# --- services and their registry ----------------------------------------------------------------------------------


class DiscoveryError(RpycKernelError):
    """A service was not found through RPyC's registry. Nothing was connected to, or nothing that stayed."""


class NoRegistryError(DiscoveryError):
    """Raised when no registry answered; *asked* names each place, and what became of the question there."""

    def __init__(self, asked: str) -> None:
        super().__init__(
            f"No registry of RPyC answered: {asked}. Start one with rpyc_registry.py, or say where it is, by "
            'registry="HOST" or --registry HOST; docs/services.md shows what works on one machine.'
        )


class NotRegisteredError(DiscoveryError):
    """Raised when a registry answered, and knows no server of that name.

    Attributes:
        name: The service's name.
    """

    def __init__(self, name: str, asked: str, *, hidden: bool = False) -> None:
        self.name = name
        message = (
            f"No server of a service {name} is registered with {asked}. A server registers only if it was started with "
            "auto_register=True, within some seconds, and by broadcast unless it is given "
            'registrar=UDPRegistryClient(ip="HOST"): docs/services.md shows it. Knowing the port, write "host:port".'
        )
        if hidden:
            message = (
                f"Servers of {name} are registered with {asked} by the loopback address of that machine, where only "
                "it reaches them. Start them there so that they listen on its network, and with "
                'registrar=UDPRegistryClient(ip="HOST") for its address on it.'
            )
        super().__init__(message)


class ListingRefusedError(DiscoveryError):
    """Raised when a registry doesn't list the services that it knows: it must be allowed to, and be of RPyC ≥ 5.3."""

    def __init__(self, asked: str) -> None:
        super().__init__(
            f"{asked} does not list its services. Ask for one by its name, as in discover SLAVE, or start the "
            "registry with rpyc_registry.py --listing 1."
        )


class ServiceDownError(DiscoveryError):
    """Raised when none of the servers that are registered for a service can be connected to.

    Attributes:
        name: The service's name.
        errors: Why not, one for each server.
    """

    def __init__(self, name: str, errors: Sequence[Exception]) -> None:
        self.name = name
        self.errors = tuple(errors)
        them = f"None of the {len(errors)} servers that are registered as {name} can be connected to"
        if len(errors) == 1:
            them = f"The server that is registered as {name} cannot be connected to"
        first = f" {errors[0]}" if errors else ""
        super().__init__(f"{them}; one that was killed stays registered for up to four minutes.{first}")


class SourceError(DiscoveryError):
    """Raised where one of the sources of `%discover` could not look for machines; *reason* says why."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"No machines were looked for by {source}: {reason}.")


# --- connected, but no session can live there ---------------------------------------------------------------------


class RemoteUnfitError(_AtAddress):
    """The server is right, but no session can live on that machine."""


class PythonTooOldError(RemoteUnfitError):
    """Raised when the server's Python is older than the agent needs; *found* is its version, like ``"3.6.15"``."""

    def __init__(self, address: object, found: str, needed: str = "3.7") -> None:
        super().__init__(
            address,
            f"The server on {address} runs on Python {found}, and cells need Python {needed} or newer there.",
            "Start the server with a newer Python.",
        )


class OneShotError(RemoteUnfitError):
    """Raised for RPyC's OneShotServer: a session needs two connections, and new ones after the link was lost."""

    def __init__(self, address: object, host: str = "", port: int | None = None) -> None:
        super().__init__(
            address,
            f"The server on {address} is an RPyC OneShotServer: it serves one connection and ends, and a session needs "
            "more than one.",
            f"Start a ThreadedServer instead: {start_command(host, port)}",
        )


# --- a connection that had worked ---------------------------------------------------------------------------------


class LinkError(_AtAddress):
    """A connection that had worked came to an end. The session on the other machine goes on."""


class LinkLost(LinkError):
    """Raised when the connection breaks, is closed by the server, or was aborted from another thread.

    Attributes:
        reason: A part of a sentence.
    """

    def __init__(self, address: object, reason: str) -> None:
        self.reason = reason
        super().__init__(address, f"The connection to {address} was lost: {reason}.")


class WaitingStoppedError(LinkError):
    """Raised when the user pressed stop while the link was down; *reason* says why the last attempt failed."""

    def __init__(self, address: object, reason: str = "") -> None:
        why = f" The last attempt to reconnect failed: {reason}" if reason else ""
        super().__init__(
            address,
            f"You stopped waiting for {address}.{why} What runs there goes on until the link is back, "
            "and is stopped then.",
        )


class WithdrawnError(LinkError):
    """Raised when the user stops a cell before it was sent; *lost* says whether the link was down then."""

    def __init__(self, address: object, *, lost: bool = True) -> None:
        when = f"it was sent to {address}, whose link is down" if lost else f"all of it had been sent to {address}"
        super().__init__(address, f"stopped before {when}. It has not run.")


class NoAnswerError(LinkError):
    """Raised when no reply came within *seconds*. The request may still run, and its reply be received later."""

    def __init__(self, address: object, seconds: float) -> None:
        super().__init__(address, f"{address} did not answer within {seconds:g} s.")


class ProtocolError(LinkError):
    """Raised for bytes that are no RPyC, are malformed or were not asked for. The connection is closed then.

    Attributes:
        reason: A part of a sentence.
        head: The first of the bytes, for a guess at who speaks there.
    """

    def __init__(self, address: object, reason: str, head: bytes = b"") -> None:
        self.reason = reason
        self.head = head
        super().__init__(
            address,
            f"{address} sent what an RPyC server would not send ({reason}), so the connection was closed.",
        )


class TooLongError(LinkError):
    """Raised when a cell or an answer of the user's is too long to travel."""

    def __init__(self, address: object, reason: str) -> None:
        super().__init__(address, f"{address} was not asked: {reason}.")


class NotTakenError(LinkError):
    """Raised when the machine answers a request by *error*, however often it is sent. The session goes on."""

    def __init__(self, address: object, error: Exception | None) -> None:
        super().__init__(
            address,
            f"{address} did not take this request and was not asked again; the session goes on. It said: {error}",
        )


class FrameTooLargeError(ProtocolError):
    """Raised when a frame has, or unpacks to, more bytes than are taken. Nothing was allocated."""

    def __init__(self, address: object, size: int | None, limit: int, head: bytes = b"") -> None:
        announced = f"of {size:,} bytes" if size is not None else "that unpacks without end"
        super().__init__(address, f"a message {announced}, where at most {limit:,} are taken", head)


# --- the session --------------------------------------------------------------------------------------------------


class SessionError(_AtAddress):
    """The other machine answers, but the session is not ours to use any more."""


class SessionGoneError(SessionError):
    """Raised when the session has ended: it was idle for too long, was ended by somebody, or the machine restarted."""

    def __init__(self, address: object, reason: str = "") -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(
            address,
            f"The session on {address} is gone{why}, and with it its variables. In a notebook, "
            f'$connect("{address}") begins a new one.',
        )


class TakenOverError(SessionError):
    """Raised when another kernel attached to the session: only the newest one is served.

    Attributes:
        by: Who did, for people.
        at: When, as this machine's local time, like ``"14:03"``.
    """

    def __init__(self, address: object, by: str = "", at: str = "", name: str = "") -> None:
        self.by = by
        self.at = at
        who = f"by {by}" if by else "by another notebook"
        when = f" at {at}" if at else ""
        super().__init__(
            address,
            f"The session on {address} was taken over {who}{when}. In a notebook, %attach {name or 'NAME'} takes it "
            f'back, and $connect("{address}") starts another.',
        )


class RemoteClosedError(SessionError, EOFError):
    """Raised by a live connection (``remote``, ``rpyc_kernel.connect``, ``rpyc_kernel.service``) that is no more.

    RPyC raises EOFError there, so that this is one too.
    """

    def __init__(self, address: object, reason: str) -> None:
        super().__init__(
            address,
            f"The live connection to {address} is closed ({reason}), and the objects that it led to can't be reached "
            "through it any more.",
        )


class SessionVersionError(SessionError):
    """Raised when the session is newer than this kernel; *agent* is the version that has started it."""

    def __init__(self, address: object, agent: str, ours: str) -> None:
        which = f"rpyc-kernel {agent}" if agent else "a newer rpyc-kernel"
        super().__init__(
            address,
            f"The session on {address} was started by {which}, which this one ({ours}) does not understand. "
            f"Use that version or a newer one here: python -m pip install 'rpyc-kernel>={agent or ours}'",
        )


# --- told by the other side ---------------------------------------------------------------------------------------


class RemoteError(RpycKernelError):
    """Raised when a request of ours ended in an exception in the server's Python.

    It only carries texts: no class, and no module, is chosen by the other side.

    Attributes:
        name: The class, like ``"AttributeError"``.
        message: About the text of the exception.
        remote_traceback: The server's text, or "".
        module: Where the class is from.
    """

    def __init__(self, name: str, message: str, remote_traceback: str = "", module: str = "builtins") -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.message = message
        self.remote_traceback = remote_traceback
        self.module = module


class TeleportError(RpycKernelError, TypeError):
    """Raised for a function that can't be sent to the other machine; nothing was defined there."""


class ValueMissingError(RpycKernelError, ImportError):
    """Raised where a copy of a value needs a package that isn't installed here."""


class ValueRefusedError(RpycKernelError):
    """Raised for a value that isn't there, or of which no copy can be sent. Nothing was assigned then."""


class CopyStoppedError(RpycKernelError):
    """Raised where the user has stopped a copy; nothing of it is there."""

    def __init__(self, what: str = "Stopped; nothing was copied.") -> None:
        super().__init__(what)


class MachineTimeoutError(RpycKernelError):
    """Raised where a machine hasn't answered in time."""


class ParallelError(RpycKernelError):
    """Raised where a cell or a command ran on several machines, and has failed on some of them.

    Args:
        failures: What went wrong, by the name of the machine.
        total: The number of machines.
        then: A sentence about what follows of it, or "".
    """

    def __init__(self, failures: Mapping[str, str], total: int, then: str = "") -> None:
        which = "the machine has" if total == 1 else f"{len(failures)} of {total} machines have"
        text = f"{which} failed: " + "; ".join(f"{label}: {text.rstrip('.')}" for label, text in failures.items())
        super().__init__(f"{text}. {then}" if then else text)


class TransferError(RpycKernelError):
    """Raised for files that can't be copied, with the sentence that says which and why.

    Attributes:
        code: The name of the system's error there, as ``EACCES``; "" where it isn't the system's.
    """

    code = ""


class ForwardError(RpycKernelError):
    """Raised for a port that can't be forwarded, with the sentence that says why."""


class AgentError(RpycKernelError):
    """Raised with the sentence in which the agent on the other machine refused something.

    Attributes:
        code: The name of the system's error there, as ``ENOENT``; "" where it isn't the system's.
    """

    def __init__(self, sentence: str = "", code: str = "") -> None:
        super().__init__(sentence)
        self.code = code

    """Raised with the sentence in which the agent on the other machine refused something."""


class HeldError(AgentError):
    """Raised when somebody else holds the machine for a while, by ``%lease``.

    Attributes:
        held: Who does, what for, and for how long, a sentence.
    """

    def __init__(self, name: object, held: str) -> None:
        self.held = held
        super().__init__(f"{held} In a notebook, %lease {name} --wait waits until it is free.")
