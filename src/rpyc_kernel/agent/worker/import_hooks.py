"""Calls a function when the user's code imports a module, without importing the module before."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


def when_imported(name: str, function: Callable[[Any], None]) -> None:
    """Call the function with the module of that name once it is imported; at once if it is."""
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

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a wanted module, whose loader makes one call when it has loaded the module."""
        if fullname not in self.wanted:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(fullname, path, target) if finder is not self and find_spec is not None else None
            if spec is None:
                continue
            if spec.loader is not None:  # else it is a folder that happens to have this name
                kind = _WatchedLoader if hasattr(spec.loader, "exec_module") else _LegacyWatchedLoader
                spec.loader = kind(spec, self.wanted)
            return spec
        return None  # not installed, or not yet: the next attempt may find it


class _LegacyWatchedLoader:
    """Stands before a module's own loader until that has loaded the module, and then makes one call.

    A spec may be asked for without an import: this answers everything as the own loader does, and passes for it.
    The own loader has `load_module` alone, as `zipimporter` before Python 3.10.
    """

    def __init__(self, spec: Any, wanted: Dict[str, Callable[[Any], None]]) -> None:
        self._spec = spec
        self._loader = spec.loader
        self._wanted = wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._loader.__class__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._loader.__reduce_ex__(protocol)

    def load_module(self, fullname: str) -> Any:
        """As the module's own loader, then the call."""
        self._spec.loader = self._loader
        module = self._loader.load_module(fullname)
        self._call(module)
        return module

    def _call(self, module: Any) -> None:
        function = self._wanted.get(self._spec.name)
        if function is None:
            return
        try:
            function(module)
        except Exception as error:
            sys.stderr.write("rpyc-kernel could not set up %s: %s\n" % (self._spec.name, error))
        self._wanted.pop(self._spec.name, None)  # not before: where it was interrupted, so is the import


class _WatchedLoader(_LegacyWatchedLoader):
    """A `_LegacyWatchedLoader` before a loader that has `exec_module`."""

    def create_module(self, spec: Any) -> Any:
        """As the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """As the module's own loader, then the call."""
        self._spec.loader = module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._call(module)
