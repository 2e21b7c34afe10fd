"""What of debugpy's answers a front end is told, and what debugpy is told to leave alone. No I/O."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    Json = Dict[str, Any]

MAX_MODULES = 10000
PROGRAMS = ("<string>", "<stdin>")  #: files of a Python that was started with ``-c``
OWN = os.path.join("debugpy", "_vendored")  #: in the paths of what debugs


def attach_arguments(arguments: Json) -> Json:
    """What debugpy is told: the user's code alone, unless all is wanted; IPython's own frames never."""
    rules = []
    for name in ("IPython", "traitlets"):
        folder = getattr(sys.modules.get(name), "__path__", None)
        rules += [{"path": "%s/**" % each, "include": False} for each in folder or ()]
    mine = arguments.get("justMyCode", True) is not False
    options = [] if mine else ["DebugStdLib"]
    return {"justMyCode": mine, "debugOptions": options, "rules": rules, "stopAllThreadsOnSuspend": True}


def modules(arguments: Json) -> Json:
    """The modules of this Python whose source can be looked at: the body of a response."""
    first, count = int(arguments.get("startModule") or 0), int(arguments.get("moduleCount") or MAX_MODULES)
    known = list(sys.modules.items())
    found = []
    for number, (name, module) in list(enumerate(known))[first : first + min(count, MAX_MODULES)]:
        path = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(path, str) and path.endswith(".py") and os.path.isabs(path) and OWN not in path:
            found.append({"id": number, "name": name, "path": path})
    return {"modules": found, "totalModules": len(known)}


def leave_out_program(body: Json) -> None:
    """Leave out the outermost frames of a thread that are of no code of the user's: the event loop's, the program's."""
    found = body.get("stackFrames") or []
    loops = getattr(sys.modules.get("asyncio"), "__path__", None) or [""]
    while found:
        path = (found[-1].get("source") or {}).get("path", "")
        if path not in PROGRAMS and os.path.dirname(path) != loops[0]:
            break
        found.pop()
        body["totalFrames"] = max(len(found), body.get("totalFrames", 0) - 1)
