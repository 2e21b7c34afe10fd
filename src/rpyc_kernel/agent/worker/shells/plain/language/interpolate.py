"""Replaces ``{expression}`` and ``$name`` in commands and magics.

`string.Formatter` takes the text apart. It evaluates names and attributes only, as `string.Template` does names only.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Match

_DOLLAR = re.compile(r"\$(\$?)([^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def interpolate(text: str, namespace: Dict[str, Any], local: Any = None) -> str:
    """Replace ``{expression}`` and ``$name`` by their values; ``{{``, ``}}`` and ``$$name`` stand for themselves.

    As in IPython a text with one brace that can't be evaluated keeps all of them, so that ``awk '{print $1}'`` works,
    and ``$HOME`` stays for the system's shell where there is no such variable.
    """
    if "{" not in text and "}" not in text and "$" not in text:
        return text
    scope = {} if local is None else local
    try:
        return _braces(text, namespace, scope)
    except Exception:
        return _dollars(text, namespace, scope)


def _braces(text: str, namespace: Dict[str, Any], scope: Any) -> str:
    import string

    out: List[str] = []
    formatter = string.Formatter()
    for literal, field, spec, conversion in formatter.parse(text):
        out.append(_dollars(literal, namespace, scope))
        if field is None:
            continue
        value = formatter.convert_field(eval(field, namespace, scope), conversion)
        out.append(format(value, _braces(spec, namespace, scope) if spec else ""))
    return "".join(out)


def _dollars(text: str, namespace: Dict[str, Any], scope: Any) -> str:
    def value(found: Match[str]) -> str:
        doubled, name = found.groups()
        if doubled:
            return "$" + name
        first, _, rest = name.partition(".")
        if first not in scope and first not in namespace:
            return found.group(0)
        try:
            return str(eval(name, namespace, scope))
        except Exception:
            try:
                # a file name as in "$stem.txt"
                return str(eval(first, namespace, scope)) + "." + rest
            except Exception:
                return found.group(0)

    return _DOLLAR.sub(value, text)
