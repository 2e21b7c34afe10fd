"""The output of several machines in one cell: whose each line is, and in which order it is shown."""

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.parallel import grouped
from rpyc_kernel.kernel.sessions.labels import LabelledOutput, NamedOutput


def text(text, name="stdout"):
    return Message("stream", {"name": name, "text": text}, "cell")


def result(value, **more):
    data = {"text/plain": value, **more}
    return Message("execute_result", {"data": data, "metadata": {}, "execution_count": 3}, "cell")


def display(value):
    return Message("display_data", {"data": {"image/png": value}, "metadata": {"a": 1}}, "cell")


def shown(messages):
    return [
        (m.content["name"], m.content["text"]) if m.type == "stream" else (m.type, *m.content["data"].values())
        for m in messages
    ]


def test_the_machine_is_named_and_nothing_else_changes():
    (message,) = NamedOutput("pi")(display("x"))
    assert message.type == "display_data"
    assert message.metadata == {"rpyc_kernel": {"machine": "pi"}}
    assert message.content["metadata"] == {"a": 1, "rpyc_kernel": {"machine": "pi"}}
    (message,) = NamedOutput("pi")(text("x"))
    assert message.content == {"name": "stdout", "text": "x"}
    (message,) = NamedOutput("pi")(Message("comm_msg", {"comm_id": "c", "data": {}}, "cell"))
    assert message.content == {"comm_id": "c", "data": {}}


def test_each_line_has_its_machine_and_is_shown_when_it_is_whole():
    label = LabelledOutput("pi")
    assert shown(label(text("a\nb"))) == [("stdout", "[pi] a\n")]
    assert shown(label(text("c", "stderr"))) == []
    assert shown(label(text("\n\n"))) == [("stdout", "[pi] b\n[pi] \n")]
    assert shown(label.rest()) == [("stderr", "[pi] c\n")]
    assert label.rest() == []
    assert len(shown(label(text("x" * (2 << 20))))) == 1, "a line without an end is not held for ever"


def test_what_is_displayed_stands_below_its_machine_and_after_the_text_before_it():
    label = LabelledOutput("pi")
    label(text("unfinished"))
    assert shown(label(display("P"))) == [
        ("stdout", "[pi] unfinished\n"), ("stdout", "[pi]\n"), ("display_data", "P"),
    ]  # fmt: skip
    assert shown(label(result("5"))) == [("display_data", "Out[pi:3]: 5")]
    assert shown(label(result("a\nb"))) == [("display_data", "Out[pi:3]: \na\nb")]
    rich = label(result("<Figure>", **{"image/png": "P"}))
    assert shown(rich) == [("stdout", "Out[pi:3]:\n"), ("display_data", "<Figure>", "P")]


def test_errors_are_text_and_no_machine_clears_the_output_of_the_others():
    label = LabelledOutput("pi")
    error = Message("error", {"ename": "E", "evalue": "v", "traceback": ["T", "E: v"]}, "cell")
    assert shown(label(error)) == [("stderr", "[pi] T\n[pi] E: v\n")]
    assert shown(label(Message("error", {"ename": "E", "evalue": "v"}, "cell"))) == [("stderr", "[pi] E: v\n")]
    assert shown(label(Message("clear_output", {"wait": False}, "cell"))) == []


@pytest.mark.parametrize(
    ("grouping", "order"),
    [
        ("engine", ["a1", "A", "a2", "a-err", "B", "b1", "C"]),
        ("type", ["a1", "a2", "b1", "a-err", "A", "B", "C"]),
        ("order", ["a1", "a2", "b1", "a-err", "A", "B", "C"]),
    ],
)
def test_output_is_grouped_as_ipyparallel_groups_it(grouping, order):
    kept = [
        ("a", [text("a1\n"), result("A"), text("a2\n"), text("a-err\n", "stderr")]),
        ("b", [result("B"), text("b1\n"), result("C")]),
    ]
    found = [line[-1].strip().split()[-1] for line in shown(grouped(kept, grouping))]
    assert found == order


def test_by_order_the_first_display_of_each_machine_comes_first():
    kept = [("a", [result("A1"), result("A2")]), ("b", [result("B1"), result("B2")])]
    assert [line[-1].split()[-1] for line in shown(grouped(kept, "order"))] == ["A1", "B1", "A2", "B2"]
    assert [line[-1].split()[-1] for line in shown(grouped(kept, "type"))] == ["A1", "A2", "B1", "B2"]
