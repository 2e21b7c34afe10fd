"""Finds where strings, brackets and logical lines of a cell begin and end; the text need not be Python yet.

``tokenize`` cannot be used for this: a cell with ``!ls`` or ``obj?`` is not Python, its behaviour on such text differs
from version to version, and completion needs an answer in the middle of an unfinished line. Here one pass over the
characters keeps a stack of what is open, which is all that is needed to know what may be a magic and what may not.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

_PREFIX = re.compile(r"(?:^|[^\w])([rRbBuUfFtT]{1,3})$")
_MAGIC_VALUE = re.compile(r"[ \t]*(%(?=[A-Za-z_])|!)")
_DULL = re.compile(r"[^\s#\\'\"()\[\]{}:?=]+")  # of code: nothing in it can begin or end anything
_DULL_TEXT = re.compile(r"[^\\{\n'\"]+")  # of a string
_CLOSES = {")": "(", "]": "[", "}": "{"}


class Open:
    """A bracket or string that has begun and not ended.

    Attributes:
        kind: ``(``, ``[``, ``{``, ``string``, or ``field`` and ``format`` for the halves of ``f"{field:format}"``.
        start: The offset of the bracket, or of the first quote.
        quote: The quote of a string, one character or three.
        prefix: The prefix of a string, in lower case.
    """

    __slots__ = ("kind", "prefix", "quote", "start")

    def __init__(self, kind: str, start: int, quote: str = "", prefix: str = "") -> None:
        self.kind = kind
        self.start = start
        self.quote = quote
        self.prefix = prefix


class LogicalLine:
    """A logical line: one physical line, or several joined by brackets, strings or backslashes.

    Attributes:
        start: The offset of its first character.
        end: The offset of its line break, or of the end of the text.
        kind: ``code``, ``magic`` (begins with ``%``, ``!`` or ``?``), ``assign`` (``x = %m``, ``x = !c``) or ``help``
            (``x?``).
        mark: The offset of the character that makes it this kind; for code, of the first visible one.
    """

    __slots__ = ("end", "kind", "mark", "start")

    def __init__(self, start: int, end: int, kind: str, mark: int) -> None:
        self.start = start
        self.end = end
        self.kind = kind
        self.mark = mark


class Scan:
    """The result of one pass.

    Attributes:
        lines: The logical lines.
        stack: What is still open where the text ends.
        in_comment: Whether the text ends in a comment.
        continued: Whether the text ends in a backslash that joins the next line.
        last_code: The offset of the last visible character outside comments, -1 if there is none.
    """

    __slots__ = ("continued", "in_comment", "last_code", "lines", "stack")

    def __init__(
        self, lines: List[LogicalLine], stack: List[Open], in_comment: bool, continued: bool, last_code: int
    ) -> None:
        self.lines = lines
        self.stack = stack
        self.in_comment = in_comment
        self.continued = continued
        self.last_code = last_code


def scan(text: str, magics: bool = True) -> Scan:
    """Read ``text`` once; with ``magics`` False ``%``, ``!`` and ``?`` have no meaning."""
    return _Scanner(text, magics).run()


class _Scanner:
    def __init__(self, text: str, magics: bool) -> None:
        self.text = text
        self.magics = magics
        self.stack: List[Open] = []
        self.lines: List[LogicalLine] = []
        self.pos = 0
        self.last_code = -1
        self.in_comment = False
        self.continued = False
        self.first: Optional[int] = None
        self.assign = -1
        self.question = -1

    def run(self) -> Scan:
        size = len(self.text)
        start = 0
        while True:
            self.first, self.assign, self.question = None, -1, -1
            self.continued = self.in_comment = False
            self.pos = start
            mark = self._magic_line(start) if self.magics else -1
            kind = "magic"
            if mark < 0:
                self._code_line()
                kind, mark = self._kind(start)
            self.lines.append(LogicalLine(start, self.pos, kind, mark))
            if self.pos >= size:
                break
            start = self.pos + 1
            if start >= size:
                self.continued = self.in_comment = False
                break
        return Scan(self.lines, self.stack, self.in_comment, self.continued, self.last_code)

    def _kind(self, start: int) -> Tuple[str, int]:
        first = start if self.first is None else self.first
        if self.assign >= 0:
            return "assign", self.assign
        if self.question >= 0 and not self.stack and "\n" not in self.text[start : self.pos]:
            return "help", self.question
        return "code", first

    def _magic_line(self, start: int) -> int:
        """Consume a line that begins with a magic's character, and give its offset. Backslashes join lines here too."""
        text, size = self.text, len(self.text)
        mark = start
        while mark < size and text[mark] in " \t\f":
            mark += 1
        if mark >= size or text[mark] not in "%!?":
            return -1
        end = self._joined_end(mark)
        self.continued = text[end - 1] == "\\"
        self.pos = end
        visible = text[start:end].rstrip()
        self.last_code = start + len(visible) - 1
        return mark

    def _joined_end(self, start: int) -> int:
        """The end of the line, with the lines that backslashes join to it."""
        text, size = self.text, len(self.text)
        while True:
            end = text.find("\n", start)
            if end < 0:
                return size
            if text[end - 1] != "\\":
                return end
            start = end + 1

    def _code_line(self) -> None:
        """Advance to the line break that ends this logical line, or to the end of the text."""
        text, size = self.text, len(self.text)
        while self.pos < size:
            top = self.stack[-1].kind if self.stack else ""
            if top == "string":
                if not self._in_string():
                    return
            elif top == "format":
                self._in_format()
            elif not self._in_code(text[self.pos], top):
                return
        self.pos = size

    def _visible(self) -> None:
        self.last_code = self.pos
        if self.first is None:
            self.first = self.pos

    def _in_code(self, char: str, top: str) -> bool:
        """One step in code. False at the end of the logical line."""
        text = self.text
        if char == "\n":
            if not self.stack and not self.continued:
                return False
            self.continued = self.in_comment = False
        elif self.in_comment:
            end = text.find("\n", self.pos)
            self.pos = (len(text) if end < 0 else end) - 1
        elif char in " \t\f\r":
            pass
        elif char == "#":
            self.in_comment = True
        elif char == "\\" and text[self.pos + 1 : self.pos + 2] in ("\n", ""):
            self.continued = True
        else:
            self._visible()
            dull = _DULL.match(text, self.pos)
            if dull:
                self.pos = dull.end()
                self.last_code = self.pos - 1
                return True
            if char in "'\"":
                self._open_string()
                return True
            self._symbol(char, top)
        self.pos += 1
        return True

    def _symbol(self, char: str, top: str) -> None:
        text = self.text
        if char in "([{":
            self.stack.append(Open(char, self.pos))
        elif char in ")]}":
            if top == _CLOSES[char] or (char == "}" and top == "field"):
                self.stack.pop()
        elif char == ":" and top == "field":
            self.stack.append(Open("format", self.pos))
        elif not self.magics or self.stack:
            return
        elif char == "?":
            if self.question < 0:
                self.question = self.pos
        elif char == "=" and self.assign < 0 and text[self.pos - 1 : self.pos] not in ("=", "!", "<", ">"):
            value = _MAGIC_VALUE.match(text, self.pos + 1)
            if value and text[value.end() : value.end() + 1] != "=":
                # "= %" and "= !" are never Python outside brackets, so that this cannot be an operator
                self.assign = value.start(1)
                self._magic_value(self.assign)

    def _magic_value(self, mark: int) -> None:
        """Skip the text for a magic or the shell: quotes and brackets in it mean nothing here."""
        end = self._joined_end(mark)
        self.last_code = mark + len(self.text[mark:end].rstrip()) - 1
        self.pos = end - 1

    def _open_string(self) -> None:
        text, at = self.text, self.pos
        found = _PREFIX.search(text[max(0, at - 4) : at])
        prefix = found.group(1).lower() if found else ""
        quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
        self.stack.append(Open("string", at, quote, prefix))
        self.pos = at + len(quote)

    def _in_string(self) -> bool:
        """One step in a string. False if the line ended inside a string that may not span lines."""
        text = self.text
        opened = self.stack[-1]
        dull = _DULL_TEXT.match(text, self.pos)
        if dull:
            self.pos = dull.end()
            self.last_code = self.pos - 1
            return True
        char = text[self.pos]
        if char == "\\":
            self.last_code = min(self.pos + 1, len(text) - 1)
            self.pos += 2
        elif text.startswith(opened.quote, self.pos):
            self.pos += len(opened.quote)
            self.last_code = self.pos - 1
            self.stack.pop()
        elif char == "\n" and len(opened.quote) == 1:
            # an error for Python. Nothing that follows may be taken for the string's inside.
            del self.stack[:]
            return False
        elif char == "{" and ("f" in opened.prefix or "t" in opened.prefix):
            # since 3.12 quotes of the same kind may stand in there; before, none may, so that it makes no difference
            if text.startswith("{{", self.pos):
                self.pos += 2
            else:
                self.stack.append(Open("field", self.pos))
                self.pos += 1
        else:
            if not char.isspace():
                self.last_code = self.pos
            self.pos += 1
        return True

    def _in_format(self) -> None:
        """One step in the format specification of an f-string's field, which is text with fields of its own."""
        char = self.text[self.pos]
        if char == "}":
            del self.stack[-2:]
        elif char == "{":
            self.stack.append(Open("field", self.pos))
        self.last_code = self.pos
        self.pos += 1
