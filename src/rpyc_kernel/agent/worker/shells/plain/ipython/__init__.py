"""A stand-in for IPython on a machine without it, which cells and modules of the user's import.

Libraries must not take it for IPython: they ask ``sys.modules``, or import it and see whether that works. So the
stand-in is never left in ``sys.modules``. Each import of it is a search that ends at `IPythonFinder`, which looks who
imports. It answers with a spec of another name, under which the import system keeps the module.

An import of ``IPython.display`` wants its parent in ``sys.modules`` until the submodule was set as an attribute of it;
there `StandIn` takes it out again.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, List, Optional, Tuple

    from ..facade import Facade

#: the modules of the stand-in; each has names, or the module of ours that defines them
_DISPLAY = ".display"
MODULES: Dict[str, Any] = {
    "IPython": ("get_ipython", "display", "core", "lib", "version_info", "__version__"),
    "IPython.core": ("display", "display_functions", "getipython", "magic"),
    "IPython.core.display": _DISPLAY,
    "IPython.core.display_functions": _DISPLAY,
    "IPython.core.getipython": ("get_ipython",),
    "IPython.core.magic": ("register_cell_magic", "register_line_cell_magic", "register_line_magic"),
    "IPython.display": _DISPLAY,
    "IPython.lib": ("display",),
    "IPython.lib.display": _DISPLAY,
}
INSTALL = "IPython is not installed on this machine. To get it, run %pip install ipython here, then restart the kernel."
_LIBRARIES = {"site-packages", "dist-packages"}


class StandIn(ModuleType):
    """A module of the stand-in. Its names are looked up when they are used."""

    def __init__(self, name: str, stand_ins: StandIns) -> None:
        super().__init__(name, "Stands in for %s: %s" % (name, INSTALL))
        self.__path__: List[str] = []
        self.__package__ = name
        self._stand_ins = stand_ins

    def __getattr__(self, name: str) -> Any:
        full = "%s.%s" % (self.__name__, name)
        if full in MODULES:
            return self._stand_ins.module(full)
        found = self._stand_ins.names(self.__name__)
        if name == "__all__":
            return sorted(each for each in found if not each.startswith("__"))
        if name in found:
            return found[name]
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(_lacks(full))

    def __repr__(self) -> str:
        return "<module %r (rpyc-kernel's stand-in)>" % self.__name__

    def __dir__(self) -> List[str]:
        return sorted(self._stand_ins.names(self.__name__))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, StandIn) and value.__name__ == self._stand_ins.wanted:
            self._stand_ins.hide()


class StandIns:
    """The modules of one session."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._modules: Dict[str, StandIn] = {}
        self.wanted = ""  #: the module whose import has begun last

    def find_spec(self, name: str) -> Optional[ModuleSpec]:
        """The spec of a module for the code that imports it just now: None if that is a library's.

        Raises:
            ImportError: The stand-in has no such module.
        """
        importer, wanted, listed = _import_of(name)
        if importer is None or not is_users(importer.f_globals):
            return None
        self.wanted = wanted
        if wanted not in MODULES:
            raise (ImportError if listed else ModuleNotFoundError)(_lacks(wanted), name="IPython")
        # a parent has to be in sys.modules until its submodule is there
        place = name if name != wanted else "%s.%s" % (__name__, name)
        return ModuleSpec(place, _StandInLoader(self.module(name)))  # type: ignore[arg-type]

    def module(self, name: str) -> StandIn:
        """The module of that name."""
        found = self._modules.get(name)
        if found is None:
            found = self._modules[name] = StandIn(name, self)
        return found

    def names(self, module: str) -> Dict[str, Any]:
        """The members of a module, by name."""
        place = MODULES[module]
        if place == _DISPLAY:
            from . import display

            return {name: getattr(display, name) for name in display.__all__}
        found: Dict[str, Any] = {}
        for name in place:
            kind = name[len("register_") : -len("_magic")]
            known = {
                "get_ipython": self._facade.get_ipython,
                "version_info": (0, 0, 0, "stand-in"),
                "__version__": "0.0.0",
            }
            if "%s.%s" % (module, name) in MODULES:
                found[name] = self.module("%s.%s" % (module, name))
            else:
                found[name] = known[name] if name in known else self._facade.magics.decorator(kind)
        return found

    def hide(self) -> None:
        """Take all out of ``sys.modules``."""
        for name in MODULES:
            if isinstance(sys.modules.get(name), StandIn):
                del sys.modules[name]


class _StandInLoader:
    """Gives a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, _spec: Any) -> ModuleType:
        """The module."""
        return self._module

    def exec_module(self, module: Any) -> None:
        """Does nothing."""


def is_users(scope: Dict[str, Any]) -> bool:
    """Whether code with these globals is the user's, and not a library's or ours.

    What comes from a zip counts as a library: it was packed to be shipped.
    """
    if str(scope.get("__name__")).startswith(__package__.partition(".")[0] + "."):
        return False
    path = scope.get("__file__")
    if not isinstance(path, str):
        return getattr(scope.get("__spec__"), "origin", None) not in ("built-in", "frozen")
    if type(scope.get("__loader__")).__name__ == "zipimporter":
        return False
    folders = os.path.dirname(os.path.abspath(path))
    standard = os.path.dirname(os.path.abspath(os.__file__))
    return not (
        _LIBRARIES & set(folders.replace("\\", "/").split("/")) or (folders + os.sep).startswith(standard + os.sep)
    )


def _import_of(name: str) -> Tuple[Optional[FrameType], str, bool]:
    """Find the importing frame, the module that is wanted, and whether it stands in the list of a ``from`` import.

    The import system calls itself for the parents of a module.
    """
    frame: Optional[FrameType] = sys._getframe(3)
    listed = False
    while frame is not None and _is_import_system(frame):
        function = frame.f_code.co_name
        if function == "_find_and_load":
            name = frame.f_locals["name"]
        listed = listed or function == "_handle_fromlist"
        frame = frame.f_back
    return frame, name, listed


def _is_import_system(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return frame.f_code.co_filename.startswith("<frozen importlib") or name.partition(".")[0] == "importlib"


def _lacks(name: str) -> str:
    return "%s is not in the stand-in that rpyc-kernel has for IPython: %s" % (name, INSTALL)
