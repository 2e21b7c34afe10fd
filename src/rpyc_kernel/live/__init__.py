"""RPyC's own connections, live: objects of another machine used from here as if they were here.

- `connection`: RPyC's ``Connection``, guarded. `guard` checks the other side's messages, `exposed` limits the use of
  objects that were passed to it, `netrefs` makes the stand-ins for its objects, and `exceptions` its exceptions.
- `remote`: the classic connection into a session's namespace: ``remote`` in local cells, ``rpyc_kernel.connect``.
- `channels`: the frames of a connection inside the session's own messages. `sessions`: a session for a script.
- `services`: ``rpyc_kernel.service``, the root of any RPyC service.
"""
