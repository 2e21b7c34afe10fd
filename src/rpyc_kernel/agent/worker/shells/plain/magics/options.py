"""Options of magics: ``-n10 -r 3 rest``.

`getopt` takes a line that is split already; the rest of a magic's line is code, and has to stay as it was typed.
"""

from __future__ import annotations

import re

from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

_WORD = re.compile(r"\s*(\S+)")


def split_options(magic: str, line: str, flags: str = "", valued: str = "") -> Tuple[Dict[str, str], str]:
    """Take the options from the beginning of a magic's line.

    Args:
        magic: Its name, for an error's text.
        line: What follows the name.
        flags: The letters of options without a value, as in ``-q``.
        valued: The letters of options with a value, as in ``-n 5`` or ``-n5``.

    Returns:
        The options, and the rest of the line.

    Raises:
        MagicUsageError: An option isn't known, or its value is missing.
    """
    options: Dict[str, str] = {}
    at = 0
    while True:
        found = _WORD.match(line, at)
        if not found or not re.match(r"-[A-Za-z]", found.group(1)):
            return options, line[at:].strip()
        word = found.group(1)
        at = found.end()
        if word[1] in valued:
            value = word[2:]
            if not value:
                found = _WORD.match(line, at)
                if not found:
                    raise MagicUsageError("%%%s: -%s needs a value." % (magic, word[1]))
                value, at = found.group(1), found.end()
            options[word[1]] = value
            continue
        for letter in word[1:]:
            if letter not in flags:
                known = " ".join("-" + each for each in flags + valued)
                raise MagicUsageError("%%%s has no option -%s; it knows %s." % (magic, letter, known or "none"))
            options[letter] = ""


def number(magic: str, letter: str, value: str) -> int:
    """Read the value of an option as a number; raises MagicUsageError."""
    try:
        return int(value)
    except ValueError:
        raise MagicUsageError("%%%s: -%s needs a number, not %r." % (magic, letter, value)) from None


def words(magic: str, line: str) -> List[str]:
    """Split as the system's shell does. Raises MagicUsageError for a quote that doesn't end."""
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        raise MagicUsageError("%%%s: %s." % (magic, error)) from None
