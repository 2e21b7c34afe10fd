"""The program text by which a Python becomes a keeper, a worker or a placed server, and reads ``boot.py``.

Until then the user's folders don't count: a file ``json.py`` there must not be taken for Python's own.
"""

from __future__ import annotations

import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Dict

_TEXT = (
    "import os, sys, marshal; path = sys.path[:]; own = os.path.dirname(os.path.dirname(os.__file__)); "
    "sys.path[:] = sorted(filter(None, path), key=lambda each: not each.startswith(own)); "
    "f = %s; p, c, t = f.readline().decode().split(); c = f.read(int(c)); t = f.read(int(t)); "
    "ours = p == '%%s-%%x' %% (sys.implementation.cache_tag, sys.hexversion); "
    "s = {'__name__': 'boot', 'user_path': path}; "
    "exec(marshal.loads(c) if ours else compile(t, '<rpyc-kernel boot>', 'exec'), s); del c, t; s['%s'](f)"
)
KEEPER = _TEXT % ("sys.stdin.buffer", "start_keeper")
PLACED = _TEXT % ("sys.stdin.buffer", "start_placed")
WORKER = _TEXT % ("os.fdopen(os.dup(0), 'rb')", "start_worker")

compiled: Dict[bytes, CodeType] = {}  #: the code of ``boot.py`` by its text, as this process has compiled it


def first_words(boot: bytes) -> bytes:
    """The first bytes for such a Python: which version has compiled ``boot.py``, the code, and the text for others."""
    if boot not in compiled:
        compiled[boot] = compile(boot, "<rpyc-kernel boot>", "exec", optimize=2)
    code = marshal.dumps(compiled[boot])
    python = "%s-%x" % (sys.implementation.cache_tag, sys.hexversion)
    return b"%s %d %d\n%s%s" % (python.encode("ascii"), len(code), len(boot), code, boot)
