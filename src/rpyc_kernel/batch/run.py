"""Runs a notebook by a kernel of our own, as nbclient does: its outputs are what a front end would keep."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from rpyc_kernel.batch import notebook as notebooks
from rpyc_kernel.batch.kernel import kernel_on
from rpyc_kernel.errors import AgentError
from rpyc_kernel.program import SECOND_PRESS_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rpyc_kernel.batch.kernel import OneKernel
    from rpyc_kernel.batch.progress import CellProgress
    from rpyc_kernel.hosts.target import Target

START_TIMEOUT_S = 60  # a kernel answers after 0.5 s on a fast machine
OK_CODE, FAILED_CODE, INTERRUPTED_CODE = 0, 1, 130


def run(
    machine: Target, notebook: Any, folder: Path, name: str, progress: CellProgress, save: Callable[[], None]
) -> int:
    """Run the cells of a notebook in their order, until one fails that isn't tagged ``raises-exception``.

    Ctrl-C interrupts the cell, and no other runs then; a second one within `SECOND_PRESS_S` seconds ends the run.

    Args:
        machine: Where the cells run.
        notebook: The notebook, whose outputs are put into it.
        folder: Where local code of the notebook runs.
        name: What its session there is called.
        progress: Is told of each cell.
        save: Called after each cell.

    Returns:
        The exit code: 0, 1 (a cell failed) or 130 (interrupted).

    Raises:
        AgentError: The kernel can't be started, or has died.
    """
    with kernel_on(machine, name) as kernel, progress.shown():
        client = RunClient(notebook, kernel, folder)
        try:
            return asyncio.run(client.run(progress, save))
        except DeadKernelError:
            raise AgentError(
                "The kernel of this run has died, and what its cell gave out until then is kept."
            ) from None
        except asyncio.CancelledError:
            return client.ended


class RunClient(NotebookClient):
    """nbclient's client, with our kernel, Ctrl-C for the cell, and no limit of time.

    Attributes:
        ended: The exit code, where a signal has ended the run.
    """

    km: AsyncKernelManager | None

    def __init__(self, notebook: Any, kernel: OneKernel, folder: Path) -> None:
        super().__init__(
            notebook,
            timeout=None,
            iopub_timeout=3600,  # a large output may take its time
            startup_timeout=START_TIMEOUT_S,
            resources={"metadata": {"path": str(folder)}},
        )
        self._kernel = kernel
        self._pressed = -SECOND_PRESS_S
        self.ended = OK_CODE

    def create_kernel_manager(self) -> AsyncKernelManager:
        """Return the manager of our kernel. nbclient calls this."""
        self.km = manager = AsyncKernelManager(kernel_spec_manager=self._kernel, transport_encryption="required")
        return manager

    async def async_start_new_kernel(self, **more: Any) -> None:
        """Start the kernel, and take the signals. nbclient calls this, once it has taken them itself."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def end(code: int) -> None:
            self.ended = code
            assert task is not None
            task.cancel()

        def press() -> None:
            before, self._pressed = self._pressed, time.monotonic()
            if self._pressed - before < SECOND_PRESS_S or self.km is None or self.kc is None:
                end(INTERRUPTED_CODE)
            else:
                self._interrupting = asyncio.ensure_future(self.km.interrupt_kernel())

        try:
            loop.add_signal_handler(signal.SIGINT, press)
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, end, 128 + number)
        except NotImplementedError:  # Windows: Ctrl-C ends the run
            pass
        await super().async_start_new_kernel(**more)

    async def run(self, progress: CellProgress, save: Callable[[], None]) -> int:
        """Run the cells, and return the exit code. Raises AgentError."""
        try:
            async with self.async_setup_kernel():
                try:
                    return await self._run_cells(progress, save)
                finally:
                    self.set_widgets_metadata()
                    save()
        except (asyncio.CancelledError, RuntimeError) as error:  # nbclient's and jupyter_client's own, too
            if self.ended:
                return self.ended
            if isinstance(error, asyncio.CancelledError):  # Windows' Ctrl-C
                raise
            died = isinstance(error, DeadKernelError)
            what = "has died; what its cell gave out until then is kept" if died else f"can't be started here: {error}"
            raise AgentError(f"The kernel of this run {what}.") from None
        finally:
            if self.km is not None and self.km.has_kernel:  # it was stopped while it began
                await self.km.shutdown_kernel(now=True)

    async def _run_cells(self, progress: CellProgress, save: Callable[[], None]) -> int:
        assert self.kc is not None
        about = await self.async_wait_for_reply(self.kc.kernel_info())
        self.nb.metadata["language_info"] = about["content"]["language_info"]
        for index, cell in enumerate(self.nb.cells):
            if not notebooks.runs(cell):
                continue
            progress.begin(cell.source)
            try:
                await self.async_execute_cell(cell, index, execution_count=self.code_cells_executed + 1)
            except CellExecutionError as error:
                stopped = error.ename == "KeyboardInterrupt" and self._pressed > 0
                progress.end("stopped" if stopped else "failed")
                progress.say(_traceback(cell) or f"{error.ename}: {error.evalue}")
                return INTERRUPTED_CODE if stopped else FAILED_CODE
            names = [output.ename for output in cell.outputs if output.output_type == "error"]
            if "KeyboardInterrupt" in names and self._pressed > 0:  # the cell may fail, and yet somebody wants the end
                progress.end("stopped")
                return INTERRUPTED_CODE
            progress.end("raised" if names else "ok")
            save()
        return OK_CODE


def _traceback(cell: Any) -> str:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return "\n".join(errors[-1].traceback) if errors else ""
