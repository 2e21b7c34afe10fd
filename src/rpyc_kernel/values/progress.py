"""Shows how far a transfer is: tqdm's bar, which is right in JupyterLab, in a console and in a log."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELAY_S = 1.0  # a transfer that is shorter shows nothing
INTERVAL_S = 0.2
COLUMNS = 80


@contextlib.contextmanager
def shown(what: str, total: int, file: IO[str] | Any) -> Iterator[Callable[[int], None]]:
    """Within it there is a bar for a transfer of bytes, from its second second on.

    Args:
        what: A few words in front of the bar.
        total: All bytes.
        file: Where the bar is written.

    Yields:
        A function that takes the bytes that have been carried so far. Any one thread may call it.
    """
    from tqdm import tqdm  # noqa: PLC0415 - 20 ms, and most notebooks copy nothing

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread that looks after bars which nobody moves

    bar = Bar(
        total=total, desc=what, unit="B", unit_scale=True, unit_divisor=1024, delay=DELAY_S, mininterval=INTERVAL_S,
        ncols=COLUMNS, file=file,
    )  # fmt: skip

    def update(done: int) -> None:
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        bar.close()
