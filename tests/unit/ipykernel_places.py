"""Each place of src/rpyc_kernel/kernel/jupyter/ that relies on how ipykernel, or what is below it, is made.

kernel/jupyter/test_ipykernel.py checks each of them against what is installed, and that none is missing here.
"""

from dataclasses import dataclass

KERNEL = "ipykernel.kernelbase:Kernel"
IPYTHON_KERNEL = "ipykernel.ipkernel:IPythonKernel"
IOPUB = "ipykernel.iostream:IOPubThread"
APP = "ipykernel.kernelapp:IPKernelApp"
SHELL = "IPython.core.interactiveshell:InteractiveShell"
HANDLER = "self, stream, ident, parent"


@dataclass(frozen=True)
class Place:
    """One thing of theirs on which one file of ours relies.

    Attributes:
        ours: The file, in src/rpyc_kernel/kernel/jupyter/.
        theirs: The dotted name, with a colon behind the module; also of an attribute that only instances have.
        why: What the file makes of it, to end the sentence "… relies on it: ".
        takes: Its parameters, if these matter.
        has: Pieces of its source, in their order, if these matter.
    """

    ours: str
    theirs: str
    why: str
    takes: str | None = None
    has: tuple[str, ...] = ()


PLACES = [
    # --- every request gets a reply
    Place("concurrent_shell.py", IPYTHON_KERNEL, "the kernel derives from it"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.dispatch_shell",
        "all handlers of the shell channel are in one table, and are given what their reply is sent to",
        has=("handler = self.shell_handlers.get(msg_type, None)", "result = handler(stream, idents, msg)"),
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.process_control",
        "all handlers of the control channel are in one table, and are given what their reply is sent to",
        has=(
            "handler = self.control_handlers.get(msg_type, None)",
            "result = handler(self.control_stream, idents, msg)",
        ),
    ),
    Place("concurrent_shell.py", f"{KERNEL}.start", "it puts its own handling around each handler then", takes="self"),
    Place("concurrent_shell.py", f"{KERNEL}.shell_handlers", "it changes this table of handlers"),
    Place("concurrent_shell.py", f"{KERNEL}.control_handlers", "it changes this table of handlers"),
    Place("concurrent_shell.py", f"{KERNEL}.init_metadata", "it begins the metadata of a reply", takes="self, parent"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}._send_abort_reply",
        "it sends the reply to a cell that was aborted, in place of this",
        takes="self, stream, msg, idents",
    ),
    Place(
        "concurrent_shell.py",
        "jupyter_client.session:Session.send",
        "it gives it something else than a ZMQStream, which has this one method",
        has=("stream.send_multipart(to_send",),
    ),
    # --- the order of messages
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.shell_main",
        "all shell messages come to it, and it takes the turn of those that wait for the running cell",
        takes="self, subshell_id, msg",
        has=("asyncio_lock = self._main_asyncio_lock", "async with asyncio_lock:", "self.dispatch_shell("),
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.dispatch_shell",
        "it handles a message beside a cell, without the status of that, and aborts cells by the flag",
        takes="self, msg, /, subshell_id, *, concurrent",
        has=(
            "if self._supports_kernel_subshells:",
            "if not concurrent:",
            "stream = self.shell_stream",
            "aborting = self._aborting",
        ),
    ),
    Place("concurrent_shell.py", f"{KERNEL}._main_asyncio_lock", "it is whose turn it is"),
    Place("concurrent_shell.py", "asyncio:Lock._waiters", "a lock that was released is as good as taken by who waits"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.start",
        "without a thread for subshells, messages come by on_recv of two streams, which it sets anew",
        takes="self",
        has=("on_recv(self.dispatch_control", "if self.shell_channel_thread:", "self.shell_stream.on_recv("),
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.shell_channel_thread",
        "it puts something false there, so that ipykernel has no subshells",
    ),
    Place(
        "concurrent_shell.py",
        f"{IPYTHON_KERNEL}.do_execute",
        "ipykernel asks that false thing for the main thread",
        has=("threading.current_thread() == self.shell_channel_thread.parent_thread",),
    ),
    Place("concurrent_shell.py", f"{KERNEL}._supports_kernel_subshells", "it says that there are none"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}._send_unknown_subshell_reply",
        "it answers what is for a subshell by it",
        takes="self, idents, msg, err",
    ),
    Place("concurrent_shell.py", "ipykernel.subshell_manager:UnknownSubshellError", "it is the error of that answer"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.dispatch_control",
        "all control messages come to it, and some are handed on to the shell",
        takes="self, msg",
        has=("await self.process_control(msg)",),
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}._publish_status",
        "it publishes busy and idle of what it handles by itself",
        takes="self, status, channel, parent",
    ),
    Place("concurrent_shell.py", f"{KERNEL}._get_shell_context_var", "it reads whose request runs", takes="self, var"),
    Place("concurrent_shell.py", f"{KERNEL}._shell_parent_ident", "it reads whose request runs"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.set_parent",
        "it sets back whose request runs after one that was handled beside it",
        takes="self, ident, parent, channel",
        has=("self._shell_parent_ident.set(ident)", "self._shell_context = copy_context()"),
    ),
    # --- what is aborted behind an error
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.execute_request",
        "a cell can be interrupted from there on; a reply is finished, then sent, and then the queue is aborted",
        takes=HANDLER,
        has=("self.finish_metadata(", '"execute_reply"', "self._abort_queues("),
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.finish_metadata",
        "it notes what has come before a reply",
        takes="self, parent, metadata, reply_content",
    ),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}._abort_queues",
        "it is called after an error",
        takes="self, subshell_id",
    ),
    Place("concurrent_shell.py", f"{KERNEL}._aborting", "it is set for each message"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}._send_abort_reply",
        "it answers a cell that the user has just stopped, and that was sent twice",
        takes="self, stream, msg, idents",
    ),
    Place("concurrent_shell.py", f"{KERNEL}._execute_sleep", "it is the pause before a reply, which it takes away"),
    # --- interrupts
    Place(
        "interrupt.py",
        f"{KERNEL}.pre_handler_hook",
        "it sets another handler of SIGINT",
        takes="self",
        has=("self.saved_sigint_handler = signal(SIGINT,",),
    ),
    Place("interrupt.py", f"{KERNEL}.saved_sigint_handler", "it keeps the handler of SIGINT that was there before"),
    Place(
        "interrupt.py",
        f"{KERNEL}.post_handler_hook",
        "the handler of SIGINT that was there before is set again by it",
        has=("signal(SIGINT, self.saved_sigint_handler)",),
    ),
    Place(
        "interrupt.py",
        f"{IPYTHON_KERNEL}._cancel_on_sigint",
        "it interrupts a local cell that awaits, in place of this",
        takes="self, future",
    ),
    Place("interrupt.py", f"{KERNEL}.interrupt_request", "it answers it", takes=HANDLER),
    # --- requests that are answered otherwise
    Place("base_kernel.py", f"{IPYTHON_KERNEL}.shell_class", "it names the local shell"),
    Place("base_kernel.py", f"{KERNEL}._execute_sleep", "it is the pause before a reply, after local code"),
    Place(
        "base_kernel.py",
        f"{IPYTHON_KERNEL}.execution_count",
        "it counts the cells of all machines in its place",
    ),
    Place("base_kernel.py", f"{KERNEL}.kernel_info", "it changes what it returns", takes="self"),
    Place("base_kernel.py", f"{KERNEL}.comm_info_request", "it answers it", takes=HANDLER),
    Place("base_kernel.py", f"{KERNEL}.usage_request", "it answers it", takes=HANDLER),
    Place("base_kernel.py", f"{KERNEL}.debug_request", "it answers it", takes=HANDLER),
    Place("base_kernel.py", f"{KERNEL}.create_subshell_request", "it answers it", takes="self, socket, ident, parent"),
    Place("base_kernel.py", f"{KERNEL}.delete_subshell_request", "it answers it", takes="self, socket, ident, parent"),
    Place("base_kernel.py", f"{KERNEL}.list_subshell_request", "it answers it", takes="self, socket, ident, parent"),
    Place(
        "base_kernel.py",
        f"{IPYTHON_KERNEL}.__init__",
        "messages of comms have handlers in the table, which are called as any",
        has=('comm_msg_types = ["comm_open", "comm_msg", "comm_close"]', "self.shell_handlers[msg_type] = "),
    ),
    Place("base_kernel.py", f"{KERNEL}._topic", "it makes ZeroMQ's topic of a message", takes="self, topic"),
    Place("base_kernel.py", "ipykernel.iostream:BackgroundSocket.io_thread", "it is the thread behind the socket"),
    Place(
        "base_kernel.py",
        f"{IPYTHON_KERNEL}.do_execute",
        "it runs a local cell",
        takes="self, code, silent, store_history, user_expressions, allow_stdin, *, cell_meta, cell_id",
    ),
    Place(
        "base_kernel.py",
        "IPython.core.displayhook:DisplayHook.prompt_count",
        "a result has the number of the cell",
        has=("self.shell.execution_count",),
    ),
    # --- the debugger is left out
    Place(
        "debugger.py",
        "ipykernel.debugger:",
        "without debugpy it has no debugger of its own",
        has=("from debugpy.server import api", "_is_debugpy_available = False"),
    ),
    Place(
        "debugger.py",
        f"{IPYTHON_KERNEL}.__init__",
        "without debugpy no debugger is made",
        has=("if _is_debugpy_available:",),
    ),
    Place(
        "base_kernel.py",
        f"{IPYTHON_KERNEL}.poll_stopped_queue",
        "it waits for nothing, as ipykernel's debugger is left out",
        takes="self",
    ),
    # --- who asked for a cell
    Place("concurrent_shell.py", f"{KERNEL}._parent_ident", "it tells who sent the requests of both channels"),
    Place(
        "concurrent_shell.py",
        f"{KERNEL}.get_parent",
        "it tells what the requests of both channels are",
        takes="self, channel",
    ),
    # --- the thread of iopub
    Place("iopub.py", IOPUB, "it is given one"),
    Place("iopub.py", "ipykernel.iostream:BackgroundSocket", "it sends to one"),
    Place(
        "iopub.py",
        f"{IOPUB}.schedule",
        "what waits for the thread is in one queue, whose length it looks at",
        has=("self._events.append(f)",),
    ),
    Place("iopub.py", f"{IOPUB}._events", "what waits for the thread is in it"),
    Place(
        "iopub.py",
        f"{IOPUB}.send_multipart",
        "all messages are sent by one method, which it replaces and which may wait",
        has=("self._really_send(",),
    ),
    Place(
        "iopub.py",
        f"{IOPUB}._really_send",
        "it replaces it by one that waits where the socket says zmq.Again",
        has=("self.socket.send_multipart(", "raise"),
    ),
    Place("iopub.py", f"{IOPUB}._send_welcome_message", "it replaces it", takes="self, subscription"),
    Place(
        "iopub.py",
        f"{IOPUB}._handle_subscription",
        "it is told of front ends that come and go before this is, which welcomes them",
        takes="self, frames",
        has=("self._send_welcome_message(",),
    ),
    Place(
        "iopub.py",
        f"{IOPUB}._setup_xpub_listener",
        "it puts its own function in the place of the one that is set there",
        has=("self._xpub_stream = ZMQStream(", "self._xpub_stream.on_recv(self._handle_subscription)"),
    ),
    Place("iopub.py", f"{IOPUB}._xpub_stream", "it is told by it of front ends that come and go"),
    Place("iopub.py", f"{IOPUB}._is_master_process", "a forked process uses no socket", takes="self"),
    Place("iopub.py", f"{IOPUB}._stopped", "the thread ends soon where this is set"),
    Place("iopub.py", f"{IOPUB}.stop", "it sets the flag first", has=("self._stopped = True", ".join(")),
    # --- the application
    Place("base_app.py", APP, "the application derives from it"),
    Place("base_app.py", "ipykernel.kernelapp:kernel_aliases", "its options are options of the kernel"),
    Place(
        "base_app.py",
        f"{APP}.init_connection_file",
        "it looks into the file before this does",
        takes="self",
        has=("filefind(self.connection_file", "self.load_connection_file()"),
    ),
    Place("base_app.py", f"{APP}.connection_file", "it names the file"),
    Place(
        "base_app.py",
        f"{APP}.init_control",
        "it takes away the thread for subshells that is made there",
        takes="self, context",
        has=("self.shell_channel_thread = ShellChannelThread(",),
    ),
    Place("base_app.py", f"{APP}.shell_channel_thread", "it is the thread for subshells, of which there is none"),
    Place(
        "base_app.py",
        f"{APP}.init_kernel",
        "the kernel is made there, by streams where there is no thread for subshells",
        takes="self",
        has=("if self.shell_channel_thread:", "kernel_factory(", "shell_channel_thread=self.shell_channel_thread"),
    ),
    Place(
        "base_app.py",
        f"{APP}.init_iopub",
        "over ipc it puts a thread without the pipe of forked processes in the place of the one that is made there",
        takes="self, context",
        has=("IOPubThread(self.iopub_socket, pipe=True, session=self.session)",),
    ),
    Place("base_app.py", "ipykernel.kernelapp:", "over ipc it changes this name", has=("import IOPubThread",)),
    Place("base_app.py", IOPUB, "over ipc it makes one without a pipe"),
    Place(
        "base_app.py", f"{IOPUB}.__init__", "without a pipe it opens no port", has=("if pipe:", "self._setup_pipe_in()")
    ),
    Place(
        "base_app.py",
        "ipykernel.iostream:OutStream._setup_stream_redirects",
        "what a forked process writes to its file descriptors is shown",
        has=("os.dup2(pw, fno)", "target=self._watch_pipe_fd"),
    ),
    Place("base_app.py", f"{APP}.start", "it ends the control thread behind it", takes="self"),
    Place("base_app.py", f"{APP}.outstream_class", "it names a class of ours for the streams"),
    # --- the streams
    Place("quick_streams.py", "ipykernel.iostream:OutStream", "the streams derive from it"),
    Place(
        "quick_streams.py",
        "ipykernel.iostream:OutStream.flush",
        "it waits until the IOPub thread has sent what was written",
        takes="self",
        has=("self.pub_thread.schedule(self._flush)", "evt.wait("),
    ),
    Place(
        "quick_streams.py",
        "ipykernel.iostream:OutStream._buffers",
        "it is empty where nothing was written since the last flush",
    ),
    Place(
        "quick_streams.py",
        "ipykernel.iostream:OutStream._rotate_buffers",
        "each flush begins with no buffers",
        has=("old_buffers = self._buffers", "self._buffers = defaultdict(StringIO)"),
    ),
    # --- the local shell
    Place("local_shell.py", "ipykernel.zmqshell:ZMQInteractiveShell", "the local shell derives from it"),
    Place(
        "local_shell.py",
        "ipykernel.zmqshell:",
        "it puts another function there, which runs a program",
        has=("import arg_split, system", "exit_code = system(cmd)"),
    ),
    Place(
        "local_shell.py",
        "IPython.core.interactiveshell:",
        "it puts other functions there, which run a program",
        has=("getoutput", "(self.var_expand(cmd"),
    ),
    Place("local_shell.py", f"{SHELL}.run_cell_async", "it makes what a cell awaits raise KeyboardInterrupt"),
    Place(
        "local_shell.py",
        "ipykernel.zmqshell:ZMQInteractiveShell.run_code",
        "its frame tells that a cell's code runs",
        has=("async def run_code(", "exec(code_obj,", "except:"),
    ),
    Place(
        "local_shell.py",
        f"{SHELL}.showtraceback",
        "it shows an exception, in place of this if it came through RPyC",
        takes="self, exc_tuple, filename, tb_offset, exception_only, running_compiled_code",
    ),
    Place("local_shell.py", f"{SHELL}._get_exc_info", "it keeps an exception for %debug", takes="self, exc_tuple"),
    Place(
        "local_shell.py",
        "ipykernel.zmqshell:ZMQInteractiveShell._showtraceback",
        "it publishes the lines of an exception",
        takes="self, etype, evalue, stb",
    ),
]
"""``_render_traceback_`` of an exception is no such place: IPython documents it for everybody."""
