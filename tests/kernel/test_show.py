"""``show``: pictures in the cell, as a front end gets them."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest
from PIL import Image

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import REFERENCE, Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import Message, Request, refused

pytestmark = [pytest.mark.skipif(REFERENCE, reason="ipykernel has no show()"), pytest.mark.mainly("plain")]

STANDINS = Path(__file__).resolve().parents[1] / "standins"
# A picture without any library: what the front end gets is read by PIL.
BUFFER = """
def grey(value, height=40, width=50):
    return memoryview(bytes([value % 256]) * (height * width)).cast("B", (height, width))
"""


def pictures(cell: Request) -> list[Message]:
    return [each for each in cell.messages if each.kind in ("display_data", "update_display_data")]


def image(message: Message) -> Image.Image:
    data = message.content["data"]
    mime = next(mime for mime in data if mime.startswith("image/"))
    found = Image.open(io.BytesIO(base64.b64decode(data[mime], validate=True)))
    assert mime == f"image/{found.format.lower()}"  # type: ignore[union-attr]
    return found


def values(cell: Request) -> list[int]:
    """Of each picture, the grey that all its pixels have."""
    found = []
    for each in pictures(cell):
        low, high = image(each).convert("L").getextrema()
        assert high - low <= 1, f"{each} is torn"  # type: ignore[operator]
        found.append(low)
    return found  # type: ignore[return-value]


def test_a_picture_stands_where_it_was_shown(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good("print('before')\nshow(grey(7))\nprint('after')")
    assert [kind for kind, _text in cell.script] == ["stdout", "display_data", "stdout"]
    (message,) = pictures(cell)
    assert message.content["data"]["text/plain"] == "<50 x 40 pixels>"
    assert message.buffers == []
    assert (image(message).size, values(cell)) == ((50, 40), [7])


def test_a_loop_updates_one_display_and_ends_with_the_last(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good("for value in range(20_000): show(grey(value))\nlast = value % 256\nlast")
    kinds = [each.kind for each in pictures(cell)]
    assert kinds == ["display_data"] + ["update_display_data"] * (len(kinds) - 1)
    assert len({each.content["transient"]["display_id"] for each in pictures(cell)}) == 1
    assert str(values(cell)[-1]) == cell.text
    assert cell.at_idle == len(cell.messages)  # nothing of it comes after the end
    again = nb.good("show(grey(1))")
    assert pictures(again)[0].kind == "display_data"


def test_a_pause_shows_what_came_before_it(nb: Client, gate: Gate) -> None:
    nb.good(BUFFER)
    cell = nb.start(f"show(grey(1)); show(grey(2)); show(grey(3))\n{gate.wait}")
    nb.wait_for(lambda: values(cell)[-1:] == [3], what="the last picture")
    gate.open()
    nb.finish(cell)
    assert values(cell) in ([1, 3], [1, 2, 3])


def test_each_id_has_its_place(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good("for value in range(3): show(grey(value), id='a'); show(grey(value + 100), id='b')")
    ends = {
        each.content["transient"]["display_id"]: value for each, value in zip(pictures(cell), values(cell), strict=True)
    }
    assert list(ends.values()) == [2, 102]


def test_those_with_names_are_figures(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good("for value in range(3): show(grey(value), name='left'); show(grey(value + 100), name='right')")
    shown = {each.content["transient"]["display_id"]: each.content["data"] for each in pictures(cell)}
    assert len(shown) == 2
    for name, data in zip(("left", "right"), shown.values(), strict=True):
        assert f"<figcaption>{name}</figcaption>" in data["text/html"]
        assert data["text/plain"] == f"<{name}: 50 x 40 pixels>"
        assert not [mime for mime in data if mime.startswith("image/")]


@pytest.mark.needs("ffmpeg")
def test_a_video_of_what_was_shown_is_complete_with_its_cell(nb: Client) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: nothing here reads a video")
    nb.good(BUFFER)
    cell = nb.good("import time\nfor value in range(8): show(grey(50), save='clip.avi'); time.sleep(0.05)")
    assert set(values(cell)) == {50}
    path = (nb.good("import os; os.path.abspath('clip.avi')").text or "").strip("'")
    video = cv2.VideoCapture(path)
    assert sum(video.read()[0] for _ in range(1000)) >= 10
    assert "show() saves .avi" in str(nb.run("show(grey(1), save='clip.txt')").error)


def svgs(cell: Request) -> list[str]:
    return [each.content["data"]["image/svg+xml"] for each in pictures(cell)]


def test_plots_of_numbers_as_they_come(nb: Client) -> None:
    cell = nb.good("for value in range(2000): plot_live(value, name='one'); plot_live([value, -value], name='two')")
    ends = {each.content["transient"]["display_id"]: each.content["data"]["image/svg+xml"] for each in pictures(cell)}
    one, two = ends.values()
    assert ">1999</text>" in one
    assert ">one</text>" in one
    assert ">0 1999</text>" in two
    assert ">1 -1999</text>" in two
    assert len(pictures(cell)) < 200
    cell = nb.good("plot_live(({'a': value} for value in range(5)))")
    assert ">a 4</text>" in svgs(cell)[-1]
    assert "plot_live() takes numbers" in str(nb.run("plot_live('5')").error)
    cell = nb.start(
        "count = 0\ndef sensor():\n    global count\n    count += 1\n    return count\nplot_live(sensor, every=0.01)"
    )
    nb.wait_for(lambda: len(pictures(cell)) > 3, what="plots")
    nb.interrupted(cell)
    assert f">{nb.good('count').text}</text>" in svgs(cell)[-1]


def test_watch(nb: Client) -> None:
    nb.good("readings = iter(range(10**6))\ndef show(*_): raise ValueError\nplot_live = show")
    cell = nb.good("%watch next(readings) * 2 --every 0.01 --during 0.5s")
    assert "next(readings) * 2 " in svgs(cell)[-1]
    assert len({each.content["transient"]["display_id"] for each in pictures(cell)}) == 1
    cell = nb.good("%watch next(readings) x=-3 --during 0.2")
    assert ">x -3</text>" in svgs(cell)[-1]
    cell = nb.start("%watch next(readings)")
    nb.wait_for(lambda: len(pictures(cell)) > 1, what="plots")
    nb.interrupted(cell)
    assert nb.run("%watch 1/0").error["ename"] == "ZeroDivisionError"  # type: ignore[index]
    refused(nb.run("%watch"), "%watch needs its expressions")
    refused(nb.run("%watch a b+"), "b+ is none")
    refused(nb.run("%watch 1 --every 0"), "--every")
    nb.good("del show, plot_live")


SERVER = """
import http.server, threading
class MJPEG(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(10**6 if self.path == "/endless" else 50):
            self.wfile.write(b"--frame\\r\\nContent-Type: image/png\\r\\n\\r\\n" + PNGS[number % 2] + b"\\r\\n")
        self.wfile.write(b"--frame--")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MJPEG)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
"""


def test_streams_of_that_machine(nb: Client) -> None:
    pngs = []
    for value in (10, 20):
        file = io.BytesIO()
        Image.fromarray(np.full((40, 50), value, np.uint8)).save(file, "png")
        pngs.append(file.getvalue())
    nb.good(f"PNGS = {pngs!r}\n{SERVER}")
    port = nb.good("port").text
    cell = nb.good(f"%stream http://127.0.0.1:{port}/")
    assert set(values(cell)) <= {10, 20}
    assert values(cell)[-1] == 20
    cell = nb.start(f"%stream http://127.0.0.1:{port}/endless --fps 60")
    nb.wait_for(lambda: len(pictures(cell)) > 5, what="pictures")
    nb.interrupted(cell)
    assert "show.stream" not in str(nb.good("server.shutdown(); server.server_close()").stderr)
    assert "can't be opened" in str(nb.run(f"%stream http://127.0.0.1:{port}/").error)
    refused(nb.run("%stream camera"), "takes an http address")


def test_the_stop_button_ends_it_and_the_last_picture_stays(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.start("value = 0\nwhile True:\n    value += 1\n    show(grey(value))")
    nb.wait_for(lambda: len(pictures(cell)) > 20, what="pictures")
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    shown = int(nb.good("value").text or "")
    assert values(cell)[-1] in (shown % 256, (shown - 1) % 256)  # it may have been stopped just before it was shown


def test_an_error_in_the_loop_leaves_the_last_picture(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.run("for value in range(100):\n    show(grey(value))\n1/0")
    assert cell.status == "error"
    assert values(cell)[-1] == 99


def test_a_camera_that_uses_its_memory_again(nb: Client) -> None:
    code = (
        "import numpy as np\nframe = np.zeros((480, 640), np.uint8)\n"
        "for value in range(3000):\n    frame[:] = value % 256\n    show(frame, quality={})\nframe[::2] = 255\n"
        "value % 256"
    )
    for quality in (100, 85):
        cell = nb.good(code.format(quality))
        assert str(values(cell)[-1]) == cell.text
        assert len(values(cell)) > 2


def test_kinds_of_pictures(nb: Client) -> None:
    cell = nb.good(
        """
import io
import numpy as np
from PIL import Image
photo = np.add.outer(np.arange(240), np.arange(320)).astype("uint8")
rgb = np.dstack([photo, photo, 255 - photo])
show(rgb, id="jpeg")
show(rgb, id="png", quality=100)
show(rgb[..., ::-1], id="bgr", bgr=True, quality=100)
show(Image.fromarray(rgb), id="pil", quality=100)
file = io.BytesIO()
Image.fromarray(rgb).save(file, "png")
show(file.getvalue(), id="bytes")
show(rgb / 255, id="floats", quality=100)
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(4, 3), dpi=50)
show(figure, id="figure")
plt.close(figure)
"""
    )
    found = [image(each) for each in pictures(cell)]
    assert [each.format for each in found] == ["JPEG"] + ["PNG"] * 6
    assert all(each.tobytes() == found[1].tobytes() for each in found[2:6])
    assert found[1].getpixel((200, 100)) == (44, 44, 211)
    assert found[6].size == (200, 150)


def test_what_is_no_picture_is_told_in_a_sentence(nb: Client) -> None:
    error = nb.run("show(None)").error
    assert error is not None
    assert (error["ename"], error["evalue"]) == ("TypeError", "show() got None: the camera gave no picture.")


def test_the_name(nb: Client) -> None:
    """It is there, has a help text, is nobody's variable, and gives way to the user's own."""
    assert "show" in nb.complete("sho")["matches"]
    for _ in range(2):
        assert "show" not in nb.good("%who").stdout
        assert "Show a picture in the cell" in str(nb.run("show?").reply) + nb.run("show?").stdout
        assert nb.good("show = 5\nshow").text == "5"
        assert "show" in nb.good("%who").stdout
        assert nb.good("del show\ncallable(show)").text == "True"
        nb.good("%reset -f")
    assert nb.good("from builtins import show as other\nother is show").text == "True"


def test_threads_show_in_the_cell_that_started_them(nb: Client, gate: Gate) -> None:
    nb.good(BUFFER)
    cell = nb.good(
        "import threading\ndef watch():\n"
        f"    show(grey(1))\n{indent(gate.wait, '    ')}\n    show(grey(2))\n"
        "thread = threading.Thread(target=watch); thread.start()"
    )
    gate.open()
    nb.wait_for(lambda: values(cell) == [1, 2], what="the picture of a thread whose cell has ended")
    nb.good("thread.join()")


def test_a_loop_that_clears_its_output(nb: Client) -> None:
    """As notebooks do it that knew no better: the picture is there afterwards."""
    if nb.run("from IPython.display import clear_output").status != "ok":
        nb.good("del clear_output" if nb.run("'clear_output' in globals()").text == "True" else "None")
    nb.good(BUFFER)
    cell = nb.good("for value in range(50):\n    clear_output(wait=True)\n    show(grey(value))")
    seen: list[int] = []
    for each in cell.messages:
        if each.kind == "clear_output":
            seen.clear()
        elif each.kind == "display_data" or seen:
            seen.append(image(each).convert("L").getextrema()[0])  # type: ignore[arg-type]
    assert seen[-1:] == [49]


def test_in_the_background_of_an_event_loop(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good("import asyncio\nfor value in range(20):\n    show(grey(value))\n    await asyncio.sleep(0.005)")
    assert values(cell)[-1] == 19


def test_a_process_that_was_forked_does_no_harm(nb: Client) -> None:
    nb.good(BUFFER)
    cell = nb.good(
        "import os\nshow(grey(1))\nchild = os.fork()\n"
        "if not child:\n    show(grey(2))\n    os._exit(0)\nos.waitpid(child, 0)\nshow(grey(3))"
    )
    assert values(cell) == [1, 3]


def test_replay_shows_the_last_picture(nb: Client) -> None:
    nb.good(BUFFER)
    nb.good("for value in range(2000): show(grey(value))")
    again = nb.good("%replay")
    found = values(again)
    assert len(found) in (2, 3)  # the first, the last that was acknowledged, and one that maybe was not yet
    assert found[-1] == 1999 % 256


def test_an_old_python_without_any_library(new_kernel: Callable[..., Kernel]) -> None:
    with Remote("bare", rpyc="4.1.5", python="3.8") as remote:
        nb = new_kernel().first
        connect(nb, remote)
        nb.good(BUFFER)
        cell = nb.good("for value in range(2000): show(grey(value, 240, 320))\nvalue % 256")
        assert str(values(cell)[-1]) == cell.text
        assert {image(each).format for each in pictures(cell)} == {"PNG"}


def test_a_session_that_was_taken_over_shows_its_pictures_in_the_cell_that_took_it(
    new_kernel: Callable[..., Kernel], own_remote: Remote, gate: Gate
) -> None:
    first, second = new_kernel().first, new_kernel().first
    connect(first, own_remote, "--name", "watch")
    first.good(BUFFER)
    cell = first.start(
        f"import os\nvalue = 0\nwhile not os.path.exists({str(gate.path)!r}):\n    value += 1\n    show(grey(value))"
    )
    first.wait_for(lambda: len(pictures(cell)) > 3, what="pictures")
    taken = second.start(f"%attach watch {own_remote.address}")
    second.wait_for(lambda: len(pictures(taken)) > 3, what="pictures in the other notebook")
    gate.open()
    second.finish(taken)
    assert pictures(taken)[0].kind == "display_data"
    assert {each.kind for each in pictures(taken)[1:]} == {"update_display_data"}


def test_a_kernel_that_takes_nothing_for_a_while_gets_the_newest_then(
    new_kernel: Callable[..., Kernel], own_remote: Remote
) -> None:
    """As it is with a front end that reads so slowly that the kernel has to wait for it."""
    kernel = new_kernel()
    nb = kernel.first
    connect(nb, own_remote)
    nb.good(BUFFER)
    cell = nb.start("import time\nwhile True: show(grey(int(time.time() * 10)))\n")
    nb.wait_for(lambda: len(pictures(cell)) > 5, what="pictures")
    os.kill(kernel.pid, signal.SIGSTOP)
    try:
        stopped = int(time.time() * 10)
        time.sleep(4)  # the fault is that it lasts
        went_on = int(time.time() * 10)
    finally:
        os.kill(kernel.pid, signal.SIGCONT)
    nb.wait_for(lambda: (values(cell)[-1] - went_on) % 256 in range(10, 100), what="a picture of now")
    nb.interrupted(cell)
    meanwhile = {moment % 256 for moment in range(stopped + 3, went_on - 2)}
    assert len([value for value in values(cell) if value in meanwhile]) <= 3


def test_the_example(fresh: Client, remote: Remote) -> None:
    notebook = json.loads((STANDINS.parents[1] / "examples" / "camera.ipynb").read_text())
    cells = ["".join(each["source"]) for each in notebook["cells"] if each["cell_type"] == "code"]
    ran = [fresh.good(each.replace("localhost", remote.address)) for each in cells]
    assert [len({each.content["transient"]["display_id"] for each in pictures(cell)}) for cell in ran] == [0, 1, 1, 2]
    assert image(pictures(ran[1])[0]).size == (640, 480)
    assert len(pictures(ran[2])) > 10


def test_the_example_of_what_moves(fresh: Client, remote: Remote) -> None:
    notebook = json.loads((STANDINS.parents[1] / "examples" / "watch.ipynb").read_text())
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            code = "".join(each["source"]).replace("localhost", remote.address).replace(" 5s", " 0.3s")
            cell = fresh.good(code.replace("8765", str(8765 + os.getpid() % 1000)))
            moves = code.startswith(("%watch", "%stream", "for "))
            assert len(pictures(cell)) > 1 if moves else not pictures(cell)


# MaixPy, as far as a stand-in goes


@pytest.fixture
def maixpy(fresh: Client) -> Callable[[int], Client]:
    def make(version: int) -> Client:
        fresh.good(f"import sys; sys.path.insert(0, {str(STANDINS / f'maixpy{version}')!r})")
        return fresh

    return make


def test_maixpy_3_shows_in_the_cell_by_itself(maixpy: Callable[[int], Client]) -> None:
    nb = maixpy(3)
    nb.good("from maix import camera, display, image, mjpg\nmjpg.start_mjpg()")
    cell = nb.good("for _ in range(50): display.show(camera.capture())\nlen(display.screen)")
    assert cell.text == "50"  # the board's own screen shows them too
    assert [each.kind for each in pictures(cell)][:2] == ["display_data", "update_display_data"]
    last = image(pictures(cell)[-1])
    assert last.size == (160, 120)
    np.testing.assert_allclose(last.convert("RGB").getpixel((5, 5)), (50, 0, 0), atol=2)
    assert nb.good("mjpg.MjpgQueue.qsize()").text == "0"
    assert len(pictures(nb.good("display.show(camera.capture(), (0, 0), True, True)\nmjpg.MjpgQueue.get()"))) == 1
    cell = nb.good("display.show()")
    assert image(pictures(cell)[0]).size == (240, 240)
    cell = nb.good("display.config((160, 120)); display.show(camera.read())")
    assert image(pictures(cell)[0]).size == (160, 120)


def test_maixpy_4_shows_in_the_cell_by_itself(maixpy: Callable[[int], Client]) -> None:
    nb = maixpy(4)
    nb.good("from maix import display, image\nscreen = display.Display()")
    for form in ("FMT_RGB888", "FMT_BGR888", "FMT_YVU420SP"):
        cell = nb.good(f"screen.show(image.Image(160, 120, image.Format.{form}, (200, 0, 0)))")
        found = image(pictures(cell)[0]).convert("RGB").getpixel((80, 60))
        np.testing.assert_allclose(found, (200, 0, 0), atol=4)
    cell = nb.good("screen.show(image.Image(160, 120, image.Format.FMT_GRAYSCALE, (9,)), fit=1)\nlen(screen.screen)")
    assert (values(cell), cell.text) == ([9], "4")
