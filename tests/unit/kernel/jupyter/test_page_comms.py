"""Which comm messages are a page's, and what a page is sent."""

from unittest.mock import Mock

from rpyc_kernel.kernel.jupyter.page_comms import TARGET, PageComms


def test_only_what_pages_send_is_taken():
    session, owner = Mock(), Mock()
    comms = PageComms(session, "iopub", lambda name: name.encode())
    opening = {"comm_id": "a", "target_name": TARGET, "data": {}}
    assert not comms.take("comm_open", opening), "nobody serves pages yet"
    comms.serve(owner)
    assert not comms.take("comm_open", dict(opening, target_name="jupyter.widget"))
    assert not comms.take("comm_msg", {"comm_id": "a", "data": {}})
    assert not comms.take("comm_msg", {"comm_id": ["a"], "data": {}})
    assert comms.take("comm_open", opening, "client")
    assert list(comms.clients) == ["client"]
    assert comms.take("comm_msg", {"comm_id": "a", "data": {"do": "watch"}})
    assert comms.take("comm_msg", {"comm_id": "a", "data": "no object"})
    assert comms.take("comm_close", {"comm_id": "a", "data": {}})
    assert not comms.take("comm_msg", {"comm_id": "a", "data": {}})
    assert [call[0] for call in owner.method_calls] == ["opened", "asked", "closed"]
    assert owner.asked.call_args.args == ("a", {"do": "watch"})


def test_a_page_is_sent_messages_that_belong_to_no_cell():
    session = Mock()
    comms = PageComms(session, "iopub", lambda name: name.encode())
    comms.send("a", {"event": "status"})
    content = {"comm_id": "a", "data": {"event": "status"}}
    session.send.assert_called_once_with("iopub", "comm_msg", content, parent={}, ident=b"comm", buffers=None)
    comms.send("a", {"event": "status"}, [b"bytes"])
    assert session.send.call_args.kwargs["buffers"] == [b"bytes"]
