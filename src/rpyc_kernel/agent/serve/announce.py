"""``serve --announce``: answers multicast DNS, so that ``%discover`` finds the server. By IPv4, on every interface.

It runs on the daemon's main thread, and never makes it wait.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
import time

from . import mdns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Set, Tuple

GROUP, PORT = "224.0.0.251", 5353
LOOK_INTERVAL_S = 10.0  #: for interfaces that have come meanwhile
MAX_ANSWERS = 30  #: in one second
MAX_AT_ONCE = 50  #: packets that are read before the daemon looks after its connections again


class Announcer:
    """Answers for the server of a port.

    Args:
        port: The server's.
        fingerprint: Of its certificate; a few of its characters tell machines of one name apart.

    Raises:
        OSError: Multicast DNS can't be listened to.
    """

    def __init__(self, port: int, fingerprint: str) -> None:
        mark = "".join(char for char in fingerprint.partition(":")[2] if char.isalnum())[:4].lower()
        host = socket.gethostname().partition(".")[0][:50] or "machine"
        self._responder = mdns.Responder("%s-%s" % (host, mark), port, ["txtvers=1", "user=%s" % _user()])
        self._joined: Set[int] = set()
        self._second = 0.0
        self._answers = 0
        self._wanted = 0.0  # when to look for interfaces again
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # others here may answer, too
            if sys.platform != "linux" and hasattr(socket, "SO_REUSEPORT"):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            self.sock.setblocking(False)
            self.sock.bind(("", PORT))
        except BaseException:
            self.sock.close()
            raise

    def look(self) -> float:
        """Join the group on interfaces that are new, and announce the server there; returns when to look again."""
        now = time.monotonic()
        if now >= self._wanted:
            self._wanted = now + LOOK_INTERVAL_S
            present = {index for index, _name in socket.if_nameindex()}
            self._joined &= present
            for index in present - self._joined:
                request = struct.pack("@4s4si", socket.inet_aton(GROUP), bytes(4), index)
                try:
                    self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
                except OSError:  # it is down, or can't do that
                    continue
                self._joined.add(index)
                self._announce(index)
        return self._wanted

    def receive(self, _sock: socket.socket) -> None:
        """Answer what has come."""
        for _ in range(MAX_AT_ONCE):
            try:
                packet, source = self.sock.recvfrom(mdns.MAX_PACKET_BYTES + 1)
            except OSError:
                return
            try:
                query = mdns.read_query(packet)
            except mdns.MalformedError:
                continue
            if query is not None and self._may_answer():
                self._answer(query, source)

    def _may_answer(self) -> bool:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second, self._answers = now, 0
        self._answers += 1
        return self._answers <= MAX_ANSWERS

    def _answer(self, query: mdns.DnsQuery, source: Tuple[str, int]) -> None:
        host, port = source[:2]
        legacy = port != PORT
        address = address_towards(host)
        # Whoever sends from afar in a neighbour's name must not have us send to that neighbour.
        alone = legacy or all(each.unicast for each in query.questions)
        if address is None or not port or (alone and not ipaddress.ip_address(host).is_private):
            return
        answer = self._responder.answer(query, address, legacy)
        if answer:
            try:
                if not alone:
                    self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
                self.sock.sendto(answer, (host, port) if alone else (GROUP, PORT))
            except OSError:
                pass

    def _announce(self, index: int, goodbye: bool = False) -> None:
        """Announce the server on the interface of that number, or its end."""
        request = struct.pack("@4s4si", bytes(4), bytes(4), index)
        try:
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
                probe.connect((GROUP, PORT))
                address = probe.getsockname()[0]
            self.sock.sendto(self._responder.announcement(address, goodbye), (GROUP, PORT))
        except OSError:  # an interface without an address
            pass

    def close(self) -> None:
        """Say that the server goes, and answer no more."""
        for index in self._joined:
            self._announce(index, goodbye=True)
        self.sock.close()


def address_towards(host: str) -> Optional[str]:
    """Return this machine's address as that host reaches it; None where there is no way."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((host, PORT))  # nothing is sent
            return str(sock.getsockname()[0])
    except OSError:
        return None


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, AttributeError, KeyError):
        return os.environ.get("USER", "")
