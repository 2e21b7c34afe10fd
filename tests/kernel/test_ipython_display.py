"""``IPython.display`` in cells: IPython's own, and the stand-in of machines without it, show the same."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote


def png(width: int, height: int) -> bytes:
    """A grey picture."""
    pieces = [b"\x89PNG\r\n\x1a\n"]
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", rows),
        (b"IEND", b""),
    ):
        pieces.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(pieces)


PNG = png(20, 10)
JPEG = b"\xff\xd8\xff\xe0\x00\x04\x00\x00\xff\xc0\x00\x0b\x08\x00\x06\x00\x08\x01\x01\x11\x00\xff\xd9"
GIF = b"GIF89a" + struct.pack("<HH", 6, 4) + b"\0\0\0"
WEBP = b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f" + struct.pack("<I", (7 - 1) | (5 - 1) << 14) + b"\0" * 12
IMPORTS = f"""
from IPython.display import *
from IPython.display import Code, FileLinks, ProgressBar, TextDisplayObject
import pathlib
PNG, JPEG, GIF, WEBP = {PNG!r}, {JPEG!r}, {GIF!r}, {WEBP!r}
pathlib.Path("picture.PNG").write_bytes(PNG)
pathlib.Path("page.html").write_text("<i>from a file</i>")
pathlib.Path("drawing.svg").write_text('<?xml version="1.0"?><svg xmlns="s"><g/></svg>')
pathlib.Path("data.json").write_text('{{"a": [1]}}')
"""
#: expression → the types that it has beside text/plain, with their data; a text that begins with ~ is contained
SHOWN: dict[str, dict[str, Any]] = {
    "HTML('<b>x</b>')": {"text/html": "<b>x</b>"},
    "HTML('page.html')": {"text/html": "<i>from a file</i>"},
    "HTML(filename='page.html')": {"text/html": "<i>from a file</i>"},
    "Markdown(pathlib.Path('page.html'))": {"text/markdown": "<i>from a file</i>"},
    "Markdown('# x')": {"text/markdown": "# x"},
    "Latex('$x$')": {"text/latex": "$x$"},
    "Math('$x^2$')": {"text/latex": r"$\displaystyle x^2$"},
    "Pretty('pretty text')": {"text/plain": "pretty text"},
    "SVG('drawing.svg')": {"image/svg+xml": '<svg xmlns="s"><g/></svg>'},
    "JSON({'a': 1}, expanded=True)": {"application/json": {"a": 1}},
    "JSON(filename='data.json')": {"application/json": {"a": [1]}},
    "Javascript('alert(1)')": {"application/javascript": "alert(1)"},
    "Javascript('f()', lib='https://x/y.js', css=['https://x/z.css'])": {"application/javascript": "~https://x/z.css"},
    "Code('x = 1')": {"text/plain": "x = 1"},
    "Image(PNG)": {"image/png": PNG},
    "Image(data=JPEG)": {"image/jpeg": JPEG},
    "Image(GIF)": {"image/gif": GIF},
    "Image('picture.PNG', width=5)": {"image/png": PNG},
    "Image(filename='picture.PNG', embed=False)": {"text/html": "~picture.PNG"},
    "Image(data=JPEG, format='jpg')": {"image/jpeg": JPEG},
    "Image(url='https://x/y.png?a=1&b=2', width=7, height=8, alt='a \"b\"')": {
        "text/html": '<img src="https://x/y.png?a=1&amp;b=2" width="7" height="8" alt="a &quot;b&quot;"/>'
    },
    "Video(url='https://x/v.mp4', width=3)": {"text/html": '~src="https://x/v.mp4"'},
    "Video(b'abc', embed=True, mimetype='video/webm')": {"text/html": "~data:video/webm;base64,YWJj"},
    "Audio(url='https://x/a.mp3')": {"text/html": '~src="https://x/a.mp3" type="audio/mpeg"'},
    "Audio(data=b'RIFF', autoplay=True)": {"text/html": "~data:audio/wav;base64,UklGRg=="},
    "Audio([0, 0.5, -1], rate=8000)": {"text/html": "~audio/wav"},
    "IFrame('https://x/', 300, '50%', a=1, b='c d')": {"text/html": "~https://x/?a=1&b=c+d"},
    "YouTubeVideo('abc', start=3)": {"text/html": "~https://www.youtube.com/embed/abc?start=3"},
    "FileLink('page.html')": {"text/html": "<a href='page.html' target='_blank'>page.html</a><br>"},
    "ProgressBar(4)": {"text/html": "~<progress"},
}  # fmt: skip
#: statements → the type of what they raise
REFUSED = {
    "HTML(3)": "TypeError",
    "HTML(filename='nothing.html')": "FileNotFoundError",
    "JSON('3')": "TypeError",
    "Image()": "ValueError",
    "Image(filename='nothing.png')": "FileNotFoundError",
    "Image(data=b'x', format='bmp')": "ValueError",
    "Video(b'abc')": "ValueError",
    "Audio()": "ValueError",
    "Audio([0.5])": "ValueError",
    "Audio([2], rate=8, normalize=False)": "ValueError",
    "Javascript('', lib=3)": "TypeError",
    "FileLink('.')": "ValueError",
    "update_display('x')": "TypeError",
    "from IPython.display import Foo": "ImportError",
    "from IPython import embedded": "ImportError",
    "import IPython.nothing": "ModuleNotFoundError",
    "import IPython; IPython.nothing": "AttributeError",
}


@pytest.fixture
def display(nb: Client) -> Client:
    nb.good(IMPORTS)
    return nb


def test_each_class_shows_the_same(display: Client) -> None:
    wrong = {}
    for code, wanted in SHOWN.items():
        data = dict(display.good(code).data or {})
        for mime, form in wanted.items():
            found = data.get(mime)
            if isinstance(form, bytes):
                found = base64.b64decode(str(found))
            if not (form[1:] in str(found) if isinstance(form, str) and form.startswith("~") else found == form):
                wrong[code] = data
    assert not wrong


def test_errors_of_the_same_types(display: Client) -> None:
    found = {code: (display.run(code).error or {}).get("ename") for code in REFUSED}
    assert found == REFUSED


def test_metadata(display: Client) -> None:
    def metadata(code: str) -> object:
        (shown,) = [each.content for each in display.good(f"display({code})").of("display_data")]
        return shown["metadata"]

    assert metadata("Image(PNG, retina=True)") == {"image/png": {"width": 10, "height": 5}}
    assert metadata("Image(data=JPEG, retina=True, alt='x')") == {"image/jpeg": {"width": 4, "height": 3, "alt": "x"}}
    assert metadata("Image(GIF, retina=True)") == {"image/gif": {"width": 3, "height": 2}}
    assert metadata("Image(PNG, unconfined=True, metadata={'a': 1})") == {"image/png": {"unconfined": True, "a": 1}}
    assert metadata("HTML('x', metadata={'isolated': True})") == {"text/html": {"isolated": True}}
    assert metadata("JSON([1], root='r')") == {"application/json": {"expanded": False, "root": "r"}}
    both = metadata("HTML('x', metadata={'a': 1}), metadata={'text/html': {'b': 2}}")
    assert both == {"text/html": {"a": 1, "b": 2}}


def test_display_functions(display: Client) -> None:
    code = "handle = display(HTML('a'), display_id='x'); handle.update(HTML('b')); update_display(1, display_id='x')"
    shown = display.good(code + "; display({'text/html': 'c'}, raw=True, transient={'display_id': 'y'})")
    kinds = [each.kind for each in shown.messages if "display" in each.kind]
    assert kinds == ["display_data", "update_display_data", "update_display_data", "display_data"]
    ids = [each.content["transient"]["display_id"] for each in shown.messages if "display" in each.kind]
    assert ids == ["x", "x", "x", "y"]
    made = display.good(
        "h = DisplayHandle(); h.display('q'); isinstance(display(display_id=True), DisplayHandle), h.display_id"
    )
    assert str(made.text).startswith("(True,")
    html = display.good("display_html('<p>', raw=True); display_html(HTML('<q>')); display_png(Image(PNG))")
    assert [set(each["data"]) for each in (m.content for m in html.of("display_data"))] == [
        {"text/html"}, {"text/html"}, {"image/png"},
    ]  # fmt: skip
    publish = display.good("publish_display_data({'text/plain': 'p'}, metadata={'a': 1})").of("display_data")
    assert [each.content["data"] for each in publish] == [{"text/plain": "p"}]
    assert [each.content for each in display.good("clear_output(wait=True)").of("clear_output")] == [{"wait": True}]
    bar = display.good("for _ in ProgressBar(2): pass")
    assert len(bar.of("display_data")) == 1
    assert len(bar.of("update_display_data")) >= 2


WAYS = [
    "import IPython; IPython.display.display(IPython.display.HTML('x'))",
    "import IPython.display; IPython.display.display(IPython.display.HTML('x'))",
    "import IPython.display as d; d.display(d.HTML('x'))",
    "from IPython import display as d; d.display(d.HTML('x'))",
    "from IPython.core.display import HTML\nfrom IPython.display import display\ndisplay(HTML('x'))",
    "import importlib; d = importlib.import_module('IPython.display'); d.display(d.HTML('x'))",
    "def f():\n    from IPython.display import HTML, display\n    display(HTML('x'))\nf()",
    "import threading\nt = threading.Thread(target=f); t.start(); t.join()",
    "exec('from IPython.display import HTML as H', scope := {}); display(scope['H']('x'))",
    "import sys; sys.path.insert(0, ''); import own_module; own_module.f()",
]


def test_every_way_of_importing_it(nb: Client) -> None:
    nb.good("open('own_module.py', 'w').write('import IPython.display as d\\ndef f(): d.display(d.HTML(\"x\"))')")
    for code in WAYS:
        (shown,) = nb.good(code).of("display_data")
        assert shown.content["data"]["text/html"] == "x", code


def test_get_ipython(nb: Client) -> None:
    nb.good("from IPython import get_ipython; from IPython.core.getipython import get_ipython as same")
    assert nb.good("get_ipython().run_line_magic('matplotlib', 'inline'); get_ipython() is same()").text == "True"
    nb.good(
        "from IPython.core.magic import register_line_magic\n@register_line_magic\ndef shout(line): return line.upper()"
    )
    assert nb.good("%shout abc").text == "'ABC'"


def test_libraries_do_not_take_the_stand_in_for_ipython(fresh: Client, remote: Remote) -> None:
    fresh.good("from IPython.display import HTML, display; import IPython")
    there = "('IPython' in sys.modules, matplotlib.get_backend(), importlib.util.find_spec('tqdm.auto') is not None)"
    fresh.good("import sys, importlib.util, pandas, matplotlib.pyplot as plt, matplotlib, tqdm.auto")
    found = str(fresh.good(there).text)
    shown = fresh.good("plt.plot([1, 2]); display(pandas.DataFrame({'a': [1]})); plt.show()")
    assert [set(each.content["data"]) - {"text/plain"} for each in shown.of("display_data")] == [
        {"text/html"}, {"image/png"},
    ]  # fmt: skip
    if remote.kind == "ipython":
        assert found.startswith("(True, ")
        return
    assert found.startswith("(False,")
    assert "module://_rpyc_kernel" in found
    assert fresh.good("tqdm.auto.tqdm.__module__").text == "'tqdm.asyncio'"
    # what is said of what is missing is one sentence, and the whole of it
    refused = fresh.run("from IPython.core.interactiveshell import InteractiveShell")
    assert "%pip install ipython" in refused.traceback
    # a library that imports it meets what it would without the stand-in
    code = "import os, tqdm, types; m = types.ModuleType('m'); m.__file__ = tqdm.__file__\n"
    code += (
        "exec('try:\\n import IPython.display\\nexcept ModuleNotFoundError as e: text = str(e)', m.__dict__); m.text"
    )
    assert fresh.good(code).text == "\"No module named 'IPython'\""
