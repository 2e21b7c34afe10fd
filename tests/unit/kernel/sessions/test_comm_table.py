"""Which comms are open, whose they are, and how a page is told that their Python is gone."""

from types import SimpleNamespace

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.sessions.comm_table import DEAD_CLASS, CommTable
from rpyc_kernel.kernel.sessions.widget_states import WidgetStates


def session(**more):
    return SimpleNamespace(closed=False, **more)


def opens(table, owner, comm_id, target="jupyter.widget", **state):
    content = {"comm_id": comm_id, "target_name": target, "data": {"state": state}}
    assert not table.take(owner, Message("comm_open", content))


def test_comms_belong_to_the_session_that_opened_them():
    table, pi, desk = CommTable(), session(), session()
    opens(table, pi, "a")
    opens(table, desk, "b", "tests")
    table.take(pi, Message("comm_open", {"comm_id": "c", "data": "no widget"}))
    assert table.targets() == {"a": "jupyter.widget", "b": "tests", "c": ""}
    assert (table.session_of("a"), table.session_of("b"), table.session_of("z")) == (pi, desk, None)
    assert table.holders_of_widgets() == [pi]
    table.take(pi, Message("comm_close", {"comm_id": "c"}))
    pi.closed = True
    assert table.targets() == {"b": "tests"}
    assert table.session_of("a") is pi
    assert table.holders_of_widgets() == []


def test_the_widgets_of_a_python_that_is_gone_are_marked_and_other_comms_closed():
    table, pi, desk = CommTable(), session(), session()
    opens(table, pi, "slider", disabled=False, _dom_classes=["mine"])
    opens(table, pi, "layout")
    opens(table, pi, "other", "tests")
    opens(table, desk, "stays", _dom_classes=[])
    update = {"method": "update", "state": {"_dom_classes": ["mine", "added"]}}
    table.take(pi, Message("comm_msg", {"comm_id": "slider", "data": update}))
    assert table.count(pi) == 1
    marks = table.lost(pi, "It is gone.")
    state = {"_dom_classes": ["mine", "added", DEAD_CLASS], "tooltip": "It is gone.", "disabled": True}
    assert [(each.type, each.content["comm_id"]) for each in marks] == [("comm_msg", "slider"), ("comm_close", "other")]
    assert marks[0].content["data"]["state"] == state
    assert table.targets() == {"stays": "jupyter.widget"}
    assert table.loss_of("layout").sentence == "It is gone."
    assert table.loss_of("stays") is None
    assert table.lost(pi, "again") == []


def test_a_session_that_is_taken_over_tells_its_comms():
    table, before, now = CommTable(), session(), session()
    opens(table, before, "known")
    assert table.found(now, {"known": "jupyter.widget", "new": "jupyter.widget", "other": "tests"})
    assert table.session_of("known") is now
    assert table.not_shown(now) == ["new"]
    opens(table, now, "new")
    assert table.not_shown(now) == []
    assert not table.found(now, ["nonsense"])


def test_what_the_kernel_asks_for_is_seen_by_no_front_end():
    table, pi = CommTable(), session()
    with table.asking() as (msg_id, answers):
        assert table.take(pi, Message("comm_msg", {"comm_id": "x", "data": {}}, msg_id))
        assert [each.content["comm_id"] for each in answers] == ["x"]
    assert table.take(pi, Message("stream", {"text": "late"}, msg_id))


def test_states_are_read_as_they_should_be_or_not_at_all():
    data = {
        "method": "update_states",
        "states": {"a": {"state": {"v": 1}}, "b": {"state": {}}},
        "buffer_paths": [["a", "state", "x", 0], ["b", "state", "y"]],
    }
    states = WidgetStates.read(data, [b"1", b"2"])
    opening = states.opening("a")
    assert opening.content["data"] == {"state": {"v": 1}, "buffer_paths": [["x", 0]]}
    assert opening.buffers == [b"1"]
    states.add(WidgetStates.read(dict(data, states={"c": {}}, buffer_paths=[["c", "z"]]), [b"3"]))
    assert states.data["buffer_paths"] == [["a", "state", "x", 0], ["b", "state", "y"], ["c", "z"]]
    assert (list(states.states), states.buffers) == (["a", "b", "c"], [b"1", b"2", b"3"])
    for wrong in ({"method": "update"}, {"states": []}, {"states": {"a": 1}}, {"buffer_paths": [[]]}):
        assert WidgetStates.read({**data, **wrong}, [b"1"] if "buffer_paths" in wrong else [b"1", b"2"]) is None
    assert WidgetStates.read(data, []) is None
    assert WidgetStates.read("nonsense", []) is None
