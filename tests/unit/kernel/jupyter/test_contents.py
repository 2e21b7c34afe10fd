"""The content of requests: what is left out gets its default, what is wrong is told."""

import pytest

from rpyc_kernel.errors import MalformedRequestError
from rpyc_kernel.kernel.jupyter.contents import FIELDS, check, failure


def test_what_has_a_default_may_be_left_out():
    message = {"content": {"code": "x", "cursor_pos": 1}}
    check("inspect_request", message)
    assert message == {
        "content": {"code": "x", "cursor_pos": 1, "detail_level": 0, "omit_sections": []},
        "metadata": {},
    }


def test_a_field_that_is_not_known_stays_but_where_each_is_an_argument():
    complete, history = {"code": "x", "more": 1}, {"hist_access_type": "tail", "more": 1}
    for msg_type, content in (("complete_request", complete), ("history_request", history)):
        message = {"content": content, "metadata": {}}
        check(msg_type, message)
        assert ("more" in message["content"]) == (msg_type == "complete_request")
    assert set(message["content"]) == set(FIELDS["history_request"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "its content is no JSON object"),
        ({}, "it has no 'code'"),
        ({"code": 1}, "its 'code' is int"),
        ({"code": "", "user_expressions": []}, "its 'user_expressions' is list"),
    ],
)
def test_what_is_wrong_is_told(content, told):
    with pytest.raises(MalformedRequestError) as raised:
        check("execute_request", {"content": content, "metadata": {}})
    assert told in str(raised.value)


def test_a_type_that_is_not_known_is_left_alone():
    message = {"content": {"anything": 1}, "metadata": {"a": 1}}
    check("comm_msg", message)
    assert message == {"content": {"anything": 1}, "metadata": {"a": 1}}


def test_the_reply_to_what_failed_has_the_error_and_what_its_type_asks_for():
    reply = failure("execute_request", ValueError("text"))
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", "ValueError", "text")
    assert reply["execution_count"] is None
    assert failure("complete_request", None)["evalue"] == "the kernel has not answered this complete_request"
    assert failure("debug_request", ValueError("text"))["success"] is False
