"""Cells in IPython's own ``InteractiveShell``, where the machine has it: any version from 7 on, without ipykernel."""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys

from ...import_hooks import when_imported
from .errors import describe
from .ipykernel_names import stand_in
from .looking import make_jedi_careful, needs_property, spare_html

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Set, Tuple

    from ....wire import Json

INLINE = "module://matplotlib_inline.backend_inline"


class IPythonShell:
    """The shell of a session on a machine with IPython; implements `protocol.Shell`.

    Args:
        profile: The name of the user's profile.

    Attributes:
        in_a_hurry: Whether completion has to do without jedi.
    """

    def __init__(self, profile: str = "default") -> None:
        import IPython

        from .interactive import make_shell
        from .profile import IPKernelApp

        self.name = "IPython " + IPython.__version__
        if "MPLBACKEND" not in os.environ and importlib.util.find_spec("matplotlib_inline"):
            os.environ["MPLBACKEND"] = INLINE
        app = IPKernelApp(profile)
        self._app: Optional[Any] = app  # it runs a profile's start-up files before the first cell
        self._shell = make_shell(app)
        self.in_a_hurry = self._without_jedi = False
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
        if transforms and transforms[0].__name__ == "leading_empty_lines":
            self._stripped = transforms.pop(0)
        for name in shell.compile.names:
            named(name, os.path.basename(name))

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

    def complete(self, code: str, cursor_pos: int) -> Json:
        """The content of a ``complete_reply``, with the types that JupyterLab shows."""
        from IPython.core.completer import provisionalcompleter, rectify_completions

        completer = self._shell.Completer
        if self.in_a_hurry and completer.use_jedi:
            completer.use_jedi, self._without_jedi = False, True
        elif self._without_jedi and not self.in_a_hurry:
            completer.use_jedi, self._without_jedi = True, False
        completions = completer.completions(code, cursor_pos)  # of which nothing is looked for yet
        if not hasattr(completer, "evaluation"):  # before IPython 8.9 it runs what stands before the dot
            before, dot, _name = code[:cursor_pos].rpartition(".")
            if dot and needs_property(before, self._shell.user_ns):
                completions = []
        with provisionalcompleter():
            found = list(rectify_completions(code, completions))
        types = [
            {"start": item.start, "end": item.end, "text": item.text, "type": item.type, "signature": item.signature}
            for item in found
        ]
        return {
            "status": "ok",
            "matches": [item.text for item in found],
            "cursor_start": found[0].start if found else cursor_pos,
            "cursor_end": found[0].end if found else cursor_pos,
            "metadata": {"_jupyter_types_experimental": types},
        }

    def is_complete(self, code: str) -> Json:
        """Content of an ``is_complete_reply``."""
        status, indent = self._shell.input_transformer_manager.check_complete(code)
        return {"status": status, "indent": " " * (indent or 0)} if status == "incomplete" else {"status": status}

    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: Set[str]) -> Json:
        """The content of an ``inspect_reply``."""
        from IPython.utils.tokenutil import token_at_cursor

        reply: Json = {"status": "ok", "found": False, "data": {}, "metadata": {}}
        name = token_at_cursor(code, cursor_pos)
        if needs_property(name.rpartition(".")[0], self._shell.user_ns):
            return reply
        options = {"omit_sections": omit_sections} if omit_sections else {}
        try:
            reply["data"] = self._shell.object_inspect_mime(name, detail_level=detail_level, **options)
        except KeyError:
            return reply
        if not self._shell.enable_html_pager:
            reply["data"].pop("text/html", None)
        reply["found"] = True
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
