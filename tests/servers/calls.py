"""Calls of what lives in a server, over a `Connection`: each waits for its reply."""

from rpyc_kernel.transport.deadline import Deadline


def call(connection, ref, *args, timeout=None):
    """Call the remote *ref*."""
    return connection.receive(connection.send_call(ref, *args), Deadline(timeout, connection.cancel))


def call_method(connection, ref, name, *args, timeout=None):
    """Call the method *name* of the remote *ref*."""
    return connection.receive(connection.send_method_call(ref, name, *args), Deadline(timeout, connection.cancel))
