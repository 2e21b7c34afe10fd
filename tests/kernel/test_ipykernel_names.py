"""What libraries ask of ipykernel's kernel and shell, found in a session too, with ipykernel there or without it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.servers.venvs import WITH_IPYKERNEL


def test_a_kernel_has_what_libraries_look_for(nb: Client) -> None:
    names = (
        "shell_handlers session iopub_socket do_one_iteration shell _parent_ident do_shutdown comm_manager set_parent"
    )
    cell = nb.good(f"k = get_ipython().kernel\n[name for name in {names.split()} if not hasattr(k, name)]")
    assert cell.text == "[]"
    nb.good("import comm; c = comm.create_comm('mine')")
    assert (
        nb.good("c.kernel is k, k.topic('x').endswith(b'x'), k._allow_stdin, k.int_id").text == "(True, True, True, -1)"
    )
    cell = nb.good("p = k.get_parent(); p['header']['msg_id'], p['content']['code'][:4]")
    assert cell.text == f"('{cell.id}', 'p = ')"
    nb.good("k.get_parent('shell') == k.get_parent() and set(k._parent_ident) == {'shell', 'control'} or 1 / 0")
    assert nb.good("import sys; sys.stdout._is_master_process()").text == "True"
    nb.good(
        "import asyncio; called = []\n"
        "k.io_loop.add_callback(called.append, 1); k.io_loop.call_later(0.01, called.append, 2)"
    )
    assert nb.good("while len(called) < 2: await asyncio.sleep(0.01)\ncalled").text == "[1, 2]"


def test_it_knows_who_has_asked(fresh: Client) -> None:
    session = fresh.zmq.session.session
    fresh.good("k = get_ipython().kernel")
    cell = fresh.good("p = k.get_parent(); print(p['header']['session'], k._parent_ident['shell'], *p['content'])")
    assert cell.stdout.startswith(f"{session} [b'{session}'] code silent ")
    assert "origin" not in cell.stdout
    assert fresh.good("k.get_parent('control'), k._parent_ident['control']").text == "({}, [])"
    asked = fresh.send("control", "kernel_info_request", {})
    fresh.finish(asked)
    told = "c = k.get_parent('control'); print(c['header']['msg_id'], c['header']['session'], c['msg_type'])"
    assert fresh.good(told).stdout == f"{asked.id} {session} kernel_info_request\n"
    assert fresh.good("k._parent_ident['control']").text == f"[b'{session}']"
    code = "k.get_parent()['metadata'].get('cellId')"
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    assert fresh.finish(fresh.send("shell", "execute_request", content, metadata={"cellId": "c1"})).text == "'c1'"


def test_what_is_sent_through_its_session_arrives(nb: Client) -> None:
    nb.good("k = get_ipython().kernel; first = k.get_parent()")
    cell = nb.good(
        "k.session.send(k.iopub_socket, 'stream', {'name': 'stdout', 'text': 'sent'}, parent=k.get_parent())\n"
        "k.send_response(k.iopub_socket, 'display_data', {'data': {'text/plain': 'shown'}, 'metadata': {}});\n"
        "message = k.session.msg('display_data', {'data': {'text/plain': 'made'}, 'metadata': {}}, k.get_parent())\n"
        "k.session.send(k.iopub_socket, message);"
    )
    assert cell.stdout == "sent"
    assert [shown["text/plain"] for shown in cell.displays] == ["shown", "made"]
    other = nb.good("k.session.send(None, 'stream', {'name': 'stdout', 'text': 'to the first'}, parent=first);")
    assert other.stdout == ""
    foreign = nb.good("k.session.send(None, 'stream', {'name': 'stdout', 'text': 'x'}, parent={'msg_id': 'nobody'});")
    assert foreign.stdout == "x"


def test_a_thread_belongs_to_the_cell_that_it_names(nb: Client) -> None:
    first = nb.good("k = get_ipython().kernel; first = k.get_parent()")
    nb.good(
        "import threading\n"
        "def work():\n"
        "    print('by itself')\n"
        "    k.set_parent(k._parent_ident, first)\n"
        "    print('for the first')\n"
        "t = threading.Thread(target=work); t.start(); t.join()"
    )
    nb.wait_output(first, "for the first")
    assert first.stdout == "for the first\n"


def test_a_thread_that_sends_for_the_shell_channel_sends_to_the_cell_that_runs(nb: Client) -> None:
    """As that of an ipyparallel client, which its first cell has started."""
    first = nb.good(
        "import queue, threading; work, done, k = queue.Queue(), queue.Queue(), get_ipython().kernel\n"
        "def serve():\n"
        "    for text in iter(work.get, None):\n"
        "        content = {'data': {'text/plain': text}, 'metadata': {}}\n"
        "        k.session.send(k.iopub_socket, 'display_data', content, parent=k.get_parent('shell')); done.put(1)\n"
        "threading.Thread(target=serve, daemon=True).start()"
    )
    for text in ("one", "two"):
        cell = nb.good(f"work.put('{text}'); done.get(timeout=20);")
        assert [shown["text/plain"] for shown in cell.displays] == [text]
    nb.good("work.put(None)")
    assert first.displays == []


def test_comm_messages_are_handled_in_the_midst_of_a_cell(nb: Client) -> None:
    """What jupyter_ui_poll does; cells that wait do not run within it."""
    nb.good(
        "got = []; k = get_ipython().kernel\n"
        "def take(comm, msg): comm.on_msg(lambda m: got.append(m['content']['data']))\n"
        "k.comm_manager.register_target('poll', take)"
    )
    name = uuid.uuid4().hex
    nb.comm_open(name, "poll", {})
    cell = nb.start(
        "import time; print('polls')\nend = time.monotonic() + 20\n"
        "while not got and time.monotonic() < end: k.do_one_iteration(); time.sleep(0.01)\nprint(got, queued_ran)"
        if nb.good("queued_ran = False")
        else ""
    )
    nb.wait_output(cell, "polls")
    queued = nb.start("queued_ran = True")
    nb.comm_send(name, {"n": 1})
    nb.finish(queued)
    assert cell.stdout == "polls\n[{'n': 1}] False\n"
    assert nb.good("queued_ran").text == "True"


def test_a_handler_that_a_library_puts_in_place_is_called(nb: Client) -> None:
    nb.good(
        "k = get_ipython().kernel; seen = []; theirs = k.shell_handlers['comm_open']\n"
        "def mine(stream, ident, msg): seen.append(msg['header']['msg_type']); theirs(stream, ident, msg)\n"
        "k.shell_handlers['comm_open'] = mine"
    )
    nb.comm_open(uuid.uuid4().hex, "no such target", {})
    assert nb.good("k.shell_handlers['comm_open'] = theirs\nseen").text == "['comm_open']"


def test_an_orderly_end_from_code_gives_a_fresh_python(fresh: Client) -> None:
    fresh.good("import atexit; old = 1; atexit.register(print, 'tidied up')")
    cell = fresh.good("get_ipython().kernel.do_shutdown(restart=True);")
    assert "ends after this cell" in cell.stderr
    fresh.wait_for(lambda: "error" in str(fresh.run("old").error).lower(), what="a fresh Python")
    assert fresh.good("'alive'").text == "'alive'"


HOOKS = (
    "pub = get_ipython().display_pub\n"
    "def hook(message):\n    message['content']['data']['text/plain'] = 'changed'; return message\n"
    "pub.register_hook(hook); display(1); found = pub.unregister_hook(hook), pub.unregister_hook(hook)\n"
    "pub.register_hook(lambda message: None); display(2); pub._hooks.clear(); display(3)\nfound"
)


@pytest.fixture(scope="module", params=["7", "6.29.5", "5.5.6"])
def with_ipykernel(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A notebook on a machine that has ipykernel: the newest, the last of the one before, one from before `comm`."""
    old = {
        "5.5.6": {"python": "3.8", "rpyc": "4.1.5", "extra_packages": ["ipykernel==5.5.6", "ipython==7.34.0"]},
        "6.29.5": {"python": "3.9", "rpyc": "6.0.2", "extra_packages": ["ipykernel==6.29.5"]},
        "7": {"extra_packages": WITH_IPYKERNEL},
    }
    with Remote("bare", **old[request.param]) as remote, Kernel() as client:
        connect(client, remote)
        client.good(f"major = {request.param[0]}")
        yield client


def test_its_own_names_are_those_of_the_session(with_ipykernel: Client) -> None:
    nb = with_ipykernel
    code = "from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell\nip = get_ipython()\n"
    both = "isinstance(ip.display_pub, ZMQDisplayPublisher), isinstance(ip, ZMQInteractiveShell)"
    assert nb.good(code + both).text == "(True, True)"
    assert nb.good("str(type(ip)), ip.has_trait('kernel')").text == (
        "(\"<class 'ipykernel.zmqshell.ZMQInteractiveShell'>\", True)"
    )
    code = "from ipykernel.kernelbase import Kernel\nKernel.initialized(), Kernel.instance() is ip.kernel, "
    assert nb.good(code + "isinstance(ip.kernel, Kernel)").text == "(True, True, True)"
    assert nb.good("import ipykernel; ipykernel.zmqshell.ZMQInteractiveShell is type(ip)").text == "True"
    code = (
        "import sys\nfrom ipykernel.displayhook import ZMQShellDisplayHook\nfrom ipykernel.iostream import OutStream\n"
        "from ipykernel.kernelapp import IPKernelApp as A\napp = A.instance()\n"
        "A.initialized(), isinstance(ip.displayhook, ZMQShellDisplayHook), isinstance(sys.stderr, OutStream), "
    )
    nothing = "getattr(app, 'connection_file', None)"
    assert nb.good(code + f"app.kernel is ip.kernel, app.shell is ip, {nothing}").text == (
        "(True, True, True, True, True, None)"
    )
    failed = nb.run("from ipykernel import get_connection_file\nget_connection_file()")
    assert "%%local" in failed.traceback


def test_a_hook_sees_what_is_displayed(with_ipykernel: Client) -> None:
    cell = with_ipykernel.good(HOOKS)
    assert [shown["text/plain"] for shown in cell.displays] == ["changed", "3"]
    assert cell.text == "(True, False)"


def test_threads_can_name_their_cell(with_ipykernel: Client) -> None:
    nb = with_ipykernel
    first = nb.good("import sys; ip = get_ipython(); parent = ip.get_parent()")
    cell = nb.good(
        "tokens = ip.set_thread_parent(parent); print('for the first')\nip.reset_thread_parent(tokens); print('own')\n"
        "ip.set_parent(ip.get_parent()); sys.stdout.parent_header['msg_id']"
    )
    nb.wait_output(first, "for the first")
    assert cell.stdout == "own\n"
    assert cell.text == repr(cell.id)


def test_comms_of_its_own_class_live(with_ipykernel: Client) -> None:
    nb = with_ipykernel
    nb.good("import warnings; warnings.simplefilter('ignore')\nfrom ipykernel.comm import Comm; got = []")
    nb.good("c = Comm(target_name='theirs', data={'a': 1}, buffers=[b'xy'])\nc.on_msg(got.append); c.send({'b': 2})")
    comm = next(each for each in nb.comms.values() if each.target == "theirs")
    assert [message.content["data"] for message in comm.received] == [{"a": 1}, {"b": 2}]
    assert comm.received[0].buffers == [b"xy"]
    nb.comm_send(comm.id, {"from": "page"})
    assert nb.good("got[0]['content']['data']").text == "{'from': 'page'}"
    nb.good("made = []; get_ipython().kernel.comm_manager.register_target('mine', lambda c, m: made.append((c, m)))")
    name = uuid.uuid4().hex
    nb.comm_open(name, "mine", {"hello": 1})
    assert nb.good("isinstance(made[0][0], Comm), made[0][1]['content']['data']").text == "(True, {'hello': 1})"
    nb.good("c.close(); import ipykernel.ipkernel, comm\nagain = comm.create_comm(target_name='after')")
    assert not comm.open
    assert nb.good("comm.get_comm_manager() is get_ipython().kernel.comm_manager").text == "True"
    assert "after" in [each["target_name"] for each in nb.comm_info().values()]


def test_jupyter_ui_poll_handles_the_page_while_a_cell_runs(with_ipykernel: Client) -> None:
    nb = with_ipykernel
    if nb.good("major").text != "7":
        return
    nb.good(
        "import time, comm; from jupyter_ui_poll import ui_events, with_ui_events\n"
        "got = []; c = comm.create_comm(target_name='ui'); c.on_msg(got.append)"
    )
    target = next(each for each in nb.comms.values() if each.target == "ui")
    loops = [
        "with ui_events() as poll:\n    while not got and time.monotonic() < end: poll(5); time.sleep(0.01)",
        "async with ui_events() as poll:\n    while not got and time.monotonic() < end: await poll(5)",
        "for _ in with_ui_events(range(500)):\n    if got: break\n    time.sleep(0.02)",
    ]
    for loop in loops:
        nb.good("got.clear()")
        cell = nb.start(f"print('polls'); end = time.monotonic() + 20\n{loop}\nprint(len(got), 'in the cell')")
        nb.wait_output(cell, "polls")
        nb.comm_send(target.id, {"n": 1})
        queued = nb.start("'queued'")
        nb.finish(queued)
        assert cell.stdout == "polls\n1 in the cell\n", loop
        assert queued.text == "'queued'"


@pytest.fixture(scope="module")
def without_comm() -> Iterator[Client]:
    """A notebook on a machine that has nothing, not even the `comm` package."""
    with Remote("bare") as remote, Kernel() as client:
        connect(client, remote)
        yield client


def test_a_machine_without_the_comm_package_has_comms(without_comm: Client) -> None:
    nb = without_comm
    nb.good(
        "got = []; manager = get_ipython().kernel.comm_manager\n"
        "def target(c, msg):\n    got.append(msg['content']['data'])\n"
        "    c.on_msg(lambda m: c.send({'echo': m['content']['data']}))\n"
        "manager.register_target('mine', target)\nmanager.register_target('fails', lambda c, m: 1 / 0)"
    )
    name = uuid.uuid4().hex
    nb.comm_open(name, "mine", {"hello": 1})
    answer = nb.comm_send(name, {"n": 2})
    assert [message.content["data"] for message in answer.of("comm_msg")] == [{"echo": {"n": 2}}]
    nb.comm_close(name)
    assert nb.good("got, manager.comms").text == "([{'hello': 1}], {})"
    for bad in ("fails", "no such target"):
        name = uuid.uuid4().hex
        assert [m.content["comm_id"] for m in nb.comm_open(name, bad, {}).of("comm_close")] == [name]
    nb.good("from comm import create_comm\nfrom comm.base_comm import BaseComm\nc = create_comm('own', {'a': 1})")
    comm = next(each for each in nb.comms.values() if each.target == "own")
    nb.good("c.send({'b': 2}, buffers=[b'z']); c.close(); c.close()")
    assert [message.content["data"] for message in comm.received][:2] == [{"a": 1}, {"b": 2}]
    assert not comm.open
    assert nb.good("isinstance(c, BaseComm)").text == "True"
