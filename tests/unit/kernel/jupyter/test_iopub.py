"""What another machine may make this kernel say, and for which request it is said."""

import json
import logging
import threading

import pytest
import zmq
from jupyter_client.session import Session

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.jupyter.iopub import MAX_REQUESTS, OUTPUTS, Publisher


class Front:
    """A publisher whose IOPub a test reads from the other end, as a front end does."""

    def __init__(self, context):
        self.session = Session(key=b"key")
        self.sending, self.receiving = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        self.receiving.rcvtimeo = 10_000
        self.sending.bind("inproc://iopub")
        self.receiving.connect("inproc://iopub")
        self.publisher = Publisher(self.session, self.sending, lambda msg_type: b"kernel.%s" % msg_type.encode())
        self.reader = Session(key=b"key")

    def read(self):
        """Identity and message of what came first."""
        idents, message = self.reader.feed_identities(self.receiving.recv_multipart())
        return idents, self.reader.deserialize(message)

    def publish(self, *args, **kwargs):
        self.publisher.publish(Message(*args, **kwargs), threading.Event())
        return self.read()

    def is_silent(self):
        return not self.receiving.poll(20)

    def request(self, msg_id):
        return {
            "header": self.session.msg_header("execute_request") | {"msg_id": msg_id},
            "content": {"code": "secret"},
        }


@pytest.fixture
def front():
    with zmq.Context() as context:
        front = Front(context)
        yield front
        front.sending.close(0)
        front.receiving.close(0)


def test_a_message_is_published_for_its_request(front):
    assert front.publisher.remember(front.request("a")) == "a"
    content, metadata = {"data": {"text/plain": "1"}}, {"isolated": True}
    idents, message = front.publish("display_data", content, "a", metadata, [b"buffer"])
    assert idents == [b"kernel.display_data"]
    assert (message["msg_type"], message["content"], message["metadata"]) == ("display_data", content, metadata)
    assert message["parent_header"]["msg_id"] == "a"
    assert message["parent_header"]["msg_type"] == "execute_request"
    assert [bytes(buffer) for buffer in message["buffers"]] == [b"buffer"]


def test_messages_of_several_requests_are_told_apart(front):
    for msg_id in "ab":
        front.publisher.remember(front.request(msg_id))
    stream = {"name": "stdout", "text": "x"}
    assert [front.publish("stream", stream, msg_id)[1]["parent_header"]["msg_id"] for msg_id in "aba"] == list("aba")


def test_what_belongs_to_no_request_that_we_know_is_published_without_one(front):
    assert front.publish("stream", {"name": "stdout", "text": "x"}, "forged")[1]["parent_header"] == {}


@pytest.mark.parametrize("msg_type", sorted(OUTPUTS))
def test_what_a_worker_may_send_passes(front, msg_type):
    assert front.publish(msg_type, {"comm_id": "c"})[1]["msg_type"] == msg_type


@pytest.mark.parametrize(
    "msg_type",
    ["status", "execute_reply", "shutdown_reply", "input_request", "kernel_info_reply", "debug_event", "", "x" * 999],
)
def test_what_a_worker_may_not_send_is_dropped(front, msg_type, caplog):
    with caplog.at_level(logging.WARNING):
        front.publisher.publish(Message(msg_type, {"execution_state": "idle"}), threading.Event())
    assert front.is_silent()
    assert "was dropped" in caplog.text
    assert len(caplog.text) < 400


def test_an_error_of_ours_is_a_sentence_without_a_traceback(front):
    front.publisher.remember(front.request("a"))
    reply = front.publisher.error("LinkLost", "it went away", "a")
    _idents, message = front.read()
    assert message["msg_type"] == "error"
    assert message["parent_header"]["msg_id"] == "a"
    assert reply == {"status": "error", **message["content"]}
    assert (reply["ename"], reply["evalue"]) == ("LinkLost", "it went away")
    assert len(reply["traceback"]) == 1
    assert reply["traceback"][0].endswith(": it went away")


def test_the_requests_of_lately_are_remembered_and_no_more(front):
    front.publisher.remember(front.request("first"))
    for number in range(MAX_REQUESTS - 1):
        front.publisher.remember({"header": {"msg_id": str(number)}})
    front.publisher.remember(front.request("first"))  # one that is used again is not the oldest
    front.publisher.remember({"header": {"msg_id": "last"}})
    stream = {"name": "stdout", "text": "x"}
    assert front.publish("stream", stream, "first")[1]["parent_header"]["msg_id"] == "first"
    assert front.publish("stream", stream, "0")[1]["parent_header"] == {}
    assert len(front.publisher._parents) == MAX_REQUESTS


def test_of_a_request_only_its_header_is_kept(front):
    front.publisher.remember(front.request("a"))
    assert "secret" not in json.dumps(front.publisher._parents, default=str)


def test_a_request_without_a_header_is_no_error(front):
    assert front.publisher.remember({}) == ""


def test_messages_come_from_another_thread_too(front):
    thread = threading.Thread(target=front.publish, args=("stream", {"name": "stdout", "text": "x"}))
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()


# pictures of ``show``


def picture(front, msg_type, display_id, parent="a"):
    content = {"data": {"text/plain": "p"}, "metadata": {}, "transient": {"display_id": display_id}}
    return front.publish(msg_type, content, parent)[1]["msg_type"]


def test_the_first_picture_that_comes_to_a_cell_begins_its_display(front):
    """The session was taken over: its ``display_data`` was another notebook's."""
    types = ["display_data", "update_display_data", "update_display_data"]
    assert [picture(front, msg_type, "show-1") for msg_type in types] == types
    assert [picture(front, "update_display_data", "show-2") for _ in range(2)] == types[:2]
    assert picture(front, "update_display_data", "show-1", "b") == "display_data"


def test_other_updates_stay_what_they_are(front):
    assert picture(front, "update_display_data", "mine") == "update_display_data"
    for transient in (None, [], "show-1", {"display_id": 5}, {}):
        assert (
            front.publish("update_display_data", {"transient": transient}, "a")[1]["msg_type"] == "update_display_data"
        )


def test_a_line_is_updated_in_place_until_its_cell_has_ended(front):
    publisher = front.publisher
    publisher.line("a", "lost")
    publisher.line("a", "back")
    publisher.end("a")
    assert not publisher.has_line("a")
    publisher.line("a", "lost")
    shown = [front.read()[1] for _ in range(3)]
    assert [each["msg_type"] for each in shown] == ["display_data", "update_display_data", "display_data"]
    assert [each["content"]["data"]["text/plain"] for each in shown] == ["lost", "back", "lost"]
    first, second, third = [each["content"]["transient"]["display_id"] for each in shown]
    assert first == second != third
