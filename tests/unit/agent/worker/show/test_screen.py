"""When pictures are sent: paced, the newest only, the last one always, and never one that is half overwritten."""

import io
import itertools
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from rpyc_kernel.agent import frames
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.agent.worker.frontend import Frontend
from rpyc_kernel.agent.worker.request_context import current
from rpyc_kernel.agent.worker.show import screen as module
from rpyc_kernel.agent.worker.show import slot
from rpyc_kernel.agent.worker.show.screen import Screen
from rpyc_kernel.agent.worker.show.slot import PictureSlot


class FrameWriter:
    """What a `Frontend` sends, decoded."""

    def __init__(self):
        self.forked = False
        self.cell = 7
        self.carries = 0
        self.lock = threading.RLock()
        self.sent = []
        self.came = threading.Condition()
        self.pass_on = threading.Event()  # while it is clear, the keeper takes nothing
        self.pass_on.set()

    @property
    def request(self):
        return current.get() or self.cell

    def send(self, kind, number, data):
        assert self.pass_on.wait(20)
        with self.came:
            self.sent.append((kind, number, Message.decode(data)))
            self.came.notify_all()

    def send_message(self, kind, number, message):
        self.send(kind, number, message.encode())

    def wait_for(self, count):
        with self.came:
            assert self.came.wait_for(lambda: len(self.sent) >= count, 20)

    @property
    def types(self):
        return [message.type for _kind, _number, message in self.sent]

    @property
    def values(self):
        """Of each picture, the one value that all its pixels have."""
        return [value_of(message) for _kind, _number, message in self.sent]


def value_of(message):
    import base64

    data = message.content["data"]
    image = Image.open(io.BytesIO(base64.b64decode(data[next(mime for mime in data if mime.startswith("image/"))])))
    low, high = image.convert("L").getextrema()
    assert low == high, "it is torn"
    return low


@pytest.fixture
def writer():
    return FrameWriter()


@pytest.fixture
def frontend(writer):
    frontend = Frontend(writer, SimpleNamespace(mute=False))
    frontend.parents[7], frontend.parents[8] = "cell-7", "cell-8"
    frontend.screen = Screen(frontend)
    return frontend


@pytest.fixture
def fps(request):
    return getattr(request, "param", 30.0)


seldom = pytest.mark.parametrize("fps", [0.01], indirect=True)  # so that a test sees what waits


@pytest.fixture
def show(frontend, fps):
    token = current.set(0)
    options = {"bgr": False, "fps": fps, "quality": 100, "id": ""}

    def show(frame, **more):
        frontend.screen.show(grey(frame) if isinstance(frame, int) else frame, **{**options, **more})

    yield show
    current.reset(token)


def grey(value, shape=(40, 50)):
    return np.full(shape, value, np.uint8)


def test_the_first_goes_at_once_and_begins_the_display(show, writer):
    show(3)
    ((kind, number, message),) = writer.sent
    assert (kind, number, message.type, message.parent) == (frames.PICTURE, 7, "display_data", "cell-7")
    assert message.content["data"]["text/plain"] == "<50 x 40 pixels>"
    assert message.content["metadata"] == {}


@seldom
def test_the_newest_wins_and_the_last_is_shown_at_the_end_of_the_cell(show, writer, frontend):
    for value in range(100):
        show(value)
    assert writer.values == [0]
    frontend.screen.flush(7)
    assert writer.values == [0, 99]
    assert writer.types == ["display_data", "update_display_data"]
    ids = {message.content["transient"]["display_id"] for _kind, _number, message in writer.sent}
    assert len(ids) == 1
    frontend.screen.flush(7)
    assert len(writer.sent) == 2


def test_the_last_is_shown_when_its_time_has_come_though_nothing_follows(show, writer):
    show(1, fps=20)
    show(2, fps=20)
    writer.wait_for(2)
    assert writer.values == [1, 2]


@seldom
def test_old_ones_are_dropped_before_anything_is_done_for_them(show, writer, frontend, monkeypatch):
    made = []
    encode = slot.Fitting.encode
    monkeypatch.setattr(slot.Fitting, "encode", lambda *args: made.append(1) or encode(*args))
    for value in range(100):
        show(value)
    frontend.screen.flush(7)
    assert len(made) == 2


def test_so_many_a_second(show, writer, frontend):
    until = time.monotonic() + 1.0
    for value in itertools.count():
        show(value % 256, fps=50)
        if time.monotonic() > until:
            break
    frontend.screen.flush(7)
    assert len(writer.sent) <= 53
    assert writer.values[-1] == value % 256


@seldom
def test_a_picture_that_waits_may_be_sent_early_too(show, writer, monkeypatch):
    """Else a camera that is as fast as that has some replaced: the next one comes while the one before still waits."""
    monkeypatch.setattr(slot, "EARLY_SHARE", 1.0)
    monkeypatch.setattr(module, "QUICK_WORK_S", -1.0)  # the thread does it
    show(1)
    show(2)
    writer.wait_for(2)
    assert writer.values == [1, 2]


@pytest.mark.parametrize("rate", [10, 25, 30, 45, 60])
def test_a_camera_of_another_rate_is_seen_as_often_as_can_be(frontend, rate):
    """By the clock of the pictures, for a loop that takes no time."""
    place = PictureSlot(7)
    place.interval = 1 / 30
    sent = 0
    for number in range(10 * rate):
        now = 1000.0 + number / rate
        if now >= place.turn or now > place.due:
            place.rest(now, 0.0)
            place.rested = 0.0
            sent += 1
    assert sent == pytest.approx(10 * min(rate, 30), abs=2)


@pytest.mark.parametrize("fps", [1000, 0.01], indirect=True)
def test_a_camera_that_uses_its_memory_again_tears_nothing(show, writer, frontend, fps, monkeypatch):
    monkeypatch.setattr(module, "QUICK_WORK_S", -1.0)  # the thread does all of it
    frame = grey(0, (480, 640))
    for value in range(200):
        frame[:] = value
        show(frame)
    frame[:] = 0
    frame[::2] = 255
    frontend.screen.flush(7)
    values = writer.values
    assert values == sorted(values)
    assert values[-1] == 199


def test_arrays_of_other_shapes_and_images_of_pil_follow_each_other(show, writer, frontend):
    shapes = itertools.cycle([(40, 50), (480, 640), (40, 50, 3), (7, 9)])
    for value, shape in zip(range(60), shapes, strict=False):
        array = grey(value, shape)
        show(Image.fromarray(array) if value % 5 == 0 else array, fps=300)
        array[:] = 255
    frontend.screen.flush(7)
    assert writer.values == sorted(writer.values)
    assert writer.values[-1] == 59


def test_a_loop_goes_on_while_the_thread_cannot_send(show, writer, frontend, monkeypatch):
    """What it can't send isn't queued: the newest only is sent, when that can be."""
    monkeypatch.setattr(module, "QUICK_WORK_S", -1.0)
    show(0, fps=1000)
    writer.pass_on.clear()
    for value in range(1, 200):
        show(value, fps=1000)
        time.sleep(0.001)  # as fast as a camera that is faster than all
    writer.pass_on.set()
    frontend.screen.flush(7)
    assert len(writer.sent) <= 4
    assert writer.values[-1] == 199


def test_each_id_and_each_cell_has_its_own_place(show, writer, frontend):
    show(1)
    show(2, id="left")
    writer.cell = 8
    show(3)
    assert writer.types == ["display_data"] * 3
    assert [number for _kind, number, _message in writer.sent] == [7, 7, 8]
    ids = {message.content["transient"]["display_id"] for _kind, _number, message in writer.sent}
    assert len(ids) == 3


@seldom
def test_a_cell_that_was_cleared_begins_anew(show, writer, frontend):
    show(1)
    show(2)
    frontend.publish("clear_output", {"wait": True})
    frontend.screen.flush(7)
    show(3)
    frontend.screen.flush(7)
    assert writer.types == ["display_data", "clear_output", "display_data"]
    assert value_of(writer.sent[-1][2]) == 3


@seldom
def test_places_are_forgotten_but_not_what_waits(show, writer, frontend):
    show(1)
    show(2)
    for number in range(3 * module.MAX_SLOTS):
        writer.cell = 100 + number
        show(number)
    assert len(frontend.screen._slots) <= module.MAX_SLOTS + 1
    frontend.screen.flush(7)
    assert writer.values[-1] == 2


def test_a_process_that_was_forked_shows_nothing(show, writer):
    writer.forked = True
    show(1)
    assert writer.sent == []


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": -1}, {"fps": float("nan")}, {"quality": 0}, {"quality": 101}])
def test_options_out_of_range(show, options):
    with pytest.raises(ValueError, match=r"^show\(\) takes "):
        show(1, **options)


@seldom
def test_what_cannot_be_encoded_is_told_once(show, writer, frontend, monkeypatch):
    def fail(*_args):
        raise OSError("no room")

    show(1)
    monkeypatch.setattr(slot.Fitting, "encode", fail)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    for _ in range(3):
        show(2)
        frontend.screen.flush(7)
    assert sys.stderr.getvalue() == "show() could not show a picture: OSError: no room\n"


@pytest.mark.parametrize("first", [True, False])
def test_a_picture_whose_making_was_interrupted_is_shown_at_the_end(show, writer, frontend, monkeypatch, first):
    encode = slot.Fitting.encode

    def interrupt(*_args):
        monkeypatch.setattr(slot.Fitting, "encode", encode)
        raise KeyboardInterrupt

    monkeypatch.setattr(slot, "REST_SHARE", 0.0)
    if not first:
        show(1, fps=1e9)
        place_of(frontend).inline = 1  # as where the thread gets no turn
    frame = grey(5)
    monkeypatch.setattr(slot.Fitting, "encode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        show(frame, fps=1e9)
    frame[:] = 6
    frontend.screen.flush(7)
    assert writer.values[-1] == 5
    assert writer.types == ["display_data", "update_display_data"][: len(writer.sent)]


def place_of(frontend):
    return next(iter(frontend.screen._slots.values()))


def test_a_thread_makes_the_pictures_unless_it_gets_no_turn(show, writer, frontend, monkeypatch):
    encode, worked, by, waited = slot.Fitting.encode, time.thread_time, [], 0.0

    def made(*args):
        nonlocal waited
        by.append(threading.current_thread().name)
        if len(by) in (2, 4, 5):
            waited += 2 * module.STARVED_S  # as in a stretch in which it had no turn
        return encode(*args)

    monkeypatch.setattr(module, "STARVED_S", 30.0)  # so long does no busy machine hold it up
    monkeypatch.setattr(time, "thread_time", lambda: worked() - waited)
    monkeypatch.setattr(slot.Fitting, "encode", made)
    monkeypatch.setattr(slot, "REST_SHARE", 0.0)
    for value in range(5 + module.INLINE_PICTURES + 1):
        show(value, fps=1e9)
        writer.wait_for(value + 1)
        with place_of(frontend).sending:  # whoever has made it is done with it
            pass
    here = threading.current_thread().name
    thread = "rpyc-kernel-show"
    assert by == [here, *[thread] * 4, *[here] * module.INLINE_PICTURES, thread]


def test_a_place_that_nobody_sees_gets_none_and_then_the_newest(show, writer, frontend):
    show(1, fps=1e9)
    frontend.screen.rest(place_of(frontend).display_id, True)
    for value in range(2, 50):
        show(value, fps=1e9)
    frontend.screen.rest("another", False)
    assert writer.values == [1]
    frontend.screen.rest(place_of(frontend).display_id, False)
    writer.wait_for(2)
    assert writer.values == [1, 49]
    frontend.screen.rest(place_of(frontend).display_id, True)
    show(50, fps=1e9)
    show(51, fps=1e9)
    frontend.screen.flush(7)
    assert writer.values == [1, 49, 51], "the last one stays in the notebook"
    show(52, fps=1e9)
    frontend.screen.rest("", False)  # another kernel has come
    writer.wait_for(4)
    assert writer.values[-1] == 52


def test_a_drawing_that_nobody_sees_is_not_drawn(show, writer, frontend):
    drawn = []

    class Drawn:
        def _repr_png_(self):
            drawn.append(self)
            stream = io.BytesIO()
            Image.fromarray(grey(3)).save(stream, "PNG")
            return stream.getvalue()

    first, second, third = Drawn(), Drawn(), Drawn()
    show(first, fps=1e9)
    frontend.screen.rest(place_of(frontend).display_id, True)
    show(second, fps=1e9)
    show(third, fps=1e9)
    assert drawn == [first]
    frontend.screen.flush(7)
    frontend.screen.flush(7)
    assert drawn == [first, third]
    assert len(writer.sent) == 2


# on a link that is slow


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (480, 640, 3)).astype(np.uint8)


def size_of(message):
    return len(message.content["data"]["image/png"]) * 3 // 4


def test_a_picture_alone_is_shown_as_it_is_in_the_end(show, writer, frontend):
    writer.carries = 250_000
    frame = noise(1)
    show(frame)
    frame[:] = 0
    first = writer.sent[0][2]
    assert first.content["metadata"] == {"image/png": {"width": 640, "height": 480}}
    assert size_of(first) <= 62_500
    frontend.screen.flush(7)
    whole = writer.sent[1][2]
    assert size_of(whole) > 900_000
    assert whole.content["metadata"] == {}
    frontend.screen.flush(7)
    assert len(writer.sent) == 2


def test_what_was_less_is_not_shown_again_after_what_followed_it(show, writer, frontend):
    writer.carries = 250_000
    show(noise(1), fps=1e9)
    show(5, fps=1e9)
    frontend.screen.flush(7)
    assert value_of(writer.sent[-1][2]) == 5
    assert len(writer.sent) == 2


@seldom
def test_the_last_of_a_video_is_shown_as_it_is_if_that_takes_no_second(show, writer, frontend):
    for carries, sizes in ((250_000, 2), (2_000_000, 3)):
        writer.cell, writer.carries = writer.cell + 1, carries
        writer.sent.clear()
        show(noise(1))
        show(noise(2))
        frontend.screen.flush(writer.cell)
        assert len(writer.sent) == sizes
