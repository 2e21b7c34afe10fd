"""proxy://PROXY:PORT/HOST:PORT leads to an RPyC server behind a web proxy, by the proxy's CONNECT."""

import socket


def open_socket(address, deadline):
    """Return a socket that is connected to the server. `deadline.left()` seconds are left for that."""
    server = address.path.removeprefix("/")
    sock = socket.create_connection((address.host, address.port or 3128), deadline.left())
    try:
        sock.sendall(f"CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n".encode("ascii"))
        with sock.makefile("rb", buffering=0) as answer:  # which takes nothing of what follows the answer
            first = answer.readline(1000)
            for _header in range(100):
                if not answer.readline(1000).strip():
                    break
        if first.split()[1:2] != [b"200"]:
            raise ConnectionError(f"the proxy answered {first!r}")
    except BaseException:
        sock.close()
        raise
    return sock
