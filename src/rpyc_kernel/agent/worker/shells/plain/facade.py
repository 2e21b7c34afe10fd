"""The result of ``get_ipython()``: the part of IPython's shell that cells and libraries use most."""

from __future__ import annotations

import sys

from .magics.usage import Outcome, drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Awaitable, Callable, Dict, List, Optional

    from ..protocol import CellRunner
    from .magics.registry import Magics


class CellQuitter:
    """``exit`` and ``quit``: they end the cell, as `sys.exit` does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return "To end the session, shut down or restart the kernel; %s() ends the cell." % self._name

    def __call__(self, code: Any = None, keep_kernel: bool = True) -> None:
        raise SystemExit() if code is None else SystemExit(code)


class CellEvents:
    """Functions to be called around cells: ``pre_execute``, ``pre_run_cell``, ``post_execute``, ``post_run_cell``.

    Attributes:
        callbacks: The functions of each of these events, in their order, as in IPython.
    """

    _NAMES = ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell")

    def __init__(self) -> None:
        self.callbacks: Dict[str, List[Callable[..., Any]]] = {name: [] for name in self._NAMES}

    def register(self, event: str, function: Callable[..., Any]) -> None:
        """Call the function at each event. The ``run_cell`` events give it one argument."""
        if function not in self.callbacks[event]:
            self.callbacks[event].append(function)

    def unregister(self, event: str, function: Callable[..., Any]) -> None:
        """Raises ValueError if it isn't registered."""
        self.callbacks[event].remove(function)

    def trigger(self, event: str, *args: Any) -> None:
        """Call what is registered. What it raises is shown and goes no further."""
        for function in list(self.callbacks[event]):
            try:
                try:
                    function(*args)
                except TypeError:
                    # as in IPython a callback may do without the argument
                    if not args:
                        raise
                    function()
            except BaseException as error:  # sys.exit() too: each cell would fail, also the one that takes it away
                from .display.tracebacks import format_error

                sys.stderr.write("Error in callback %r (for %s):\n" % (function, event))
                sys.stderr.write("\n".join(format_error(error)) + "\n")


class Facade:
    """The object that ``get_ipython()`` returns on a machine without IPython."""

    def __init__(self, shell: CellRunner) -> None:
        self._shell = shell
        self.events = CellEvents()
        self._magics: Optional[Magics] = None

    def __repr__(self) -> str:
        return "<the built-in shell of rpyc-kernel; IPython is not installed on this machine>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        text = (
            "get_ipython().%s is IPython's, which is not installed on this machine: the built-in shell runs the cells."
        )
        raise AttributeError(text % name)

    def get_ipython(self) -> Facade:
        """The shell's interface for cells."""
        return self

    @property
    def magics(self) -> Magics:
        """The magics of the session; made when one is used, or asked for."""
        if self._magics is None:
            from .magics.registry import Magics

            self._magics = Magics(self._shell)
        return self._magics

    @property
    def kernel(self) -> Any:
        return self._shell.kernel

    @property
    def user_ns(self) -> Dict[str, Any]:
        return self._shell.namespace

    @property
    def user_global_ns(self) -> Dict[str, Any]:
        return self._shell.namespace

    @property
    def user_module(self) -> Any:
        return self._shell.main

    @property
    def execution_count(self) -> int:
        return self._shell.execution_count

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """``%name line``; gives its value. Raises MagicUsageError if there is no such magic."""
        return self.magics.run_line(magic_name, line, _locals(_stack_depth))

    def magic(self, arg_s: str) -> Any:
        """``%name line`` in one text, with the percent sign or without."""
        name, _, line = arg_s.strip().lstrip("%").partition(" ")
        return self.magics.run_line(name, line, _locals(1))

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """``%%name line`` with the cell's other lines; gives its value."""
        return self.magics.run_cell(magic_name, line, cell, _locals(1))

    def run_line_magic_async(self, magic_name: str, line: str) -> Awaitable[Any]:
        """As `run_line_magic`, for code that awaits."""
        return self.magics.run_line_async(magic_name, line)

    def run_cell_magic_async(self, magic_name: str, line: str, cell: str) -> Awaitable[Any]:
        """As `run_cell_magic`, for code that awaits."""
        return self.magics.run_cell_async(magic_name, line, cell)

    def register_magic_function(self, func: Callable[..., Any], magic_kind: str = "line", magic_name: str = "") -> None:
        """Make a function a magic: called with the line, as ``cell`` magic with the line and the cell."""
        self.magics.register(func, magic_kind, magic_name or func.__name__)

    def system(self, cmd: str) -> None:
        """``!cmd``: run it in the system's shell; what it writes appears as it comes."""
        from .language.interpolate import interpolate
        from .process import system

        self._shell.namespace["_exit_code"] = system(interpolate(cmd, self._shell.namespace, _locals(1)))

    def getoutput(self, cmd: str, split: bool = True) -> Any:
        """``x = !cmd``: the lines that the command writes; with `split` False one text."""
        from .language.interpolate import interpolate
        from .process import getoutput

        lines, status = getoutput(interpolate(cmd, self._shell.namespace, _locals(1)))
        self._shell.namespace["_exit_code"] = status
        return lines if split else "\n".join(lines)

    def run_cell(self, raw_cell: str, store_history: bool = False, silent: bool = False) -> Outcome:
        """Run cell text from code. Errors are shown, and given as ``error`` of what is returned."""
        shell = self._shell
        filename = shell.compiler.name("Cell In[%d] run_cell" % shell.execution_count, raw_cell)
        outcome: Outcome = drive(shell.run_source(raw_cell, filename, value="eval"))
        if outcome.error is not None:
            if not isinstance(outcome.error, Exception):
                raise outcome.error
            shell.show_error(outcome.error)
        elif not silent and outcome.value is not None:
            shell.displays.display(outcome.value)
        return outcome

    def set_next_input(self, text: str, replace: bool = False) -> None:
        """Put text into a new cell below, or with `replace` into this one."""
        payload = self._shell.payload
        payload[:] = [each for each in payload if each.get("source") != "set_next_input"]
        payload.append({"source": "set_next_input", "text": text, "replace": replace})

    def push(self, variables: Dict[str, Any]) -> None:
        """Add variables to the namespace."""
        self._shell.namespace.update(variables)

    def ev(self, expr: str) -> Any:
        """The value of an expression in the namespace."""
        return eval(expr, self._shell.namespace)

    def ex(self, cmd: str) -> None:
        """Run statements in the namespace."""
        exec(cmd, self._shell.namespace)

    def showtraceback(self, exc_tuple: Any = None, *_args: Any, **_options: Any) -> None:
        """Show an error, by default the one that is being handled, or else was shown last."""
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1] or getattr(sys, "last_value", None)
        if error is not None:
            self._shell.show_error(error)

    showsyntaxerror = showtraceback

    def show_usage_error(self, error: BaseException) -> None:
        """Say on stderr what was used wrongly."""
        sys.stderr.write("UsageError: %s\n" % error)

    def ask_exit(self) -> None:
        """``exit`` ends the front end (the console obeys, a notebook doesn't)."""
        self._shell.payload.append({"source": "ask_exit", "keepkernel": None})


def _locals(depth: int) -> Any:
    """The local variables of the code that called, None at the top level of a cell."""
    frame = sys._getframe(depth + 1)
    found = frame.f_locals
    return None if found is frame.f_globals else found
