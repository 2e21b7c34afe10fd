"""``In``, ``Out``, ``_``, ``__``, ``___``, ``_3``, ``_i``, ``_ii``, ``_iii``, ``_i3``."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List


class History:
    """Keeps the texts and results of cells in the user's namespace.

    Args:
        namespace: The variables of the cells.
    """

    def __init__(self, namespace: Dict[str, Any]) -> None:
        self._namespace = namespace
        self._last: List[Any] = ["", "", ""]
        self.inputs: List[str] = [""]
        self.outputs: Dict[int, Any] = {}
        namespace.update({"In": self.inputs, "Out": self.outputs, "_": "", "__": "", "___": ""})
        namespace.update({"_i": "", "_ii": "", "_iii": "", "_ih": self.inputs, "_oh": self.outputs, "_dh": []})

    def add_input(self, count: int, code: str) -> None:
        """Remember the text of cell `count`. Cells that ran elsewhere leave empty places."""
        del self.inputs[count:]
        self.inputs.extend([""] * (count - len(self.inputs)))
        self.inputs.append(code)
        namespace = self._namespace
        namespace["_iii"], namespace["_ii"] = namespace.get("_ii", ""), namespace.get("_i", "")
        previous = self.inputs[count - 1] if count else ""
        namespace["_i"] = previous
        namespace["_i%d" % count] = code

    def add_output(self, count: int, value: Any) -> None:
        """Remember a result. Names that the user took for something else stay the user's."""
        if value is self.outputs:
            return  # it would contain itself
        namespace = self._namespace
        self.outputs[count] = value
        namespace["_%d" % count] = value
        if hasattr(builtins, "_"):
            return  # gettext's
        names = ("_", "__", "___")
        if all(namespace.get(name, last) is last for name, last in zip(names, self._last)):
            self._last = [value, *self._last[:2]]
            namespace.update(zip(names, self._last))
