"""Says in a cell that the page has no JavaScript for a widget that comes from the other machine.

Half of each widget library is JavaScript, which a Jupyter server gives the page from *its* environment. For a local
kernel both halves come with one ``pip install``; another machine has its own versions. JupyterLab then shows an error
with names of JavaScript modules; this says what to install, and where.

What a page has is known where its Jupyter server runs in this kernel's environment, as ``pip install rpyc-kernel``
beside JupyterLab makes it. Elsewhere nothing is said: a server in another environment has other extensions, and VS Code
gets its JavaScript from the web.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_path

from rpyc_kernel.kernel.sessions.comm_table import WIDGETS, CommTable
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.ports import CellOutput, HostedSession
    from rpyc_kernel.link.protocol import LinkStatus

MANAGER = "@jupyter-widgets/jupyterlab-manager"  # the extension that has ipywidgets' own JavaScript
CORE = ("@jupyter-widgets/base", "@jupyter-widgets/controls", "@jupyter-widgets/output")
CORE_SINCE_MANAGER = 4  # the major version of the extension since which the modules have the version 2, as ipywidgets 8
PACKAGES = {"jupyter-matplotlib": "ipympl", "@bokeh/jupyter_bokeh": "jupyter_bokeh"}  # not named as their JavaScript
MAX_NAME_CHARS = 100

OLD = (
    "This page has the JavaScript of ipywidgets {page}, which can't show the widgets of ipywidgets {there} on {name}. "
    "`%pip install -U 'ipywidgets=={page}.*'` and `%restart` bring that machine the version that fits."
)
MISSING = (
    "This page has no JavaScript for widgets of {module}, which are made on {name}: install {package} beside "
    "JupyterLab on this machine too, and load the page again."
)
OTHER = (
    "This page's JavaScript for widgets of {module} has the version {page}, and {name} wants {there}: install one "
    "version of {package} on both machines, and load the page again."
)


class PageWidgets:
    """Looks at each widget that is made on another machine. It is a `Watcher` of what comes from sessions.

    Args:
        output: Shows the sentences.
        comms: Knows whose a widget is.

    Attributes:
        asked: Whether a page with widgets has asked this kernel for its own: before, nobody would show them.
    """

    def __init__(self, output: CellOutput, comms: CommTable) -> None:
        self._output = output
        self._comms = comms
        self._known: set[tuple[str, str]] = set()  # modules with their versions that were looked at
        self.asked = False

    watched = frozenset({"comm_open"})

    def before(self, message: Message) -> None:
        """Say what a widget needs that the page doesn't have, once for each module. On the link's thread."""
        if message.content.get("target_name") != WIDGETS or not self.asked:
            return
        data = message.content.get("data")
        state = data.get("state") if isinstance(data, dict) else None
        if not isinstance(state, dict):
            return
        key = str(state.get("_model_module", "")), str(state.get("_model_module_version", ""))
        if key in self._known:
            return
        self._known.add(key)
        session = self._comms.session_of(str(message.content.get("comm_id")))
        have = extensions() if serves_this_environment() else {}
        if session is not None and (text := sentence(*key, have, session.name)):
            self._known |= {(module, key[1]) for module in CORE} if key[0] in CORE else set()
            self._output.say(text, message.parent, "stderr")

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Do nothing: a link that changes changes no widget."""


def sentence(module: str, wanted: str, have: dict[str, str], name: str) -> str:
    """Return what to tell of a widget, "" where the page can show it or isn't known.

    Args:
        module: The widget's JavaScript module.
        wanted: The version of it that the Python there asks for, a range of npm's.
        have: The version of each extension of the page; {} if that isn't known.
        name: The machine.
    """
    if MANAGER not in have or not module:
        return ""
    module, wanted = plain(module, MAX_NAME_CHARS), plain(wanted, MAX_NAME_CHARS)
    if module in CORE:
        page = 8 if _numbers(have[MANAGER])[:1] >= [CORE_SINCE_MANAGER] else 7
        there = 7 if _numbers(wanted)[:1] == [1] else 8
        return OLD.format(page=page, there=there, name=name) if page != there else ""
    package = PACKAGES.get(module, module)
    if module not in have:
        return MISSING.format(module=module, package=package, name=name)
    if not fits(wanted, have[module]):
        return OTHER.format(module=module, package=package, name=name, page=have[module], there=wanted)
    return ""


def fits(wanted: str, version: str) -> bool:
    """Return whether a version is in a range such as ``^1.2``, ``~0.11.*`` or ``2.0.0``; True for what isn't known."""
    if not re.fullmatch(r"[\^~]?\d+(\.(\d+|\*|x))*", wanted):
        return True
    want, has = _numbers(wanted), _numbers(version)
    fixed = 2 if wanted[0] == "~" or want[0] == 0 else 1
    if wanted[0] not in "^~":
        fixed = len(want)
    return want[:fixed] == has[: len(want[:fixed])] and has >= want


def extensions() -> dict[str, str]:
    """Return the version of each extension of JupyterLab that a server in this environment gives a page."""
    found: dict[str, str] = {}
    for folder in map(Path, jupyter_path("labextensions")):
        for file in (*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")):
            try:
                about = json.loads(file.read_text("utf-8"))
                found.setdefault(str(about["name"]), str(about["version"]))
            except (OSError, ValueError, LookupError, TypeError):
                continue
    return found


def serves_this_environment() -> bool:
    """Return whether the Jupyter server that has started this kernel runs in the kernel's own environment."""
    import psutil  # noqa: PLC0415 - ipykernel, which brings it, imports it late too

    try:
        server = psutil.Process(int(os.environ["JPY_PARENT_PID"])).cmdline()[0]
    except (LookupError, ValueError, OSError, psutil.Error):
        return False
    return bool(Path(server).is_absolute() and Path(server).parent == Path(sys.executable).parent)


def _numbers(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)[:3]]
