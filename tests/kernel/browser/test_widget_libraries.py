"""JupyterLab with the JavaScript of many widget libraries, and cells that use them on the other machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel.remotes import Remote
from tests.servers.venvs import WIDGET_LIBRARIES, venv

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.soak]

UPLOAD = "import ipywidgets as w\nu = w.FileUpload(); u"
ANYWIDGET = """
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''function render({model, el}) {
        const b = document.createElement("button"); b.className = "counter"; el.appendChild(b);
        const show = () => { b.innerText = "count " + model.get("value"); };
        b.onclick = () => { model.set("value", model.get("value") + 1); model.save_changes(); };
        model.on("change:value", show); model.on("msg:custom", (m, bufs) => { el.dataset.sum = bufs[0].byteLength; });
        show();
    }
    export default { render };'''
    value = traitlets.Int(0).tag(sync=True)
c = Counter(); c
"""
RFB = """
import numpy as np
from jupyter_rfb import RemoteFrameBuffer
class Field(RemoteFrameBuffer):
    seen = []
    def get_frame(self): return np.full((50, 80, 3), (255, 0, 0), np.uint8)
    def handle_event(self, event): self.seen.append(event['event_type'])
f = Field(); f.css_width = '80px'; f.css_height = '50px'; f.request_draw(); f
"""
PANEL = """
import panel as pn
pn.extension('ipywidgets', inline=True)
p = pn.widgets.IntSlider(name='panel slider', start=0, end=10, value=4); p
"""
BRIDGE = "import ipywidgets\nh = ipywidgets.IntSlider(value=6, description='inner'); pn.Column('bridge', h)"


def test_widget_libraries(page: Page) -> None:
    from tests.kernel.browser.pages import JupyterServer, expect, new_notebook

    python = str(venv(extra_packages=WIDGET_LIBRARIES))
    without = "--ServerApp.jpserver_extensions={'panel.io.jupyter_server_extension': False}"  # slow to import, for apps
    with Remote("widgets") as remote, JupyterServer("jupyterlab", python, without) as server:
        notebook = new_notebook(page, server)
        notebook.run(f'$connect("{remote.address}")')

        imports = notebook.start("import anywidget, bqplot, ipycanvas, jupyter_rfb, panel, plotly.graph_objects")
        expect(imports.locator(".jp-InputPrompt")).to_have_text("[2]:", timeout=180_000)

        def value(code: str, expected: str) -> None:
            """Ask until it is so: what was clicked is on its way."""
            cell = notebook.run(
                f"import asyncio\nfor _ in range(200):\n    if repr({code}) == {expected!r}: break\n"
                f"    await asyncio.sleep(.05)\n{code}"
            )
            expect(notebook.output(cell).last).to_have_text(expected)

        cell = notebook.run(UPLOAD)
        with page.expect_file_chooser() as chooser:
            cell.locator("button.widget-upload").click()
        file = {"name": "a.bin", "mimeType": "application/octet-stream", "buffer": bytes(range(256)) * 4096}
        chooser.value.set_files(file)  # type: ignore[arg-type]
        value("[(each.name, bytes(each.content) == bytes(range(256)) * 4096) for each in u.value]", "[('a.bin', True)]")

        cell = notebook.run("b = w.Button(description='press'); n = []; b.on_click(n.append); b")
        cell.locator("button.jupyter-button").click()
        value("len(n)", "1")
        cell = notebook.run("p = w.Play(min=0, max=5, interval=20); p")
        cell.locator(".widget-play button").first.click()
        value("p.value", "5")
        cell = notebook.run("out = w.Output(); display(out)\nwith out: print('caught')")
        expect(cell.locator(".jupyter-widgets.widget-output, .jp-OutputArea .lm-Widget").first).to_contain_text(
            "caught"
        )
        cell = notebook.run("w.Controller(index=0)")
        expect(cell.locator(".jupyter-widgets")).to_contain_text("Connect gamepad")
        cell = notebook.run("from tqdm.notebook import tqdm\nfor i in tqdm(range(5), desc='steps'): pass")
        expect(cell.locator(".jp-OutputArea")).to_contain_text("5/5")
        cell = notebook.run("from ipywidgets import interact\n@interact(x=(0, 10))\ndef f(x=2): print('x is', x)")
        notebook.drag(cell.locator(".noUi-handle"), 80)
        expect(cell.locator(".jp-OutputArea .lm-Widget >> text=/x is [3-9]/").first).to_be_visible()

        cell = notebook.run(ANYWIDGET)
        cell.locator("button.counter").click()
        expect(cell.locator("button.counter")).to_have_text("count 1")
        value("c.value", "1")
        notebook.run("c.value = 5; c.send({}, buffers=[bytes(1_000_000)])")
        expect(cell.locator("button.counter")).to_have_text("count 5")
        expect(cell.locator("[data-sum='1000000']")).to_have_count(1)

        cell = notebook.run("%matplotlib widget\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);")
        expect(cell.locator(".jupyter-matplotlib canvas").first).to_be_visible()
        clicks = "got = []; plt.gcf().canvas.mpl_connect('button_press_event', got.append);"
        notebook.run(clicks)
        cell.locator(".jupyter-matplotlib-canvas-div canvas").last.click(position={"x": 200, "y": 200})
        value("len(got)", "1")

        cell = notebook.run(
            "from bqplot import pyplot as bq\nfig = bq.figure(); line = bq.plot([1, 2, 3], [1, 4, 2]); fig"
        )
        expect(cell.locator(".bqplot svg path.line").first).to_be_attached()
        before = cell.locator(".bqplot svg path.line").first.get_attribute("d")
        notebook.run("line.y = [4, 1, 3]")
        page.wait_for_function(
            "before => document.querySelector('.bqplot svg path.line').getAttribute('d') !== before", arg=before
        )

        cell = notebook.run("import plotly.graph_objects as go\ng = go.FigureWidget(go.Scatter(y=[1, 2, 3])); g")
        expect(cell.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached()
        notebook.run("g.data[0].y = [3, 1, 2]; g.layout.title = 'changed'")
        expect(cell.locator(".js-plotly-plot .gtitle")).to_have_text("changed")

        cell = notebook.run(
            "from ipycanvas import Canvas\nk = Canvas(width=100, height=50); k.fill_style = '#00f000'\n"
            "k.fill_rect(0, 0, 100, 50); at = []; k.on_mouse_down(lambda x, y: at.append(x)); k"
        )
        canvas = cell.locator("canvas").first
        expect(canvas).to_be_visible()
        page.wait_for_function(
            "canvas => canvas.getContext('2d').getImageData(5, 5, 1, 1).data[1] === 0xf0",
            arg=canvas.element_handle(),
        )
        canvas.click()
        value("len(at)", "1")

        cell = notebook.run(RFB)
        picture = cell.locator(".jupyter-rfb img, img").first
        expect(picture).to_be_visible()
        page.wait_for_function("img => img.naturalWidth > 10", arg=picture.element_handle())
        picture.click()
        value("'pointer_down' in f.seen", "True")

        cell = notebook.run(PANEL)
        slider = cell.locator(".noUi-handle").first
        expect(slider).to_be_visible()
        notebook.drag(slider, 60)
        value("p.value > 4", "True")
        cell = notebook.run(BRIDGE)
        expect(cell.locator("text=inner").first).to_be_visible()
        notebook.drag(cell.locator(".noUi-handle").last, 30)
        value("h.value > 6", "True")
