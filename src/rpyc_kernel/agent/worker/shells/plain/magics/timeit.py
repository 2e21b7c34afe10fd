"""``%timeit`` and ``%%timeit``.

`timeit.Timer` indents a statement's text into a function's text, which changes strings that span lines, and an error of
the statement would show its frames. Here the function is put together as a tree.
"""

from __future__ import annotations

import ast
import gc
import time

from ..language.transform import transform
from .options import number, split_options
from .time import body_place, format_time
from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    from ..shell import PlainShell

MIN_RUN_S = 0.2  #: seconds that a run takes for which nobody has chosen the number of loops

_FRAME = """
def inner(_it, _timer):
    pass
    _start = _timer()
    for _each in _it:
        pass
    return _timer() - _start
"""


class TimeitResult:
    """The result of ``%timeit -o``: ``average``, ``stdev``, ``best``, ``worst`` in seconds a loop, ``all_runs``."""

    def __init__(self, loops: int, runs: List[float], precision: int) -> None:
        self.loops = loops
        self.repeat = len(runs)
        self.all_runs = runs
        self.timings = [each / loops for each in runs]
        self.best = min(self.timings)
        self.worst = max(self.timings)
        self.average = sum(self.timings) / len(runs)
        self.stdev = (sum((each - self.average) ** 2 for each in self.timings) / len(runs)) ** 0.5
        self._precision = precision

    def __str__(self) -> str:
        return "%s ± %s per loop (mean ± std. dev. of %d run%s, %s loop%s each)" % (
            format_time(self.average, self._precision),
            format_time(self.stdev, self._precision),
            self.repeat,
            "" if self.repeat == 1 else "s",
            "{:,}".format(self.loops),
            "" if self.loops == 1 else "s",
        )

    def __repr__(self) -> str:
        return "<TimeitResult : %s>" % self


def timeit_line(shell: PlainShell, line: str, local: Any) -> Optional[TimeitResult]:
    """``%timeit [-n LOOPS] [-r RUNS] [-q] [-o] STATEMENT``: run it many times and print mean and deviation."""
    return _timeit(shell, line, None, local)


def timeit_cell(shell: PlainShell, line: str, cell: str, local: Any) -> Optional[TimeitResult]:
    """``%%timeit [options] [SETUP]``: time the cell; the code in the first line runs before each run, untimed."""
    return _timeit(shell, line, cell, local)


def _timeit(shell: PlainShell, line: str, cell: Optional[str], local: Any) -> Optional[TimeitResult]:
    options, rest = split_options("timeit", line, "qotc", "nrp")
    statement, setup = (rest, "") if cell is None else (cell, rest)
    if not statement.strip():
        if cell is None:
            return None
        raise MagicUsageError("%%timeit needs code below its line.")
    loops = number("timeit", "n", options.get("n", "0"))
    repeat = max(1, number("timeit", "r", options.get("r", "7")))
    precision = number("timeit", "p", options.get("p", "3"))
    timer = time.process_time if "c" in options else time.perf_counter
    inner = _compile(shell, statement, setup, local, cell is not None)
    if loops < 1:  # powers of ten, as IPython's
        loops = 1
        while _once(inner, loops, timer) < MIN_RUN_S and loops < 10**9:
            loops *= 10
    runs = [_once(inner, loops, timer) for _ in range(repeat)]
    result = TimeitResult(loops, runs, precision)
    if "q" not in options:
        if result.best > 0 and result.worst > 4 * result.best and result.worst > 1e-6:
            print(
                "The slowest run took %.2f times longer than the fastest. "
                "This could mean that an intermediate result is being cached." % (result.worst / result.best)
            )
        print(result)
    return result if "o" in options else None


def _once(inner: Callable[..., float], loops: int, timer: Callable[[], float]) -> float:
    import itertools

    collecting = gc.isenabled()
    gc.disable()
    try:
        return inner(itertools.repeat(None, loops), timer)
    finally:
        if collecting:
            gc.enable()


def _compile(shell: PlainShell, statement: str, setup: str, local: Any, is_cell: bool) -> Callable[..., float]:
    """Make the function that runs the setup and then times a loop over the statement."""
    if is_cell:
        filename, before = body_place(shell, statement)
    else:
        filename, before = shell.compiler.name("%timeit", statement), 0
    frame = ast.parse(_FRAME)
    function = frame.body[0]
    assert isinstance(function, ast.FunctionDef)
    loop = function.body[2]
    assert isinstance(loop, ast.For)
    loop.body = shell.compiler.parse("\n" * before + transform(statement), filename).body or loop.body
    if setup.strip():
        function.body[:1] = shell.compiler.parse(transform(setup), shell.compiler.name("%timeit", setup)).body
    # what the frame adds must not carry lines of its own, or errors would point at lines of the cell at random
    scope = shell.namespace if local is None else dict(shell.namespace, **local)
    made: Any = {}
    exec(shell.compiler.code(frame, filename, "exec"), scope, made)
    function_made: Callable[..., float] = made["inner"]
    return function_made
