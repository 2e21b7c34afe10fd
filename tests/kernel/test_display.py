"""Rich output: displays with an identity, tables, figures, images."""

import base64

import pytest

from tests.kernel.client import Client

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def show(nb: Client, remote_kind: str) -> Client:
    """A notebook in which the functions of IPython.display are at hand; without IPython they are built in."""
    if remote_kind == "ipython":
        nb.good("from IPython.display import display, update_display, clear_output")
    return nb


def test_display_shows_between_prints(show: Client) -> None:
    cell = show.good("print('a'); display('b'); print('c')")
    assert cell.script == [("stdout", "a\n"), ("display_data", "'b'"), ("stdout", "c\n")]


def test_display_is_there_without_an_import(nb: Client) -> None:
    assert nb.good("display(1, 'two')").displays == [{"text/plain": "1"}, {"text/plain": "'two'"}]


def test_display_of_several_and_raw(show: Client) -> None:
    cell = show.good(
        "display({'text/plain': 'p', 'text/html': '<i>h</i>'}, raw=True, metadata={'text/html': {'k': 1}})"
    )
    message = cell.of("display_data")[0]
    assert message.content["data"] == {"text/plain": "p", "text/html": "<i>h</i>"}
    assert message.content["metadata"] == {"text/html": {"k": 1}}


def test_a_display_with_an_id_is_updated(show: Client) -> None:
    first = show.good("display('one', display_id='same')").of("display_data")[0]
    assert first.content["transient"] == {"display_id": "same"}
    later = show.good("update_display('two', display_id='same')")
    assert later.displays == []
    update = later.of("update_display_data")[0]
    assert update.content["data"] == {"text/plain": "'two'"}
    assert update.content["transient"] == {"display_id": "same"}


def test_a_handle_updates_its_display(show: Client) -> None:
    cell = show.good("handle = display('one', display_id=True)\nhandle.update('two')\nhandle.display_id")
    identity = cell.of("display_data")[0].content["transient"]["display_id"]
    assert cell.of("update_display_data")[0].content["transient"] == {"display_id": identity}
    assert cell.text == repr(identity)


@pytest.mark.parametrize("wait", [True, False])
def test_clear_output_keeps_its_place(show: Client, wait: bool) -> None:
    cell = show.good(f"print('a')\nclear_output(wait={wait})\nprint('b')")
    assert cell.script == [("stdout", "a\n"), ("clear_output", str(wait)), ("stdout", "b\n")]


def test_reprs_of_a_class_are_all_sent(show: Client) -> None:
    code = """
class Rich:
    def __repr__(self): return "plain"
    def _repr_html_(self): return "<b>html</b>"
    def _repr_markdown_(self): return "**md**"
    def _repr_svg_(self): return "<svg/>"
    def _repr_latex_(self): return "$x$"
    def _repr_json_(self): return {"a": [1]}
    def _repr_javascript_(self): return None
    def _repr_png_(self): return b"\\x89PNG", {"width": 3}
Rich()
"""
    message = show.good(code).of("execute_result")[0]
    assert message.content["data"] == {
        "text/plain": "plain",
        "text/html": "<b>html</b>",
        "text/markdown": "**md**",
        "image/svg+xml": "<svg/>",
        "text/latex": "$x$",
        "application/json": {"a": [1]},
        "image/png": message.content["data"]["image/png"],
    }
    assert base64.b64decode(message.content["data"]["image/png"]) == b"\x89PNG"
    assert message.content["metadata"] == {"image/png": {"width": 3}}


def test_mimebundles(show: Client) -> None:
    code = """
class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "p", "application/x-own+json": {"deep": [1, None]}}, {"application/x-own+json": {"m": 1}}
Bundle()
"""
    message = show.good(code).of("execute_result")[0]
    assert message.content["data"] == {"text/plain": "p", "application/x-own+json": {"deep": [1, None]}}
    assert message.content["metadata"] == {"application/x-own+json": {"m": 1}}


def test_a_broken_repr_leaves_the_others(show: Client) -> None:
    code = "class Half:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): 1/0\nHalf()"
    cell = show.run(code)
    assert cell.text == "plain"
    assert cell.data is not None
    assert "text/html" not in cell.data


def test_ipython_display_is_asked(show: Client) -> None:
    cell = show.good("class Own:\n    def _ipython_display_(self): print('own way')\nOwn()")
    assert (cell.stdout, cell.text) == ("own way\n", None)


def test_a_class_is_not_its_instance(show: Client) -> None:
    cell = show.good("class R:\n    def _repr_html_(self): return 'x'\nR")
    assert cell.data is not None
    assert set(cell.data) == {"text/plain"}


def test_long_values_are_shown_as_in_any_notebook(show: Client) -> None:
    text = show.good("list(range(2000))").text
    assert text is not None
    assert text.startswith("[0")
    assert len(text) < 20_000


def test_a_data_frame_is_a_table(show: Client) -> None:
    cell = show.good("import pandas\npandas.DataFrame({'col': [10, 20]})", timeout=60)
    assert cell.data is not None
    assert "<table" in cell.data["text/html"]
    assert "<td>20</td>" in cell.data["text/html"]
    assert "col" in cell.data["text/plain"]


def png(cell_data: dict[str, str]) -> bytes:
    return base64.b64decode(cell_data["image/png"])


def test_a_figure_is_shown_after_the_cell_and_once(show: Client) -> None:
    """Without `%matplotlib inline`: it is a notebook."""
    first = show.good("import matplotlib.pyplot as plt\nplt.plot([1, 2, 4])\nprint('before');", timeout=90)
    assert first.stdout == "before\n"
    assert [png(data)[:8] for data in first.displays] == [PNG]
    assert first.messages[-1].kind == "display_data"
    assert show.good("1").displays == []
    assert show.good("plt.get_fignums()").text == "[]"


def test_plt_show_shows_in_its_place(show: Client) -> None:
    cell = show.good(
        "import matplotlib.pyplot as plt\nfor i in range(2):\n    plt.plot([i]); plt.show(); print('shown', i)",
        timeout=90,
    )
    kinds = [message.kind for message in cell.messages]
    assert kinds == ["display_data", "stream", "display_data", "stream"]
    assert cell.stderr == ""


def test_the_inline_magic(show: Client) -> None:
    show.good("%matplotlib inline\nimport matplotlib.pyplot as plt", timeout=90)
    assert [png(data)[:8] for data in show.good("plt.figure(); plt.plot([1]);").displays] == [PNG]


def test_a_figure_as_last_value(show: Client) -> None:
    cell = show.good("import matplotlib.pyplot as plt\nfig, ax = plt.subplots(); plt.close(fig)\nfig", timeout=90)
    assert cell.data is not None
    assert png(cell.data)[:8] == PNG


def test_an_open_figure_of_a_failing_cell_is_still_shown(show: Client) -> None:
    cell = show.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\n1/0", timeout=90)
    assert cell.status == "error"
    later = show.good("plt.close('all')")
    assert len(cell.displays) + len(later.displays) <= 1


def test_a_pil_image_is_shown(show: Client) -> None:
    cell = show.good("from PIL import Image\nImage.new('RGB', (3, 2), 'red')")
    assert cell.data is not None
    assert png(cell.data)[:8] == PNG


def test_a_large_display_arrives_whole(show: Client) -> None:
    cell = show.good("display({'text/plain': 'x', 'text/html': 'é' * 5_000_000}, raw=True)", timeout=60)
    assert cell.displays[0]["text/html"] == "é" * 5_000_000


@pytest.mark.parametrize("code", ["display(3, raw=True)", "IPython.display.publish_display_data('text')"])
def test_what_is_no_bundle_is_an_error(show: Client, code: str) -> None:
    cell = show.run(f"import IPython.display\n{code}")
    assert cell.error is not None
    assert cell.error["ename"] == "TypeError"
    assert "data must be a dict, got: " in cell.error["evalue"]
