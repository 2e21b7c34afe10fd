"""A service of one's own: a calculator, served by RPyC to whoever connects.

    python calculator_service.py                                 on 127.0.0.1:18861
    python calculator_service.py --register 127.0.0.1            and registered there as CALCULATOR and CALC

It needs Python 3 and any RPyC from 4.1 on, and nothing else. calculator.py beside it uses it, and
https://rpyc.readthedocs.io has all the rest. Mind that there is no password: whoever reaches the port may calculate.
"""

import argparse
import sys

import rpyc
from rpyc.utils.helpers import classpartial
from rpyc.utils.registry import TCPRegistryClient, UDPRegistryClient
from rpyc.utils.server import ThreadedServer


class CalculatorService(rpyc.Service):
    """What a client gets as the root of its connection. Only names that begin with ``exposed_`` can be reached."""

    # Its names in a registry; without this there would be one, the class's own: CALCULATOR.
    ALIASES = ["Calculator", "Calc"]

    exposed_digits = 15  # an attribute

    def __init__(self, total=0):
        self.total = total
        self.clients = 0

    def on_connect(self, conn):
        self.clients += 1
        say("connected: {} here, the total is {}".format(self.clients, self.total))

    def on_disconnect(self, conn):
        self.clients -= 1
        say("disconnected: {} here, the total is {}".format(self.clients, self.total))

    def exposed_add(self, a, b):
        return a + b

    def exposed_divide(self, a, b):
        return a / b  # what it raises arrives at the client

    def exposed_keep(self, number):
        """Add to the total, which lives as long as this object: see --serve."""
        self.total += number
        return self.total

    def exposed_apply(self, function, numbers):
        """Call a function of the client's, once for each number."""
        return sum(function(number) for number in numbers)

    def exposed_result(self):
        """An object: the client gets a reference to it. Its attributes are only seen with --public."""
        return Result(self.total)

    def forget(self):
        """No client can call this."""
        self.total = 0


class Result:
    def __init__(self, value):
        self.value = value
        self.exposed_unit = "apples"


def say(text):
    print(text)
    sys.stdout.flush()


def what_to_serve(how, total):
    """What the server is given decides who shares the total."""
    if how == "class":
        return CalculatorService  # each connection has an object of its own
    if how == "instance":
        return CalculatorService(total)  # all connections share this one
    return classpartial(CalculatorService, total)  # each has its own, made with these arguments


def main():
    parser = argparse.ArgumentParser(description="A calculator that RPyC serves.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 is all of them")
    parser.add_argument("--port", type=int, default=18861)
    parser.add_argument("--socket", metavar="PATH", help="listen on a Unix socket instead")
    parser.add_argument("--serve", choices=["class", "instance", "classpartial"], default="class")
    parser.add_argument("--total", type=int, default=0, help="to begin with, for instance and classpartial")
    parser.add_argument("--public", action="store_true", help="allow_public_attrs: more than exposed_ can be read")
    parser.add_argument("--register", metavar="HOST[:PORT]", help="the registry to register with; --tcp for TCP")
    parser.add_argument("--tcp", action="store_true")
    options = parser.parse_args()

    registrar = None
    if options.register:
        host, _, port = options.register.partition(":")
        client = TCPRegistryClient if options.tcp else UDPRegistryClient
        registrar = client(host, port=int(port or 18811))
    where = {"socket_path": options.socket} if options.socket else {"hostname": options.host, "port": options.port}
    server = ThreadedServer(
        what_to_serve(options.serve, options.total),
        protocol_config={"allow_public_attrs": options.public},
        registrar=registrar,
        auto_register=registrar is not None,  # False is RPyC's default: a server registers only if it is told to
        **where,
    )
    server.listener.listen()  # RPyC does so in `start`; whoever reads the next line may connect at once
    say("listening on {}".format(options.socket or "{}:{}".format(options.host, server.port)))
    server.start()


if __name__ == "__main__":
    main()
