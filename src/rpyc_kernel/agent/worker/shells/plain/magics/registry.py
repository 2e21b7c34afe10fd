"""Finds and runs magics, each in a module that is imported with its first use."""

from __future__ import annotations

import importlib
import os

from .usage import MagicUsageError, Outcome, drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    from ...protocol import CellRunner

#: name → (module, function). Line functions take (shell, line, locals), cell functions (shell, line, cell, locals).
LINE: Dict[str, Tuple[str, str]] = {
    "cat": ("process", "cat"),
    "cd": ("files", "cd"),
    "config": ("shell", "config"),
    "debug": ("shell", "debug"),
    "env": ("files", "env"),
    "history": ("shell", "history"),
    "less": ("files", "less"),
    "ls": ("process", "ls"),
    "lsmagic": ("shell", "lsmagic"),
    "man": ("process", "man"),
    "matplotlib": ("shell", "matplotlib"),
    "mkdir": ("process", "mkdir"),
    "more": ("files", "less"),
    "pinfo": ("shell", "pinfo"),
    "pinfo2": ("shell", "pinfo2"),
    "pip": ("process", "pip"),
    "pwd": ("files", "pwd"),
    "reset": ("names", "reset"),
    "run": ("run", "run"),
    "set_env": ("files", "set_env"),
    "sx": ("process", "sx"),
    "system": ("process", "sx"),
    "tb": ("shell", "tb"),
    "time": ("time", "time_line"),
    "timeit": ("timeit", "timeit_line"),
    "who": ("names", "who"),
    "who_ls": ("names", "who_ls"),
    "whos": ("names", "whos"),
}
CELL: Dict[str, Tuple[str, str]] = {
    "bash": ("process", "script_bash"),
    "capture": ("capture", "capture"),
    "html": ("shell", "show_html"),
    "javascript": ("shell", "show_javascript"),
    "js": ("shell", "show_javascript"),
    "latex": ("shell", "show_latex"),
    "markdown": ("shell", "show_markdown"),
    "script": ("process", "script"),
    "sh": ("process", "script_sh"),
    "svg": ("shell", "show_svg"),
    "sx": ("process", "sx_cell"),
    "system": ("process", "sx_cell"),
    "time": ("time", "time_cell"),
    "timeit": ("timeit", "timeit_cell"),
    "writefile": ("files", "writefile"),
}
if os.name == "nt":
    CELL["cmd"] = ("process", "script_cmd")
#: those whose text is code, in which ``$name`` and ``{name}`` are not replaced
_LITERAL = frozenset(["time", "timeit", "capture", "pinfo", "pinfo2", "config", "history"])

_IPYTHON_LINE = (
    "alias alias_magic aimport autoawait autocall automagic autoreload autosave bookmark cls code_wrap clear colors "
    "conda cp dhist dirs doctest_mode gui hist killbgscripts ldir lf lk ll load load_ext "
    "loadpy logoff logon logstart logstate logstop lx macro magic mamba micromamba mv "
    "notebook page pastebin pdb pdef pdoc pfile popd pprint precision prun psearch psource pushd pycat pylab "
    "quickref recall rehashx reload_ext rep rerun reset_selective rm rmdir save sc store"
    " unalias unload_ext uv watch xdel xmode"
)
_IPYTHON_CELL = "HTML SVG code_wrap debug file perl prun pypy python python2 python3 ruby"
_WHERE_JUPYTER_RUNS = ("connect_info", "ed", "edit", "qtconsole")
#: the package of a magic that neither IPython nor this shell has of its own
_EXTENSIONS = {"cython": "Cython", "lprun": "line_profiler", "memit": "memory_profiler", "mprun": "memory_profiler"}
_INSTALL = "To get it, run %pip install {} here, then restart the kernel"


class Magics:
    """The magics of a session: ours, and those that the user registered."""

    def __init__(self, shell: CellRunner) -> None:
        self._shell = shell
        self._own: Dict[str, Dict[str, Callable[..., Any]]] = {"line": {}, "cell": {}}

    def names(self, kind: str) -> List[str]:
        """Sorted names of all ``line`` or ``cell`` magics."""
        return sorted(set(LINE if kind == "line" else CELL) | set(self._own[kind]))

    def find(self, kind: str, name: str) -> Callable[..., Any]:
        """Find the function of a magic, which takes ``(shell, line[, cell], locals)``.

        Raises:
            MagicUsageError: There is none; the text says what to do instead.
        """
        own = self._own[kind].get(name)
        if own is not None:
            return lambda _shell, *args: own(*args[:-1])
        place = (LINE if kind == "line" else CELL).get(name)
        if place is None:
            raise MagicUsageError(self._unknown(kind, name))
        module = importlib.import_module("." + place[0], __package__)
        function: Callable[..., Any] = getattr(module, place[1])
        return function

    def register(self, function: Callable[..., Any], kind: str, name: str) -> None:
        """Add a magic of the user's. `kind`: ``line``, ``cell`` or ``line_cell``."""
        if kind not in ("line", "cell", "line_cell"):
            raise ValueError("magic_kind must be line, cell or line_cell, not %r" % (kind,))
        for each in kind.split("_"):
            self._own[each][name] = function

    def decorator(self, kind: str) -> Callable[[Any], Any]:
        """A decorator that makes a function a magic of this kind, under its name."""

        def decorate(function: Any) -> Any:
            self.register(function, kind, function.__name__)
            return function

        return decorate

    def run_line(self, name: str, line: str, local: Any) -> Any:
        return _finish(self.find("line", name)(self._shell, self._expand(name, line, local), local))

    def run_cell(self, name: str, line: str, cell: str, local: Any) -> Any:
        return _finish(self.find("cell", name)(self._shell, self._expand(name, line, local), cell, local))

    async def run_line_async(self, name: str, line: str) -> Any:
        return await _finish_async(self.find("line", name)(self._shell, line, None))

    async def run_cell_async(self, name: str, line: str, cell: str) -> Any:
        return await _finish_async(self.find("cell", name)(self._shell, line, cell, None))

    def _expand(self, name: str, line: str, local: Any) -> str:
        if name in _LITERAL or not ("$" in line or "{" in line):
            return line
        from ..language.interpolate import interpolate

        return interpolate(line, self._shell.namespace, local)

    def _unknown(self, kind: str, name: str) -> str:
        mark = "%" if kind == "line" else "%%"
        if name.startswith("%"):
            return "%%%s must stand on the first line of its cell." % name
        table, other, sign = (LINE, CELL, "%%") if kind == "line" else (CELL, LINE, "%")
        if name in other or name in self._own["cell" if kind == "line" else "line"]:
            return "%s%s is a %s magic: write %s%s." % (mark, name, "cell" if kind == "line" else "line", sign, name)
        if name in (_IPYTHON_LINE if kind == "line" else _IPYTHON_LINE + " " + _IPYTHON_CELL).split():
            text = "%s%s is a magic of IPython, which is not installed on this machine. " % (mark, name)
            return text + _INSTALL.format("ipython") + "."
        if kind == "line" and name in _WHERE_JUPYTER_RUNS:
            return "%%%s is about the machine where Jupyter runs: %%%%local in the line above it does it there." % name
        if name in _EXTENSIONS:
            package = _EXTENSIONS[name]
            text = "%s%s is a magic of the package %s, for IPython. " % (mark, name, package)
            return text + _INSTALL.format("ipython " + package) + " and run %%load_ext %s." % package
        import difflib

        near = difflib.get_close_matches(name, list(table) + list(self._own[kind]), 3, 0.6)
        hint = " Did you mean %s?" % " or ".join(mark + each for each in near) if near else ""
        return "There is no magic %s%s.%s %%lsmagic lists those of this machine." % (mark, name, hint)


def _finish(result: Any) -> Any:
    if hasattr(result, "cr_await"):
        result = drive(result)
    return result.unwrap() if isinstance(result, Outcome) else result


async def _finish_async(result: Any) -> Any:
    if hasattr(result, "cr_await"):
        result = await result
    return result.unwrap() if isinstance(result, Outcome) else result
