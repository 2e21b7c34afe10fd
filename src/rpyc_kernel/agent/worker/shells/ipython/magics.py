"""The magics that ipykernel's shell has beside IPython's own, as far as they can work from afar."""

from __future__ import annotations

import functools
import os
import socket

from IPython.core import magic, page
from IPython.core.error import UsageError
from IPython.core.magic import Magics, magics_class
from IPython.display import Javascript, display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    def line_magic(_function_or_name: Any) -> Any: ...
else:
    from IPython.core.magic import line_magic

CLEAR = "\x1b[H\x1b[2J"  #: for a console


@magics_class
class KernelMagics(Magics):  # type: ignore[misc]
    """The magics that a notebook's shell has beside a terminal's."""

    @line_magic
    def clear(self, line: str) -> None:
        """Clear the screen of a console; in a notebook, ``clear_output()`` clears what the cell has shown."""
        print(CLEAR, end="")

    if os.name == "nt":
        cls = line_magic("cls")(clear)

    @line_magic
    def less(self, line: str) -> None:
        """Show a file of this machine in the pager. ``.py`` files are coloured.

        ``%less FILE``, or ``%more FILE``
        """
        path = os.path.expanduser(line.strip())
        if not path:
            raise UsageError("Missing filename: %less FILE shows a file of " + socket.gethostname())
        try:
            if path.endswith(".py"):
                from IPython.utils.openpy import read_py_file

                text = read_py_file(path, skip_encoding_cookie=False)
                colour = getattr(self.shell, "pycolorize", None)
                text = colour(text) if colour else text
            else:
                with open(path, errors="backslashreplace") as file:
                    text = file.read()
        except OSError as error:
            raise UsageError("%s on %s: %s" % (path, socket.gethostname(), error.strerror or error)) from None
        page.page(text)

    more = line_magic("more")(less)

    if os.name == "posix":

        @line_magic
        def man(self, line: str) -> None:
            """Show the manual page of a command of this machine in the pager: ``%man ls``."""
            if not line.strip():
                raise UsageError("What manual page? %man COMMAND shows that of a command.")
            from subprocess import DEVNULL, PIPE, run

            env = dict(os.environ, MANPAGER="cat")
            try:
                done = run(["man", *line.split()], check=False, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=env)
            except OSError:
                raise UsageError("There is no man on %s." % socket.gethostname()) from None
            text = done.stdout.decode("utf-8", "replace")
            if done.returncode or not text.strip():
                said = done.stderr.decode("utf-8", "replace").strip() or "it shows no manual page of %s" % line.strip()
                raise UsageError("man on %s: %s" % (socket.gethostname(), said))
            page.page(_without_overstrikes(text))

    @line_magic
    def autosave(self, line: str) -> None:
        """Let the notebook save itself every so many seconds; 0: never. Only classic notebooks obey."""
        try:
            seconds = int(line)
        except ValueError:
            raise UsageError("%%autosave requires an integer, got %r" % line) from None
        script = Javascript("IPython.notebook.set_autosave_interval(%i)" % (1000 * seconds))
        display(script, include=["application/javascript"])
        print("Autosaving every %i seconds" % seconds if seconds else "Autosave disabled")

    @line_magic
    def edit(self, line: str = "", last_call: Any = None) -> None:
        """Say how to edit a file of this machine from the notebook: no editor of the page's machine reaches it."""
        name = line.rpartition(" ")[2] or "FILE"
        print(
            "%%edit opens an editor where Jupyter runs, and files of %s are not there. "
            "%%load %s puts one into a cell, and %%%%writefile %s in its first line writes it back."
            % (socket.gethostname(), name, name)
        )

    @line_magic
    def connect_info(self, line: str) -> None:
        """Say where the kernel's connection file is: not on this machine."""
        _say_where("%connect_info", "the kernel's connection file")

    @line_magic
    def qtconsole(self, line: str) -> None:
        """Say where a qtconsole can be opened: not on this machine."""
        _say_where("%qtconsole", "the kernel that a console connects to")

    @line_magic
    def subshell(self, line: str) -> None:
        """Say that there are no subshells."""
        print("Kernel does not support subshells")


def saying_where(name: str, function: Any) -> Any:
    """A line magic; ``%run`` and ``%load`` say on which machine they did not find a file."""
    said = {"run": "File `", "load": "was not found"}.get(name)
    if said is None or function is None:
        return function

    @functools.wraps(function)
    def look_there(parameter: str = "", *args: Any, **options: Any) -> Any:
        try:
            return function(parameter, *args, **options)
        except Exception as error:
            if type(error) not in (Exception, ValueError) or said not in str(error):
                raise
            text = (
                "%%%s: there is no file %s on %s, where it is looked for (in %s). "
                "%%put FILE, in a cell of its own, brings one that is where Jupyter runs."
            )
            words = [word for word in parameter.split() if not word.startswith("-")]
            file = words[0] if words else parameter
            raise UsageError(text % (name, file, socket.gethostname(), os.getcwd())) from None

    return look_there


def _say_where(magic: str, what: str) -> None:
    text = "%s is about %s, which is where Jupyter runs, not on %s. %%%%local in the line above it does it there."
    print(text % (magic, what, socket.gethostname()))


def _without_overstrikes(text: str) -> str:
    """Take from a manual page the backspaces by which ``man`` makes letters bold."""
    import re

    return re.sub(".\x08", "", text)


def load_magics_again(manager: Any) -> None:
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
