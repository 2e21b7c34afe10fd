"""The internals of ipykernel that kernel/jupyter/concurrent_shell.py relies on, in the version that is installed."""

import importlib.util
import inspect
from pathlib import Path

import ipykernel
from ipykernel.iostream import IOPubThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelbase import Kernel


def test_the_version_is_one_that_was_looked_at():
    assert ipykernel.version_info[:2] >= (7, 4)
    assert ipykernel.version_info[0] == 7


def test_a_message_can_be_dispatched_beside_a_cell():
    assert "concurrent" in inspect.signature(Kernel.dispatch_shell).parameters
    assert list(inspect.signature(Kernel.shell_main).parameters) == ["self", "subshell_id", "msg"]
    assert "_main_asyncio_lock" in inspect.getsource(Kernel.shell_main)


def test_a_reply_is_finished_before_it_is_sent_and_the_queue_is_aborted_behind_it():
    source = inspect.getsource(Kernel.execute_request)
    places = [source.index(each) for each in ("self.finish_metadata(", '"execute_reply"', "self._abort_queues(")]
    assert places == sorted(places)


def test_what_is_aborted_is_what_the_flag_says():
    assert "aborting = self._aborting" in inspect.getsource(Kernel.dispatch_shell)
    assert list(inspect.signature(Kernel._abort_queues).parameters) == ["self", "subshell_id"]


def test_the_thread_of_subshells_can_be_left_out():
    assert "if self.shell_channel_thread:" in inspect.getsource(Kernel.start)
    assert "self.shell_stream.on_recv(" in inspect.getsource(Kernel.start)
    assert "_supports_kernel_subshells" in inspect.getsource(Kernel.dispatch_shell)


def test_what_comes_on_control_can_be_handed_on():
    assert list(inspect.signature(Kernel.dispatch_control).parameters) == ["self", "msg"]
    assert "on_recv(self.dispatch_control" in inspect.getsource(Kernel.start)
    assert "stream = self.shell_stream" in inspect.getsource(Kernel.dispatch_shell)
    assert list(inspect.signature(Kernel._send_abort_reply).parameters) == ["self", "stream", "msg", "idents"]
    assert list(inspect.signature(Kernel._send_unknown_subshell_reply).parameters) == ["self", "idents", "msg", "err"]


def test_all_handlers_are_in_two_tables_from_which_they_are_called():
    for method, table in ((Kernel.dispatch_shell, "shell_handlers"), (Kernel.process_control, "control_handlers")):
        assert f"handler = self.{table}.get(msg_type, None)" in inspect.getsource(method)


def test_the_iopub_thread_sends_in_one_place_that_can_wait():
    assert "self._events.append(f)" in inspect.getsource(IOPubThread.schedule)
    assert "self._really_send(" in inspect.getsource(IOPubThread.send_multipart)
    assert "_send_welcome_message(" in inspect.getsource(IOPubThread._handle_subscription)
    assert "_stopped" in inspect.getsource(IOPubThread.stop)
    assert "self._xpub_stream.on_recv(self._handle_subscription)" in inspect.getsource(IOPubThread)


def test_its_debugger_can_be_left_out():
    assert "if _is_debugpy_available:" in inspect.getsource(IPythonKernel.__init__)
    assert "self.poll_stopped_queue()" in inspect.getsource(IPythonKernel.start)
    assert "from debugpy.server import api" in Path(importlib.util.find_spec("ipykernel.debugger").origin).read_text()
