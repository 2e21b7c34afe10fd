"""Sets up the log of this package: through Jupyter's handlers to the server's terminal, or to a file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOGGER = "rpyc_kernel"
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up(level: str, file: str, handlers: Iterable[logging.Handler]) -> None:
    """Log records of *level* or above to *file*, or without one to Jupyter's *handlers*.

    Raises:
        OSError: The file can't be opened.
    """
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    if file:
        to_file = logging.FileHandler(file, encoding="utf-8", delay=True)
        to_file.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(to_file)
        return
    for handler in handlers:
        logger.addHandler(_PassOn(handler))


class _PassOn(logging.Handler):
    """Passes records on to one of Jupyter's handlers, whatever the level of that application is."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as that handler would."""
        self._handler.emit(record)
