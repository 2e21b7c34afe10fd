"""The variables of the session as debugpy presents them, while no cell is stopped. Imported where debugpy is."""

from __future__ import annotations

import re
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Json = Dict[str, Any]

#: names that are there in every session: IPython's history, and what a module has
HIDDEN = re.compile(
    r"_{1,3}|_i{1,3}|_i?\d+|_[dhio]h|In|Out|exit|quit|get_ipython"
    r"|__(?:name|doc|package|loader|spec|annotations|annotate|builtins?|display|file)__"
)


def shown(variables: List[Any]) -> List[Any]:
    """Leave out the variables that every session has."""
    return [each for each in variables if isinstance(each, dict) and not HIDDEN.fullmatch(str(each.get("name", "")))]


class _SessionCode:
    """The part of a code object that pydevd looks at."""

    co_filename = "<session>"
    co_name = "<module>"
    co_firstlineno = 1


class _SessionFrame:
    """A frame that runs nothing, with the session's variables."""

    f_back = None
    f_lineno = 1
    f_code = _SessionCode()

    def __init__(self, namespace: Json) -> None:
        self.f_globals = self.f_locals = namespace


class SessionVariables:
    """A look at the variables, and at what is in them.

    Args:
        namespace: The variables of cells.
    """

    def __init__(self, namespace: Json) -> None:
        api: Any = import_module("_pydevd_bundle.pydevd_api")
        frames: Any = import_module("_pydevd_bundle.pydevd_frame_utils")
        suspended: Any = import_module("_pydevd_bundle.pydevd_suspended_frames")
        self.variable_presentation = api.PyDevdAPI.VariablePresentation()
        self._frame = _SessionFrame(namespace)
        self._manager = suspended.SuspendedFramesManager()
        self._tracker = suspended._FramesTracker(self._manager, self)
        self._tracker.track("session", frames.create_frames_list_from_frame(self._frame))

    def children(self, reference: int = 0) -> List[Json]:
        """Describe what is in a variable, by its reference; 0 stands for the session.

        Raises:
            KeyError: There is no such variable any more.
        """
        variable = self._manager.get_variable(reference or id(self._frame))
        return [child.get_var_data() for child in variable.get_children_variables()]
