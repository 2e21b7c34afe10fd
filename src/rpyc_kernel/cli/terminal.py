"""Writes to a terminal and reads command lines, for all commands."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDING_SIGNALS = ("SIGTERM", "SIGHUP")


class RefusalError(Exception):
    """Raised for what can't be done, or is written wrongly. Its text is the sentence for the user.

    Attributes:
        code: The exit code: 1 (it failed) or 2 (it can't be asked for).
    """

    def __init__(self, sentence: str, code: int = 2) -> None:
        super().__init__(sentence)
        self.code = code


class Parser(argparse.ArgumentParser):
    """Raises RefusalError for a command line that is written wrongly, instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise it. argparse calls this."""
        raise RefusalError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help says how to write it.")


def say(text: str, *, error: bool = False) -> None:
    """Print on a terminal of whatever encoding: names may be of any script. A pipe or a file gets it at once too."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within it, SIGTERM and SIGHUP raise SystemExit on the main thread, so that what was begun is ended."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]
        before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
