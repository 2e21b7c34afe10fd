"""The interface of the shell that runs cells, and the part of the worker that it uses. Types only.

Two implement it: `ipython.shell.IPythonShell` and `plain.shell.PlainShell`. ``Json`` is the content of a Jupyter
message (https://jupyter-client.readthedocs.io/en/stable/messaging.html).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Set, Tuple

    from ...wire import Bytes, Json
    from .plain.display.publish import Displays
    from .plain.language.compiling import Compiler
    from .plain.magics.usage import Outcome

    class Shell(Protocol):
        """Runs cells, and answers what is asked about them.

        ``complete``, ``inspect`` and ``is_complete`` are called on another thread than cells, also while one runs; they
        run no properties of the user's objects.

        Attributes:
            name: ``plain``, or ``IPython 8.12.3``.
            execution_count: The number of the next cell; the worker sets it before a cell where the kernel counts.
            in_a_hurry: Whether `complete` has to do without what takes long; set by the worker.
            kernel: The value of ``get_ipython().kernel``, a `KernelShim`; set by the worker.
        """

        name: str
        execution_count: int
        in_a_hurry: bool
        kernel: object

        @property
        def facade(self) -> ShellFacade:
            """The result of ``get_ipython()``."""

        async def execute(
            self, code: str, silent: bool, store_history: bool, user_expressions: Dict[str, str], allow_stdin: bool
        ) -> Json:
            """Run a cell and publish its ``error`` message if it fails; never raises what the cell raises.

            Returns:
                The content of its ``execute_reply``.
            """

        def needs_loop(self, code: str) -> bool:
            """Whether a cell may await something outside functions, so that it has to run inside an event loop."""

        def cells(self) -> List[Tuple[str, str]]:
            """File name and text of the cells that have run, as Python without magics."""

        def name_cells(self, named: Optional[Callable[[str, str], None]]) -> None:
            """Tell a debugger of each cell's code, also of those that have run; None: tell it no more.

            Args:
                named: Gets the file name of the code, and the name of the file that ipykernel would give the cell.
            """

        def format(self, value: Any) -> Tuple[Json, Json]:
            """The data and metadata by which a value is shown."""

        def complete(self, code: str, cursor_pos: int) -> Json:
            """The content of a ``complete_reply``; offsets in code points."""

        def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: Set[str]) -> Json:
            """The content of an ``inspect_reply``."""

        def is_complete(self, code: str) -> Json:
            """The content of an ``is_complete_reply``."""

    class ShellFacade(Protocol):
        """The part of ``get_ipython()`` that `KernelShim` and live connections use."""

        @property
        def user_ns(self) -> Dict[str, Any]:
            """The variables of the cells."""

        @property
        def user_module(self) -> Any:
            """The module in which cells run."""

        @property
        def execution_count(self) -> int:
            """The number of the next cell."""

        def __getattr__(self, name: str) -> Any:
            """Return any other attribute of IPython's shell. Raises AttributeError where there is no IPython."""

    class CellRunner(Protocol):
        """The part of the built-in shell that its ``get_ipython()`` and its magics use, which it makes itself."""

        execution_count: int
        kernel: object
        main: ModuleType
        namespace: Dict[str, Any]
        compiler: Compiler
        displays: Displays
        payload: List[Json]

        async def run_source(self, source: str, filename: str, local: Any = None, value: str = "single") -> Outcome: ...
        def show_error(self, error: BaseException) -> Json: ...

    class ShellOutput(Protocol):
        """The part of `frontend.Frontend` that the built-in shell uses."""

        def publish(
            self,
            msg_type: str,
            content: Json,
            metadata: Optional[Json] = None,
            buffers: Optional[Sequence[Bytes]] = None,
        ) -> None:
            """Send a message to whoever started the running code."""

        def failed(self) -> None:
            """The shell begins to report an error of the code that was running."""
