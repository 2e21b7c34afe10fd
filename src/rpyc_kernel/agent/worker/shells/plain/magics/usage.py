"""The error of a magic that can't do what it was asked, and the result of running a piece of code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


class MagicUsageError(Exception):
    """A magic that doesn't exist or was used wrongly. Its text is all that the user sees: it has no traceback."""


MagicUsageError.__name__ = MagicUsageError.__qualname__ = "UsageError"  # as IPython's, which users know


class CellInfo:
    """A cell as functions around cells get it, by the names that IPython has."""

    __slots__ = ("cell_id", "raw_cell", "shell_futures", "silent", "store_history")

    def __init__(self, raw_cell: str, store_history: bool, silent: bool) -> None:
        self.raw_cell, self.store_history, self.silent = raw_cell, store_history, silent
        self.shell_futures, self.cell_id = True, None

    def __repr__(self) -> str:
        return "<CellInfo raw_cell=%r>" % self.raw_cell


class Outcome:
    """A value or an error, returned instead of raised.

    A coroutine cannot raise what code raises: StopIteration would become RuntimeError on the way (PEP 479).
    """

    __slots__ = ("error", "execution_count", "info", "value")

    def __init__(self, value: Any = None, error: Optional[BaseException] = None) -> None:
        self.value = value
        self.error = error
        self.execution_count: Optional[int] = None
        self.info: Optional[CellInfo] = None

    def __repr__(self) -> str:
        return "<Outcome error=%r>" % self.error if self.error is not None else "<Outcome value=%r>" % (self.value,)

    # by the names that IPython's result has

    @property
    def success(self) -> bool:
        return self.error is None

    @property
    def result(self) -> Any:
        return self.value

    @property
    def error_before_exec(self) -> Optional[BaseException]:
        return self.error if isinstance(self.error, SyntaxError) else None

    @property
    def error_in_exec(self) -> Optional[BaseException]:
        return None if isinstance(self.error, SyntaxError) else self.error

    def raise_error(self) -> None:
        """Raise what the code raised."""
        self.unwrap()

    def unwrap(self) -> Any:
        """The value; raises the error."""
        if self.error is not None:
            raise self.error
        return self.value


def drive(coroutine: Any) -> Any:
    """The result of a coroutine that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("this code awaits something, which only works at the top level of a cell")
