"""Do something when the user's code imports a module, without importing it before."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


def when_imported(name: str, function: Callable[[Any], None]) -> None:
    """Call the function with the module of that name, a top-level one, once it is imported; at once if it is."""
    if name in sys.modules:
        function(sys.modules[name])
        return
    if not isinstance(sys.meta_path[0], _Watch):
        sys.meta_path.insert(0, _Watch())
    sys.meta_path[0].wanted[name] = function  # type: ignore[attr-defined]


class _Watch:
    """A meta path finder that finds nothing itself but sees what others find."""

    def __init__(self) -> None:
        self.wanted: Dict[str, Callable[[Any], None]] = {}
        self._busy = False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a wanted module, with one call after its loading."""
        if self._busy or fullname not in self.wanted:
            return None
        import importlib.util

        self._busy = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy = False
        if spec is None or spec.loader is None:
            return None  # not installed, or not yet: the next attempt may find it
        spec.loader = _Loader(spec.loader, self.wanted.pop(fullname))  # type: ignore[assignment]
        return spec


class _Loader:
    """A module's own loader, with one call after it."""

    def __init__(self, loader: Any, function: Callable[[Any], None]) -> None:
        self._loader = loader
        self._function = function

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        """As the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """As the module's own loader, then the call."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            self._function(module)
        except Exception as error:
            sys.stderr.write("rpyc-kernel could not set up %s: %s\n" % (module.__name__, error))
