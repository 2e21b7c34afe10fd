"""What the commands have in common: writing to a terminal, and reading a command line."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn


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
    """Print on a terminal of whatever encoding: names may be of any script."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
