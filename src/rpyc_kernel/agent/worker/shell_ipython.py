"""Cells in IPython's own ``InteractiveShell``, where the machine has it: any version from 7 on, without ipykernel."""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
import traceback
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set

    from ..wire import Json
    from .port import Port

INLINE = "module://matplotlib_inline.backend_inline"


class IPythonShell:
    """The shell of a session on a machine with IPython; see "Shells" in ``docs/architecture.md``.

    :param scratch: a folder for the profile of a user who has none, removed with the session; None if there is no place
    """

    def __init__(self, port: Port, scratch: Optional[str] = None) -> None:
        import IPython

        self.name = "IPython " + IPython.__version__
        if "MPLBACKEND" not in os.environ and importlib.util.find_spec("matplotlib_inline"):
            os.environ["MPLBACKEND"] = INLINE
        self._shell = _make_interactive_shell(port, scratch)
        if "show" in builtins.__dict__:  # jedi completes no name that somebody has added to them
            self._shell.push({"show": builtins.__dict__["show"]}, interactive=False)

    @property
    def facade(self) -> Any:
        """What ``get_ipython()`` gives."""
        return self._shell

    @property
    def kernel(self) -> Any:
        """What ``get_ipython().kernel`` gives."""
        return self._shell.kernel

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._shell.kernel = value

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

    def needs_loop(self, code: str) -> bool:
        """IPython imports asyncio anyway, so that everything runs in the loop."""
        return True

    async def execute(
        self, code: str, silent: bool, store_history: bool, user_expressions: Dict[str, str], allow_stdin: bool
    ) -> Json:
        """Run a cell; the content of its ``execute_reply``."""
        shell = self._shell
        shell.last_error = None
        failed = None
        try:
            transformed = shell.transform_cell(code)
        except Exception:
            transformed, failed = code, sys.exc_info()
        result = await _run(shell, code, silent, store_history, transformed, failed)
        error = result.error_before_exec or result.error_in_exec
        reply: Dict[str, Any] = {"status": "ok" if error is None and shell.last_error is None else "error"}
        reply["execution_count"] = shell.execution_count - (1 if store_history and not silent else 0)
        if reply["status"] == "error":
            reply.update(shell.last_error or _describe(error))
        else:
            reply["user_expressions"] = shell.user_expressions(user_expressions)
        reply["payload"] = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        return reply

    def complete(self, code: str, cursor_pos: int) -> Json:
        """The content of a ``complete_reply``, with the types that JupyterLab shows."""
        from IPython.core.completer import provisionalcompleter, rectify_completions

        with provisionalcompleter():
            found = list(rectify_completions(code, self._shell.Completer.completions(code, cursor_pos)))
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

    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: Set[str]) -> Json:
        """The content of an ``inspect_reply``."""
        from IPython.utils.tokenutil import token_at_cursor

        reply: Json = {"status": "ok", "found": False, "data": {}, "metadata": {}}
        name = token_at_cursor(code, cursor_pos)
        options = {"omit_sections": omit_sections} if omit_sections else {}
        try:
            reply["data"] = self._shell.object_inspect_mime(name, detail_level=detail_level, **options)
        except KeyError:
            return reply
        if not self._shell.enable_html_pager:
            reply["data"].pop("text/html", None)
        reply["found"] = True
        return reply


async def _run(shell: Any, code: str, silent: bool, store_history: bool, transformed: str, failed: Any) -> Any:
    result = None
    try:
        result = await shell.run_cell_async(
            code,
            store_history=store_history,
            silent=silent,
            transformed_cell=transformed,
            preprocessing_exc_tuple=failed,
        )
    finally:
        shell.events.trigger("post_execute")
        if not silent:
            shell.events.trigger("post_run_cell", result)
    return result


def _make_interactive_shell(port: Port, scratch: Optional[str]) -> Any:
    """The one ``InteractiveShell`` of this process, whose output goes through the port."""
    from IPython.core import page, payloadpage
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class PortDisplayHook(DisplayHook):  # type: ignore[misc]
        """Publishes the last value of a cell."""

        def start_displayhook(self) -> None:
            """Nothing is printed before it."""

        def write_output_prompt(self) -> None:
            """The front end shows the prompt."""

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            """Publish the formats of a value."""
            content = {"execution_count": self.prompt_count, "data": format_dict, "metadata": md_dict or {}}
            port.publish("execute_result", content)

        def finish_displayhook(self) -> None:
            """Nothing is printed after it."""

    class PortDisplayPublisher(DisplayPublisher):  # type: ignore[misc]
        """Publishes what ``display`` shows."""

        def publish(
            self,
            data: Any,
            metadata: Any = None,
            source: Any = None,
            *,
            transient: Any = None,
            update: bool = False,
            **_more: Any,
        ) -> None:
            """Publish one display."""
            content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
            port.publish("update_display_data" if update else "display_data", content)

        def clear_output(self, wait: bool = False) -> None:
            """Clear what the cell has shown; with ``wait``, once something new comes."""
            port.publish("clear_output", {"wait": wait})

    class ZMQInteractiveShell(InteractiveShell):  # type: ignore[misc]
        """An ``InteractiveShell`` without a terminal.

        Its name is that of ipykernel's: by it, libraries find out that they are in a notebook.
        """

        last_error: Optional[Json] = None
        kernel: Any = None
        enable_html_pager = False

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            self.last_error = dict(_describe(evalue, etype), traceback=stb)
            port.publish("error", self.last_error)

        def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
            """Show an error; an exception group, which IPython would print, too."""
            try:
                kind, error, trace = self._get_exc_info(exc_tuple)
            except ValueError:
                trace = error = kind = None
            if _holds_group(error):
                self._showtraceback(kind, error, _plain_traceback(kind, error, trace))
            else:
                super().showtraceback(exc_tuple, *args, **options)

        def _format_exception_for_storage(self, exception: Any, *args: Any, **options: Any) -> Any:
            """As IPython's, which fails for an exception that can't be shown."""
            try:
                return super()._format_exception_for_storage(exception, *args, **options)
            except Exception:
                return _describe(exception)

        def enable_gui(self, gui: Any = None) -> None:
            """There is no event loop of a window system to be joined."""

        def ask_exit(self) -> None:
            """``exit`` ends the front end (the console obeys, a notebook doesn't)."""
            self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": False})

        def set_next_input(self, s: str, replace: bool = False) -> None:
            """Offer text for the next cell (``%load``, ``%recall``)."""
            self.payload_manager.write_payload({"source": "set_next_input", "text": s, "replace": replace})

    config = Config()
    config.HistoryManager.enabled = False
    config.IPKernelApp.quiet = True  # tqdm and others take its presence for that of a notebook
    config.InteractiveShell.displayhook_class = PortDisplayHook
    config.InteractiveShell.display_pub_class = PortDisplayPublisher
    profile = os.path.join(os.path.expanduser("~"), ".ipython", "profile_default")
    options = {}
    if scratch and "IPYTHONDIR" not in os.environ and not os.path.isdir(profile):
        options["ipython_dir"] = scratch
    shell = ZMQInteractiveShell.instance(
        config=config, displayhook_class=PortDisplayHook, display_pub_class=PortDisplayPublisher, **options
    )
    if "ipykernel.zmqshell" not in sys.modules:  # others look whether it is there
        sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
        sys.modules["ipykernel.zmqshell"].__dict__["ZMQInteractiveShell"] = ZMQInteractiveShell
    shell.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)
    return shell


def _holds_group(error: Optional[BaseException]) -> bool:
    group = getattr(builtins, "BaseExceptionGroup", None)
    while error is not None and group:
        if isinstance(error, group):
            return True
        error = error.__context__
    return False


def _plain_traceback(kind: Any, error: Any, trace: Any) -> List[str]:
    """Python's own traceback, from the cell on."""
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("IPython."):
        trace = trace.tb_next
    return "".join(traceback.format_exception(kind, error, trace)).splitlines()


def _describe(error: BaseException, kind: Optional[type] = None) -> Json:
    try:
        text = str(error)
    except Exception:
        text = "<exception whose __str__ failed>"
    return {"ename": (kind or type(error)).__name__, "evalue": text, "traceback": []}
