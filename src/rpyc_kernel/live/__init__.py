"""RPyC's own connections, live: objects of another machine used from here as if they were here.

- `connection`: RPyC's ``Connection``, guarded: what the other side says is checked in `guard`, what it may do with what
  was passed to it in `exposed`; what stands for its objects is made by `netrefs`, what it raised by `exceptions`.
- `remote`: the classic connection into a session's namespace: ``remote`` in local cells, ``rpyc_kernel.connect``.
- `channels`: its frames inside the session's own messages; `sessions`: a session for a script.
- `services`: ``rpyc_kernel.service``, the root of any service that somebody has written.
"""
