"""Reports about plots, widgets, and pages that look for something of the other machine."""

from __future__ import annotations

from tests.kernel.client import Client
from tests.reports.conftest import of


@of("plt-01-matplotlib-widget", on=("ipython",))
def test_matplotlib_widget(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0], timeout=60)
    second = nb.good(cells[1])
    assert "ipympl" in (second.text or "")
    widgets = [each for each in second.displays if "application/vnd.jupyter.widget-view+json" in each]
    assert widgets or any(comm.state.get("_model_module") == "jupyter-matplotlib" for comm in nb.comms.values())
    nb.good(cells[2])
    assert any("image/png" in each for each in nb.good(cells[3]).displays)


@of("plt-02-pause-and-animation", on=("ipython",))
def test_pause_and_animation(nb: Client, cells: list[str]) -> None:
    assert any("image/png" in each for each in nb.good(cells[0], timeout=60).displays)
    data = nb.good(cells[1], timeout=60).data
    assert data is not None
    assert "text/html" in data
    assert "<script" in data["text/html"]


@of("plt-02-pause-and-animation", on=("plain",))
def test_pause_without_ipython(nb: Client, cells: list[str]) -> None:
    assert any("image/png" in each for each in nb.good(cells[0], timeout=60).displays)
    data = nb.good(cells[1], timeout=60).data
    assert data is not None
    assert "<script" in data["text/html"]


@of("wid-02-output-widget-in-thread", on=("ipython",))
def test_output_widgets_of_two_threads(nb: Client, cells: list[str]) -> None:
    requests = [nb.good(each) for each in cells]
    printed = "".join(each.stdout for each in requests)
    outputs = [comm for comm in nb.comms.values() if comm.state.get("_model_name") == "OutputModel"]
    taken = "".join(
        part.get("text", "") for comm in outputs for part in comm.state.get("outputs", ()) if isinstance(part, dict)
    )
    assert (
        sorted((printed + taken).splitlines()) == sorted(f"... {n}" for n in range(5)) * 2
        or len((printed + taken).splitlines()) == 10
    )


@of("wid-03-clear-output-race", on=("ipython",))
def test_clear_output_in_a_thread(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    nb.good(cells[1])
    text = nb.good(cells[2]).text  # without a page, which clears its own outputs, the old text stays in the trait
    assert text is not None
    assert text.strip("'").replace("old", "") == "abcdef"


@of("wid-06-camera-through-dlink", on=("ipython",))
def test_pictures_of_a_thread_in_a_widget(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    sent = nb.good(cells[1].replace("8", "3")).text
    nb.good(cells[2])
    assert sent is not None
    assert int(sent) > 30
    image = next(comm for comm in nb.comms.values() if comm.state.get("_model_name") == "ImageModel")
    updates = [each for each in image.received if each.kind == "comm_msg" and each.buffers]
    assert len(updates) >= int(sent) // 2, "pictures whose bytes are the same as before are no change: a third of them"


@of("wid-08-register-target", on=("ipython",))
def test_a_target_is_registered_through_the_kernel(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    nb.comm_open("c-1", "mine", {"a": 1})
    assert nb.good(cells[1]).text == "[{'a': 1}]"
    table = nb.good(cells[2]).text or ""
    for absent in ("msg_queue", "comm_info"):  # in ipykernel 7 too
        table = table.replace(f"'{absent}': False", "")
    assert "False" not in table
    assert nb.good(cells[3]).text == "(True, True)"


@of("dsp-02-files-of-there-in-the-page-of-here")
def test_files_of_there_are_embedded(nb: Client, cells: list[str]) -> None:
    assert len(nb.good(cells[0]).displays) == 3
    kinds = {kind for each in nb.good(cells[1]).displays for kind in each}
    assert {"image/svg+xml", "text/html"} <= kinds
    nb.good(cells[2])


@of("dsp-03-localhost-of-there")
def test_a_server_of_there(nb: Client, cells: list[str]) -> None:
    assert "iframe" in str(nb.good(cells[0]).data)
    nb.good(cells[1])
