"""The shell for machines without IPython: it runs cells, shows their results and reports their errors.

`code.InteractiveInterpreter` runs one statement at a time, without ``await``, and prints instead of returning results.
"""

from __future__ import annotations

import builtins
import sys
import types

from ...import_hooks import when_imported
from .display.formats import mime_bundle
from .display.publish import Displays
from .facade import CellQuitter, Facade
from .history import History
from .language.compiling import Compiler
from .language.transform import as_typed, is_quiet, transform
from .magics.usage import CellInfo, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ..protocol import ShellOutput
    from .display.figures import Figures
    from .language.compiling import Step

    Content = Dict[str, Any]


class PlainShell:
    """Runs cells in a fresh ``__main__``; implements `protocol.Shell`.

    Creating one replaces ``sys.modules["__main__"]`` and `sys.displayhook` and adds ``display``, ``update_display``,
    ``clear_output`` and ``get_ipython`` to the builtins: there is one shell in a process.
    """

    name = "plain"
    in_a_hurry = False  #: completion never takes long

    def __init__(self, frontend: ShellOutput) -> None:
        self.frontend = frontend
        self.execution_count = 1
        self.kernel: object  #: what ``get_ipython().kernel`` gives; set by the worker
        self.compiler = Compiler()
        self.captured: Optional[List[Tuple[str, Content]]] = None  #: where ``%%capture`` collects displays
        self.payload: List[Content] = []
        self.cell: Tuple[str, str] = ("", "")  #: text and file name of the cell that runs
        self._silent = False
        self._quiet = False
        self._store = True
        # the former module is kept: its functions would lose their globals with it
        self._former_main = sys.modules.get("__main__")
        self.main = types.ModuleType("__main__")
        self.namespace: Dict[str, Any] = self.main.__dict__
        self.namespace["__builtins__"] = builtins
        sys.modules["__main__"] = self.main
        self.history = History(self.namespace)
        self.displays = Displays(self.publish)
        self._figures: Optional[Figures] = None
        self._let_go: Optional[Callable[[], None]] = None  #: ends the steps of a debugger, once there can be one
        self.facade = Facade(self)
        self._add_builtins()
        sys.meta_path.append(IPythonFinder(self.facade))
        for name in ("IPython.display", "IPython.core.display"):  # where it is installed later on
            when_imported(name, self._show_by_ours)
        when_imported("matplotlib", self._have_figures)
        when_imported("bdb", self._keep_in_cells)
        sys.displayhook = self.displayhook

    def _add_builtins(self) -> None:
        added: Dict[str, Any] = {
            "display": self.displays.display,
            "update_display": self.displays.update_display,
            "clear_output": self.displays.clear_output,
            "get_ipython": self.facade.get_ipython,
            # those of `site` close stdin
            "exit": CellQuitter("exit"),
            "quit": CellQuitter("quit"),
        }
        builtins.__dict__.update(added)

    def _show_by_ours(self, module: Any) -> None:
        """Have a module of IPython's show by this shell: without its own shell IPython only prints."""
        for name in ("display", "update_display", "clear_output"):
            if hasattr(module, name):
                setattr(module, name, getattr(self.displays, name))

    def reset_history(self) -> None:
        """``In``, ``Out`` and the names around them, as in the first cell."""
        self.history = History(self.namespace)

    # --- what the worker calls

    async def execute(
        self,
        code: str,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Optional[Content] = None,
        allow_stdin: bool = True,
    ) -> Content:
        """Run a cell; gives the content of its ``execute_reply``. Never raises."""
        count = self.execution_count
        error: Optional[BaseException] = None
        try:
            try:
                error = await self._run_cell(code, silent, store_history and not silent, count)
                if error is None:
                    return {
                        "status": "ok",
                        "execution_count": count,
                        "user_expressions": self._user_expressions(user_expressions or {}),
                        "payload": self.payload,
                    }
            except GeneratorExit:  # nobody waits for this cell any more
                raise
            except BaseException as raised:
                error = raised
            return self._failed(error, count)
        except GeneratorExit:
            raise
        except BaseException as raised:
            content = _not_shown(error or raised, raised)
            try:
                self.publish("error", content)
            except BaseException:
                pass  # pressed again: the reply tells it
            return self._reply(content, count)

    def needs_loop(self, code: str) -> bool:
        """True if the cell awaits something outside functions, so that it has to run inside an event loop."""
        try:
            return self.compiler.awaits(transform(as_typed(code)))
        except Exception:
            return False

    def complete(self, code: str, cursor_pos: Optional[int] = None) -> Content:
        """Content of a ``complete_reply``; offsets in code points. Calls no function of the user's."""
        from .look.completion import complete

        pos = len(code) if cursor_pos is None else cursor_pos
        return complete(code, pos, self.namespace, self.facade.magics)

    def inspect(
        self, code: str, cursor_pos: Optional[int] = None, detail_level: int = 0, omit_sections: Any = ()
    ) -> Content:
        """Content of an ``inspect_reply`` about the name at the cursor, or else the function being called there."""
        from .look.helptext import inspect_at

        pos = len(code) if cursor_pos is None else cursor_pos
        return inspect_at(code, pos, self.namespace, self.facade.magics, detail_level, omit_sections or ())

    def is_complete(self, code: str) -> Content:
        """Content of an ``is_complete_reply``."""
        from .language.completeness import is_complete

        return is_complete(code, self.compiler.flags)

    def cells(self) -> List[Tuple[str, str]]:
        """Name and text of the cells that have run, as Python without magics."""
        found = []
        for name, source in list(self.compiler.sources.items()):
            try:
                found.append((name, transform(source)))
            except Exception:  # it wasn't run either
                continue
        return found

    def name_cells(self, named: Optional[Callable[[str, str], None]]) -> None:
        """Tell a debugger of each cell's code, also of those that have run; None: tell it no more."""
        self.compiler.named = None
        if named is None:
            return
        from ....murmur2 import file_name

        tell = named

        def tell_text(name: str, source: str) -> None:
            tell(name, file_name(source))

        self.compiler.named = tell_text
        for name, source in list(self.compiler.sources.items()):
            tell_text(name, source)

    def format(self, value: Any) -> Tuple[Content, Content]:
        """The data and metadata by which a value is shown."""
        return mime_bundle(value)

    # --- running

    async def _run_cell(self, code: str, silent: bool, store: bool, count: int) -> Optional[BaseException]:
        self.payload = []
        self.captured = None
        self._silent, self._store = silent, store
        code = as_typed(code)
        self._quiet = is_quiet(code)
        if store:
            self.history.add_input(count, code)
            self.execution_count = count + 1
        self._count = count
        filename = self.compiler.name("Cell In[%d]" % count, code)
        self.cell = (code, filename)
        events, info = self.facade.events, CellInfo(code, store, silent)
        events.trigger("pre_execute")
        if not silent:
            events.trigger("pre_run_cell", info)
        outcome = await self.run_source(code, filename)
        if self._let_go is not None:
            self._let_go()
        outcome.info, outcome.execution_count = info, count if store else None
        self.flush_figures()
        events.trigger("post_execute")
        if not silent:
            events.trigger("post_run_cell", outcome)
        return outcome.error

    async def run_source(
        self, source: str, filename: str, local: Any = None, value: str = "single", before: int = 0
    ) -> Outcome:
        """Run cell text. `value` as in `Compiler.steps`; `before` lines stand above it in the file."""
        try:
            steps = self.prepare(source, filename, value, before)
        except BaseException as error:
            return Outcome(error=error)
        return await self.run_steps(steps, local, value == "single")

    def prepare(self, source: str, filename: str, value: str = "single", before: int = 0) -> List[Step]:
        """Compile cell text; raises SyntaxError, and what else compiling can raise."""
        text = "\n" * before + transform(source)
        try:
            return self.compiler.steps(self.compiler.parse(text, filename), filename, value)
        except SyntaxError as error:
            if error.text is None and error.filename == filename and error.lineno:
                # what isn't the parser's looks for the line in a file
                error.text = "".join(text.split("\n")[error.lineno - 1 : error.lineno])
            raise

    async def run_steps(self, steps: List[Step], local: Any = None, show: bool = False) -> Outcome:
        """Run what `prepare` gave. `show`: it was prepared with ``single``."""
        outcome = Outcome()
        for step in steps:
            outcome = self._start(step, local)
            if outcome.error is None and step.awaits:
                try:
                    outcome = Outcome(await outcome.value)
                    if step.wrapped and step.value and show:
                        sys.displayhook(outcome.value)
                except BaseException as error:
                    outcome = Outcome(error=error)
            if outcome.error is not None:
                return outcome
            if not step.value:
                outcome = Outcome()
        return outcome

    def _start(self, step: Step, local: Any) -> Outcome:
        """Run a step, or begin one that awaits: its value is the coroutine then."""
        try:
            if local is None:
                value = eval(step.code, self.namespace)
            else:
                value = eval(step.code, self.namespace, local)
            if step.wrapped:
                return Outcome(self.namespace.pop("<module>")())
            return Outcome(value)
        except BaseException as error:
            return Outcome(error=error)

    # --- what cells show

    def publish(self, msg_type: str, content: Content) -> None:
        """Send a message for the cell, or keep it if ``%%capture`` wants it."""
        if self.captured is not None:
            self.captured.append((msg_type, content))
            return
        self.frontend.publish(msg_type, content)

    @property
    def figures(self) -> Figures:
        """Shows matplotlib's figures; made when matplotlib is imported, or when a magic asks for it."""
        if self._figures is None:
            from .display.figures import Figures

            self._figures = Figures(self.publish)
        return self._figures

    def _have_figures(self, _matplotlib: Any) -> None:
        self.figures  # noqa: B018 - it follows matplotlib from now on

    def _keep_in_cells(self, bdb: Any) -> None:
        from . import debuggers  # late: few cells are debugged

        debuggers.keep_in_cells(bdb)
        self._let_go = debuggers.let_go

    def flush_figures(self) -> None:
        """Show the figures that are open."""
        if self._figures is not None:
            self._figures.flush()

    def displayhook(self, value: Any) -> None:
        """`sys.displayhook`: shows the last value of a cell and remembers it."""
        if value is None or self._silent or self._quiet:
            return
        data, metadata = mime_bundle(value)
        if self._store:
            self.history.add_output(self._count, value)
        if data:
            content = {"execution_count": self._count, "data": data, "metadata": metadata}
            self.publish("execute_result", content)

    # --- replies

    def _failed(self, error: BaseException, count: int) -> Content:
        self.frontend.failed()
        self.captured = None
        content = self.show_error(error)
        return self._reply(content, count)

    def _reply(self, content: Content, count: int) -> Content:
        about = {"status": "error", "execution_count": count, "user_expressions": {}, "payload": self.payload}
        return dict(about, **content)

    def show_error(self, error: BaseException) -> Content:
        """Publish an ``error`` message; returns its content. ``%tb`` and ``%debug`` find the error afterwards."""
        from . import errors  # late: on a board every module counts, and not every session fails

        content = errors.content_of(error)
        errors.remember(error)
        self.publish("error", content)
        return content

    def _user_expressions(self, expressions: Content) -> Content:
        found: Content = {}
        for name, expression in expressions.items():
            try:
                value = eval(self.compiler.code(str(expression), "<expression>", "eval"), self.namespace)
                data, metadata = mime_bundle(value)
                found[name] = {"status": "ok", "data": data, "metadata": metadata}
            except Exception as error:
                from . import errors

                found[name] = dict(errors.content_of(error), status="error")
        return found


class IPythonFinder:
    """A meta path finder for what no other finder has found: a stand-in for IPython (see `ipython`)."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._stand_ins: Any = None

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The stand-in's spec, for code of the user's."""
        if fullname.partition(".")[0] != "IPython":
            return None
        if self._stand_ins is None:
            from .ipython import StandIns  # late: not every session needs it

            self._stand_ins = StandIns(self._facade)
        return self._stand_ins.find_spec(fullname)


def _not_shown(error: BaseException, raised: BaseException) -> Content:
    """An error of which nothing can be shown, since that has raised another; or somebody has pressed stop meanwhile."""
    name, why = (type.__dict__["__name__"].__get__(type(each)) for each in (error, raised))
    if not isinstance(raised, (Exception, SystemExit)):
        return {"ename": why, "evalue": "", "traceback": ["%s, while the cell's %s was to be shown" % (why, name)]}
    text = "it can't be shown: that raises %s" % why
    return {"ename": name, "evalue": text, "traceback": ["%s: %s" % (name, text)]}
