"""Tells whether a cell is complete, which consoles ask before they run it or give one more line.

`codeop` decides where a cell is Python; it knows no magics, and before Python 3.8 no ``await`` outside functions.
"""

from __future__ import annotations

import ast
import warnings

from .compiling import DONT_IMPLY_DEDENT, TOP_LEVEL_AWAIT
from .scan import scan
from .transform import as_typed, cell_magic, transform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


def is_complete(code: str, flags: int = 0) -> Dict[str, Any]:
    """Content of an ``is_complete_reply``: ``complete``, ``incomplete`` with an ``indent``, or ``invalid``."""
    code = as_typed(code)
    if not code.strip():
        return {"status": "complete"}
    if cell_magic(code):
        # its body may be anything: an empty line ends it
        lines = code.rstrip(" \t").split("\n")
        return {"status": "complete"} if lines[-1] == "" and len(lines) > 1 else {"status": "incomplete", "indent": ""}
    found = scan(code)
    last = code.rstrip().rsplit("\n", 1)[-1]
    indent = last[: len(last) - len(last.lstrip())]
    if found.stack or found.continued:
        in_string = bool(found.stack) and found.stack[-1].kind == "string"
        if in_string and len(found.stack[-1].quote) == 1 and not code.endswith("\\"):
            return {"status": "invalid"}  # it had to end on its line
        return {"status": "incomplete", "indent": "" if in_string else indent}
    status = _compiles(transform(code), flags)
    if status == "invalid":
        return {"status": "invalid"}
    if _ends_in_colon(code):
        indent += "    "
    if status == "incomplete":
        return {"status": "incomplete", "indent": indent}
    if indent and not code.endswith("\n"):
        return {"status": "incomplete", "indent": indent}  # in a block: an empty line ends it
    return {"status": "complete"}


def _compiles(source: str, flags: int) -> str:
    import codeop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not TOP_LEVEL_AWAIT:
            return _parses(source, flags)
        compiler = codeop.CommandCompiler()
        compiler.compiler.flags |= flags | TOP_LEVEL_AWAIT
        try:
            return "incomplete" if compiler(source, "<cell>", "exec") is None else "complete"
        except Exception:
            return "invalid"


def _parses(source: str, flags: int) -> str:
    """Tell by the parser alone: on 3.7 the compiler refuses ``await`` outside functions.

    Where more line breaks change the error, something was still to come (that is how `codeop` did it then).
    """
    errors = []
    for tail in ("", "\n", "\n\n"):
        try:
            compile(source + tail, "<cell>", "exec", flags | ast.PyCF_ONLY_AST | DONT_IMPLY_DEDENT, True)
            if not tail:
                return "complete"
            errors.append("")
        except Exception as error:
            errors.append(repr(error))
    return "invalid" if errors[1] and errors[1] == errors[2] else "incomplete"


def _ends_in_colon(code: str) -> bool:
    last = scan(code).last_code
    return last >= 0 and code[last] == ":"
