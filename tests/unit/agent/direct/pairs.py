"""Two connected sockets, of TCP or of TLS."""

from __future__ import annotations

import socket
import ssl
import threading

from rpyc_kernel.agent.serve.certificate import own_certificate

PATIENCE_S = 20.0


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _address = listener.accept()
    return near, far


def tls_pair(folder):
    server = own_certificate(str(folder)).context
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    near, far = tcp_pair()
    found = []
    thread = threading.Thread(target=lambda: found.append(server.wrap_socket(far, server_side=True)))
    thread.start()
    near = client.wrap_socket(near)
    thread.join(PATIENCE_S)
    return near, found[0]
