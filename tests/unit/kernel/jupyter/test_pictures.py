"""Pictures of ``show`` on their way to front ends."""

from __future__ import annotations

from typing import Any

from rpyc_kernel.agent.wire import SHOWN, Message
from rpyc_kernel.kernel.jupyter.pictures import Pictures


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
    Pictures().place(message)
    data = message.content["data"]
    assert sorted(data) == ["text/html", "text/plain"]
    assert data["text/html"].startswith(
        '<figure class="rpyc-kernel-show"><img src="data:image/jpeg;base64,/9j/" alt="&lt;b&gt;&quot;left&quot;"'
        ' width="640" height="480"><figcaption>&lt;b&gt;&quot;left&quot;</figcaption></figure><style>'
    )
    assert message.content["metadata"] == {}


def test_one_without_a_name_stays_a_picture() -> None:
    message = picture("show-1")
    Pictures().place(message)
    assert sorted(message.content["data"]) == ["image/jpeg", "text/plain"]


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
