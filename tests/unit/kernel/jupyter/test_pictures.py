"""Pictures of ``show`` on their way to front ends."""

from __future__ import annotations

from typing import Any

import pytest

from rpyc_kernel.agent.wire import SHOWN, Message
from rpyc_kernel.kernel.jupyter.pictures import Pictures, Placed
from rpyc_kernel.kernel.sessions.labels import LabelledOutput, NamedOutput


def picture(display: str, kind: str = "update_display_data", parent: str = "cell", **shown: Any) -> Message:
    metadata = {SHOWN: shown} if shown else {}
    content = {
        "data": {"text/plain": "<x>", "image/jpeg": "/9j/"},
        "metadata": metadata,
        "transient": {"display_id": display},
    }
    return Message(kind, content, parent)


def test_the_first_of_a_display_in_a_cell_begins_it() -> None:
    pictures = Pictures()
    found = [picture("show-1"), picture("show-1"), picture("show-1", parent="other"), picture("mine")]
    for each in found:
        pictures.place(each)
    assert [each.type for each in found] == [
        "display_data",
        "update_display_data",
        "display_data",
        "update_display_data",
    ]


def test_one_with_a_name_is_a_figure() -> None:
    message = picture("show-1", name='<b>"left"', width=640, height=480)
    assert Pictures().place(message) == Placed("show-1", "image/jpeg", 640, 480)
    data = message.content["data"]
    assert sorted(data) == ["text/html", "text/plain"]
    assert data["text/html"].startswith(
        '<figure class="rpyc-kernel-show"><img src="data:image/jpeg;base64,/9j/" alt="&lt;b&gt;&quot;left&quot;"'
        ' width="640" height="480"><figcaption>&lt;b&gt;&quot;left&quot;</figcaption></figure><style>'
    )
    assert message.content["metadata"] == {SHOWN: {"show": "show-1"}}, "by which a page finds it"


def test_one_without_a_name_stays_a_picture() -> None:
    message = picture("show-1")
    assert Pictures().place(message) == Placed("show-1", "image/jpeg")
    assert sorted(message.content["data"]) == ["image/jpeg", "text/plain"]
    assert message.content["metadata"] == {SHOWN: {"show": "show-1"}}
    message = picture("show-1")
    message.content["metadata"] = {"image/jpeg": {"width": 640, "height": 480}}
    assert Pictures().place(message) == Placed("show-1", "image/jpeg", 640, 480), "it has fewer pixels than it takes"
    assert message.content["metadata"]["image/jpeg"] == {"width": 640, "height": 480}


@pytest.mark.parametrize("output", [NamedOutput, LabelledOutput])
def test_the_name_of_the_machine_stands_beside_that_of_the_picture(output: type[NamedOutput]) -> None:
    for shown in ({}, {"name": "left"}):
        message = list(output("pi")(picture("show-1", **shown)))[-1]
        Pictures().place(message)
        assert message.content["metadata"] == {SHOWN: {"machine": "pi", "show": "show-1"}}
        assert ("text/html" in message.content["data"]) is bool(shown), "one without a name is no figure"


def test_nothing_that_was_made_up_there_gets_into_the_html() -> None:
    message = picture("show-1", name="x", width='1" onload="x', height=True)
    message.content["data"]["image/jpeg"] = '"><script>'
    Pictures().place(message)
    html = message.content["data"]["text/html"]
    assert "<script>" not in html
    assert "onload" not in html
    for strange in ({SHOWN: 5}, {SHOWN: {"name": "x"}}, []):
        message = picture("show-1")
        message.content.update(metadata=strange, data={"text/plain": "x"})
        Pictures().place(message)
        assert message.content["data"] == {"text/plain": "x"}
