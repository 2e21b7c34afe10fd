"""What stays behind when a folder is synced: what git ignores, and what nobody wants on another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from rpyc_kernel.agent.files import entries
from rpyc_kernel.agent.files.entries import FOLDER, UNREADABLE, decoded
from rpyc_kernel.agent.files.errors import FileError
from rpyc_kernel.errors import TransferError
from rpyc_kernel.files.entries import Entry, is_part

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = (".git", ".venv", "__pycache__", "node_modules", ".ipynb_checkpoints")  # wherever they are
GITIGNORE = ".gitignore"
MAX_GITIGNORE_BYTES = 1 << 20


class Ignored:
    """Tells what of a folder stays behind. Names are as they travel, from the folder on.

    Args:
        folder: The folder, a whole path of this machine.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._specs: dict[str, GitIgnoreSpec | None] = {}  # by the name of the folder in which a file with rules is
        self._above = list(_above(self._folder))

    def __call__(self, name: str, *, folder: bool) -> bool:
        """Tell whether something stays behind, which lies in a folder that does not. *folder*: it is one itself."""
        parts = decoded(name).split("/")
        if parts[-1] in LEFT_OUT:
            return True
        ending = "/" if folder else ""
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec("/".join(parts[:depth]))
            said = None if spec is None else spec.check_file("/".join(parts[depth:]) + ending).include
            if said is not None:
                return said
        for prefix, spec in self._above:
            said = spec.check_file(f"{prefix}/{'/'.join(parts)}{ending}").include
            if said is not None:
                return said
        return False

    def anywhere(self, name: str) -> bool:
        """Tell whether something stays behind, or a folder that it lies in."""
        parts = name.split("/")
        inside = any(self("/".join(parts[:depth]), folder=True) for depth in range(1, len(parts)))
        return inside or self(name, folder=True) or self(name, folder=False)

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            self._specs[folder] = _rules(self._folder / folder)
        return self._specs[folder]


def kept(folder: str, ignored: Ignored) -> Iterator[Entry]:
    """Give out what is in a folder and does not stay behind, a folder before what is in it.

    Raises:
        TransferError: The folder can't be listed.
    """
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        path = str(Path(folder) / decoded(prefix)) if prefix else folder
        try:
            found = entries.listed(path)
        except FileError as error:
            if not prefix:
                raise TransferError(f"Here, {error}.") from None
            yield Entry(prefix.rstrip("/"), UNREADABLE, 0, 0, 0, str(error))
            continue
        for raw in found:
            entry = Entry(prefix + raw[0], *raw[1:])
            if is_part(entry) or ignored(entry.name, folder=entry.kind == FOLDER):
                continue
            yield entry
            if entry.kind == FOLDER:
                waiting.append(f"{entry.name}/")


def _above(folder: Path) -> Iterator[tuple[str, GitIgnoreSpec]]:
    """Give out the rules of folders above, as far as the repository goes, each with the name of *folder* from there."""
    if (folder / ".git").exists() or not any((each / ".git").exists() for each in folder.parents):
        return
    for above in folder.parents:
        if (spec := _rules(above)) is not None:
            yield folder.relative_to(above).as_posix(), spec
        if (above / ".git").exists():
            return


def _rules(folder: Path) -> GitIgnoreSpec | None:
    path = folder / GITIGNORE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_GITIGNORE_BYTES)
    except OSError:
        return None
    try:
        return GitIgnoreSpec.from_lines(text.decode("utf-8", "surrogateescape").splitlines())
    except ValueError as error:
        raise TransferError(f"Here, {path} has a rule that can't be understood: {error}.") from None
