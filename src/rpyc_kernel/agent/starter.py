"""The text that a Python is started with to become a keeper or a worker: it gets ``boot.py`` through its stdin.

Until it is one, the user's folders don't count: a file ``json.py`` there must not be taken for Python's own.
"""

from __future__ import annotations

_TEXT = (
    "import os, sys; path = sys.path[:]; own = os.path.dirname(os.path.dirname(os.__file__)); "
    "sys.path[:] = sorted(filter(None, path), key=lambda each: not each.startswith(own)); "
    "f = %s; n = int(f.readline()); s = {'__name__': 'boot', 'user_path': path};"
    "exec(compile(f.read(n), '<rpyc-kernel boot>', 'exec'), s); s['%s'](f)"
)
KEEPER = _TEXT % ("sys.stdin.buffer", "start_keeper")
WORKER = _TEXT % ("os.fdopen(os.dup(0), 'rb')", "start_worker")
