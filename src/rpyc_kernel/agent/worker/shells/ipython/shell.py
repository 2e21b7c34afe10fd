"""Cells in IPython's own ``InteractiveShell``, where the machine has it: any version from 7 on, without ipykernel.

That is a notebook's here, which publishes what it shows.
"""

from __future__ import annotations

import builtins
import importlib.util
import linecache
import os
import sys
from binascii import crc32

import IPython
from IPython.core import page, payloadpage
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.events import EventManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import Instance, Type, default, observe
from traitlets.config import Config

from ...cell_frames import hide_ours, without_ours
from ...claims import Claims
from ...error_hints import hints
from ...import_hooks import when_imported
from ...stopped_question import Unmasked
from ..plain.display import traceback_frames, tracebacks
from . import processes
from .database import Database
from .errors import describe, is_too_much
from .ipykernel_names import stand_in, take_names
from .looking import Looking, make_jedi_careful, spare_html
from .magics import KernelMagics, load_magics_again, saying_where
from .profile import IPKernelApp
from .publisher import ZMQDisplayPublisher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ....wire import Json

INLINE = "module://matplotlib_inline.backend_inline"


class IPythonShell(Looking):
    """The shell of a session on a machine with IPython; implements `protocol.Shell`.

    Args:
        profile: The name of the user's profile.
    """

    def __init__(self, profile: str = "default") -> None:
        self.name = "IPython " + IPython.__version__
        if "MPLBACKEND" not in os.environ and importlib.util.find_spec("matplotlib_inline"):
            os.environ["MPLBACKEND"] = INLINE
        app = IPKernelApp(profile)
        self._app: Optional[Any] = app  # it runs a profile's start-up files before the first cell
        self._shell = make_shell(app)
        self._stripped: Any = None  # what takes blank lines off the top of a cell, while a debugger counts lines
        when_imported("jedi", make_jedi_careful)
        spare_html(self._shell)
        if "show" in builtins.__dict__:  # jedi completes no name that somebody has added to them
            self._shell.push({"show": builtins.__dict__["show"]}, interactive=False)

    @property
    def facade(self) -> Any:
        """The result of ``get_ipython()``: IPython's shell."""
        return self._shell

    @property
    def kernel(self) -> Any:
        """The value of ``get_ipython().kernel``."""
        return self._shell.kernel

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._shell.kernel = value
        stand_in(value, type(self._shell.displayhook))

    @property
    def execution_count(self) -> int:
        """The number of the next cell."""
        return int(self._shell.execution_count)

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        self._shell.execution_count = value
        history = self._shell.history_manager  # ``In`` is a list: cells that ran elsewhere have a place in it too
        for inputs in (history.input_hist_parsed, history.input_hist_raw):
            inputs.extend([""] * (value - len(inputs)))

    def cells(self) -> List[Tuple[str, str]]:
        """Name and text of the cells that have run, as Python without magics."""
        inputs = self._shell.history_manager.input_hist_parsed
        return [("<Cell In[%d]>" % number, text) for number, text in enumerate(inputs) if text]

    def name_cells(self, named: Optional[Callable[[str, str], None]]) -> None:
        """Tell a debugger of each cell's code, also of those that have run; None: tell it no more.

        The lines of a cell are those that the front end counts: IPython keeps blank ones at the top meanwhile.
        """
        shell = self._shell
        shell.compile.named = named
        transforms = shell.input_transformer_manager.cleanup_transforms
        if named is None:
            if self._stripped is not None and self._stripped not in transforms:
                transforms.insert(0, self._stripped)
            self._stripped = None
            return
        from ....murmur2 import file_name as murmur2_name  # late: few sessions are debugged

        if transforms and transforms[0].__name__ == "leading_empty_lines":
            self._stripped = transforms.pop(0)
        for name, text in list(shell.compile.texts.items()):
            named(name, murmur2_name(text))

    def format(self, value: Any) -> Tuple[Json, Json]:
        """The data and metadata by which a value is shown."""
        data, metadata = self._shell.display_formatter.format(value)
        return data, metadata

    def needs_loop(self, code: str) -> bool:
        """Whether a cell may await something outside functions, by its text or by what changes that."""
        transformers = getattr(self._shell, "input_transformers_post", ()), self._shell.ast_transformers
        return "async" in code or any(transformers)

    async def execute(
        self, code: str, silent: bool, store_history: bool, user_expressions: Dict[str, str], allow_stdin: bool
    ) -> Json:
        """Run a cell; returns the content of its ``execute_reply``."""
        shell = self._shell
        shell.forget_errors()
        if self._app is not None and not silent:
            app, self._app = self._app, None
            app.begin(shell)
        failed = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, failed = code, sys.exc_info()
        error, told = await _run(shell, code, silent, store_history, transformed, failed)
        reply: Json = {"status": "ok" if error is None and told is None else "error"}
        reply["execution_count"] = shell.execution_count - (1 if store_history and not silent else 0)
        if reply["status"] == "error":
            reply.update(told or describe(error), user_expressions={})
        else:
            reply["user_expressions"] = shell.user_expressions(user_expressions)
        reply["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        return reply


async def _run(shell: Any, code: str, silent: bool, store: bool, transformed: str, failed: Any) -> Tuple[Any, Any]:
    """Run a cell and the hooks after it, whose errors are shown and are not the cell's.

    Returns:
        The exception that ended the cell, or None; and the content of its ``error`` message, or None.
    """
    result = None
    options = {"transformed_cell": transformed, "preprocessing_exc_tuple": failed}
    if "run_cell" in vars(shell) and not shell.should_run_async(
        code, **options
    ):  # as ipykernel: ``%autopx`` replaces it
        result = shell.run_cell(code, store_history=store, silent=silent)
        return _told(shell, result)
    try:
        result = await shell.run_cell_async(code, store_history=store, silent=silent, **options)
        return _told(shell, result)
    finally:
        shell.events.trigger("post_execute")
        if not silent:
            shell.events.trigger("post_run_cell", result)


def _told(shell: Any, result: Any) -> Tuple[Any, Any]:
    """The result of `_run`, from an ``ExecutionResult``."""
    if result is None:  # of a `run_cell` that is not IPython's
        return None, None
    error = result.error_before_exec if result.error_before_exec is not None else result.error_in_exec
    return error, shell.error_of_cell(error)


class CellCompiler(CachingCompiler):  # type: ignore[misc]
    """Compiles cells, and keeps their source in `linecache`.

    The names of cells look like ipykernel's: paths, since rich and profilers show no source of ``<...>``. No file of
    the name need exist. Only a debugger needs the hash that ipykernel takes: by it, a front end names the file of a
    cell. In Python, that hash takes 0.9 ms for a cell of 10 kB.

    Attributes:
        named: Is told each path and the front end's name of the file, while there is a debugger.
        texts: The cells that have run, by their paths.
    """

    named: Optional[Callable[[str, str], None]] = None

    def __init__(self) -> None:
        super().__init__()
        self.texts: Dict[str, str] = {}

    def cache(self, transformed_code: str, *args: Any, **options: Any) -> str:
        """Keep a cell's text for tracebacks, in lines as Python counts them. Returns its path."""
        name: str = super().cache(transformed_code, *args, **options)
        if len(transformed_code.splitlines()) != (transformed_code + "\n").rstrip("\n").count("\n") + 1:
            from ...source_lines import source_lines  # late: few cells need it

            for cache in (linecache.cache, getattr(linecache, "_ipython_cache", {})):  # IPython 7 has one of its own
                if name in cache:
                    cache[name] = len(transformed_code), None, source_lines(transformed_code), name
        return name

    def get_code_name(self, raw_code: str, _transformed_code: str, _number: int) -> str:
        """The path of a cell, by its text and this process."""
        number = crc32(raw_code.encode("utf-8", "surrogatepass")) & 0xFFFFFFFF
        name = os.path.join(_temporary_folder(), "ipykernel_%d" % os.getpid(), "%d.py" % number)
        self.texts[name] = raw_code
        if self.named is not None:
            from ....murmur2 import file_name as murmur2_name  # late: few sessions are debugged

            self.named(name, murmur2_name(raw_code))
        return name


class LenientEventManager(EventManager):  # type: ignore[misc]
    """IPython's functions around cells: shows whatever one raises, ``sys.exit()`` too.

    IPython lets that through: each cell would fail by it, also the one that takes the function away.
    """

    def trigger(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Call what is registered. What it raises is shown and goes no further."""
        for function in list(self.callbacks[event]):
            try:
                function(*args, **kwargs)
            except BaseException:
                print("Error in callback %r (for %s):" % (function, event))
                self.shell.showtraceback()


class FrontendDisplayHook(Claims, DisplayHook):  # type: ignore[misc]
    """Publishes the last value of a cell.

    Attributes:
        shows: Whether a value is being shown.
    """

    shows = False

    def start_displayhook(self) -> None:
        """Nothing is printed before a value."""
        self.shows = True

    def write_output_prompt(self) -> None:
        """The front end shows the prompt."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Publish the formats of a value."""
        content = {"execution_count": self.prompt_count, "data": format_dict, "metadata": md_dict or {}}
        self.frontend.publish("execute_result", content)

    def finish_displayhook(self) -> None:
        """Nothing is printed after a value."""
        self.shows = False


class ZMQInteractiveShell(Claims, InteractiveShell):  # type: ignore[misc]
    """An ``InteractiveShell`` without a terminal.

    Its name is that of ipykernel's: by it, libraries find out that they are in a notebook.
    """

    kernel = AnyTrait()
    events: Any
    enable_html_pager = False
    _database: Any = None
    begins = False  #: while the user's startup files run
    keepkernel_on_exit: Optional[bool] = None
    exiter = Instance(ZMQExitAutocall)
    compiler_class = Type(CellCompiler)

    @default("exiter")
    def _default_exiter(self) -> Any:
        return ZMQExitAutocall(self)

    @observe("ipython_dir")
    def _ipython_dir_changed(self, change: Any) -> None:
        """Make no folder."""

    @property
    def db(self) -> Any:
        """The database of ``%store``."""
        if self._database is None:
            self._database = Database(os.path.join(self.profile_dir.location, "db"))
        return self._database

    @db.setter
    def db(self, value: Any) -> None:
        """Keep ours: older versions of IPython set theirs, and make its folder."""

    def init_events(self) -> None:
        """IPython's events, with functions that can't end a cell."""
        super().init_events()
        own = self.events.callbacks
        self.events = LenientEventManager(self, own)
        self.events.callbacks.update(own)

    def init_magics(self) -> None:
        """IPython's magics, and those of a kernel."""
        super().init_magics()
        self.register_magics(KernelMagics)
        self.magics_manager.register_alias("ed", "edit")

    def find_line_magic(self, magic_name: str) -> Any:
        """A line magic, or None."""
        return saying_where(magic_name, super().find_line_magic(magic_name))

    def _find_with_lazy_load(self, kind: str, magic_name: str) -> Any:  # from IPython 8 on
        found = super()._find_with_lazy_load(kind, magic_name)
        return saying_where(magic_name, found) if kind == "line" else found

    def get_parent(self) -> Json:
        """The request that the running code belongs to."""
        return dict(self.kernel.get_parent())

    # errors

    def forget_errors(self) -> None:
        """Forget the errors that were shown before: a cell begins."""
        self._told: Any = (None, None)  # the exception of the last ``error`` message, and its content
        self._failed_display: Optional[Json] = None
        self.displayhook.shows = False

    @property
    def shown_last(self) -> Optional[BaseException]:
        """The exception that was shown last since the cell began."""
        return self._told[0]  # type: ignore[no-any-return]

    def error_of_cell(self, error: Optional[BaseException]) -> Optional[Json]:
        """The content of the ``error`` message of a cell, by its exception or by a value that can't be shown."""
        if error is None:
            return self._failed_display
        return self._told[1] if self._told[0] is error else None

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        """As IPython's, without our own frames, here and for ``%debug`` later."""
        kind, error, trace = super()._get_exc_info(exc_tuple)
        hide_ours(error)
        sys.last_traceback = trace = without_ours(trace)
        return kind, error, trace

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = [str(line) for line in (stb if isinstance(stb, (list, tuple)) else [stb])]
        lines.extend(hint for hint in hints(evalue) if hint not in lines)
        content = dict(describe(evalue, etype), traceback=lines)
        self._last_traceback, self._told = lines, (evalue, content)
        if self.begins:
            sys.stderr.write("\n".join([*lines, ""]))
            return
        if self.displayhook.shows:
            self._failed_display = content
        self.frontend.publish("error", content)

    def showtraceback(
        self,
        exc_tuple: Any = None,
        filename: Any = None,
        tb_offset: Any = None,
        exception_only: bool = False,
        **more: Any,
    ) -> None:
        """Show an error, also one that IPython can't format."""
        self.frontend.failed()
        try:
            if not self._show_too_much(exc_tuple, exception_only):
                super().showtraceback(exc_tuple, filename, tb_offset, exception_only, **more)
        except Unmasked:  # the debugger that %pdb has opened was stopped; the error was shown before
            self.frontend.failed()

    def showsyntaxerror(self, filename: Any = None, *args: Any, **options: Any) -> None:
        """Show a SyntaxError, also one that IPython can't format."""
        if not self._show_too_much(None, False):
            super().showsyntaxerror(filename, *args, **options)

    def _show_too_much(self, exc_tuple: Any, only: bool) -> bool:
        """Show an error that IPython can't format; False if it can."""
        try:
            kind, error, _trace = self._get_exc_info(exc_tuple)
        except ValueError:
            return False
        if not isinstance(error, BaseException) or not is_too_much(error):
            return False
        hint = ["An exception has occurred, use %tb to see the full traceback.\n"]
        lines = [*hint, *tracebacks.final(error)] if only else tracebacks.format_error(error)
        self._showtraceback(kind, error, lines)
        if self.call_pdb and not only:
            self.debugger(force=True)
        return True

    def _format_exception_for_storage(self, exception: Any, *args: Any, **options: Any) -> Any:
        """As IPython's, which fails for an exception that can't be shown."""
        content = describe(exception)
        try:
            if is_too_much(exception):
                return dict(content, traceback=tracebacks.format_error(exception))
            return super()._format_exception_for_storage(exception, *args, **options)
        except Exception:
            return content

    # what needs no terminal

    def enable_gui(self, gui: Any = None) -> None:
        """There is no event loop of a window system to be joined."""

    def ask_exit(self) -> None:
        """``exit`` ends the front end (the console obeys, a notebook doesn't)."""
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": self.keepkernel_on_exit})

    def set_next_input(self, s: str, replace: bool = False) -> None:
        """Offer text for the next cell (``%load``, ``%recall``)."""
        self.payload_manager.write_payload({"source": "set_next_input", "text": s, "replace": replace})


def make_shell(app: IPKernelApp) -> Any:
    """The one ``InteractiveShell`` of this process, configured as the user has IPython configured."""
    take_names(ZMQInteractiveShell, ZMQDisplayPublisher, KernelMagics)
    processes.install()
    try:
        shell = _make_instance(app, app.config)
    except Exception as error:
        app.complain("with the configuration of IPython in %s, which is left out" % app.profile_dir.location, error)
        shell = _make_instance(app, Config())
    traceback_frames.name_cell = getattr(shell.compile, "format_code_name", None)
    shell.forget_errors()
    load_magics_again(shell.magics_manager)
    shell.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)
    return shell


def _make_instance(app: IPKernelApp, wanted: Config) -> Any:
    config = Config()
    config.HistoryManager.enabled = False  # a file that all sessions of the user write into; who wants it says so
    config.IPKernelApp.quiet = True  # tqdm and others take its presence for that of a notebook
    config.merge(wanted)
    classes = {"displayhook_class": FrontendDisplayHook, "display_pub_class": ZMQDisplayPublisher}
    config.InteractiveShell.update(classes)
    return ZMQInteractiveShell.instance(
        config=config, ipython_dir=app.ipython_dir, profile_dir=app.profile_dir, **classes
    )


def _temporary_folder() -> str:
    """The folder that `tempfile` would choose, mostly without importing it, which takes 5 ms: no file is written."""
    folder = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")  # noqa: S108
    if os.path.isabs(folder) and os.access(folder, os.W_OK):
        return folder
    from tempfile import gettempdir

    return gettempdir()
