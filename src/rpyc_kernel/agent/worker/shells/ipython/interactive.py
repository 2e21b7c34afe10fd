"""IPython's ``InteractiveShell`` as a notebook's, which publishes what it shows. Imported where IPython is."""

from __future__ import annotations

import linecache
import os
import sys

from IPython.core import magic, page, payloadpage
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.events import EventManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import Instance, Type, default, observe
from traitlets.config import Config

from ....murmur2 import file_name
from ...cell_frames import hide_ours, without_ours
from ...claims import Claims
from ...error_hints import hints
from ...stopped_question import Unmasked
from ..plain.display import traceback_frames, tracebacks
from . import processes
from .database import Database
from .errors import describe, is_too_much
from .ipykernel_names import take_names
from .magics import KernelMagics, saying_where
from .profile import IPKernelApp
from .publisher import ZMQDisplayPublisher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    from ....wire import Json


class CellCompiler(CachingCompiler):  # type: ignore[misc]
    """Compiles cells, and keeps their source in `linecache`.

    The names of cells are ipykernel's: paths, since rich and profilers show no source of ``<...>``. No file of the name
    need exist.

    Attributes:
        named: Is told each path and the file's name in it, while there is a debugger.
    """

    named: Optional[Callable[[str, str], None]] = None

    @property
    def names(self) -> List[str]:
        """The paths of the cells that have run: IPython keeps their source."""
        prefix = os.path.join(_temporary_folder(), "ipykernel_%d" % os.getpid(), "")
        return [name for name in list(linecache.cache) if name.startswith(prefix)]

    def get_code_name(self, raw_code: str, _transformed_code: str, _number: int) -> str:
        """The path of a cell, by its text and this process."""
        name = os.path.join(_temporary_folder(), "ipykernel_%d" % os.getpid(), file_name(raw_code))
        if self.named is not None:
            self.named(name, os.path.basename(name))
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
    _load_magics_again(shell.magics_manager)
    shell.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)
    return shell


def _load_magics_again(manager: Any) -> None:
    """Let a magic that IPython (of late) loads with its first use be loaded again where a stop has cut that off."""
    load = getattr(manager, "load_lazy", None)
    if load is None or not hasattr(manager, "_loaded_lazy"):
        return

    def load_lazy(*args: Any, **options: Any) -> None:
        loaded = set(manager._loaded_lazy)
        try:
            load(*args, **options)
        except BaseException:
            manager._loaded_lazy &= loaded
            magic.magics.update(line={}, cell={})  # or the next class takes the names of the one that was cut off
            raise

    manager.load_lazy = load_lazy


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
