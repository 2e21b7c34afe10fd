"""Videos of what is shown: as long as it took, whatever kind of pictures they are, by ffmpeg or by OpenCV."""

from __future__ import annotations

import io
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rpyc_kernel.agent.worker.show import saving
from rpyc_kernel.agent.worker.show.pictures import read
from rpyc_kernel.agent.worker.show.saving import Clip

cv2 = pytest.importorskip("cv2", reason="OpenCV isn't installed: nothing here reads a video")


@pytest.fixture(params=["cv2", pytest.param("ffmpeg", marks=pytest.mark.needs("ffmpeg"))])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "cv2":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    return str(request.param)


class Clock:
    """The time in which pictures come, which is all that a clip knows of it."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(saving, "time", clock)
    return clock


def frame(value: int, shape: tuple[int, ...] = (48, 64, 3)) -> np.ndarray[Any, Any]:
    return np.full(shape, value, np.uint8)


def greys(path: Path) -> list[int]:
    """The grey of each picture of a video."""
    video = cv2.VideoCapture(str(path))
    found = []
    while True:
        ok, pixels = video.read()
        if not ok:
            return found
        found.append(round(float(pixels.mean())))


def add(clip: Clip, picture: Any) -> None:
    """Add a picture, and wait until it was taken: a test is faster than any video."""
    clip.add(read(picture, False, 85))  # type: ignore[arg-type]
    until = time.monotonic() + 20
    while clip._waiting and time.monotonic() < until:
        time.sleep(0.001)  # no condition is told when the thread has taken it


def test_it_takes_as_long_as_it_took(tmp_path: Path, clock: Clock, encoder: str) -> None:
    path = tmp_path / f"{encoder}.mp4"
    clip = Clip(str(path), 10)
    for value in (10, 110, 210):
        add(clip, frame(value))
        clock.now += 0.5
    clip.finish()
    found = greys(path)
    assert len(found) == 11
    assert found == pytest.approx([10] * 5 + [110] * 5 + [210], abs=12)
    clip.finish()
    with pytest.raises(ValueError, match="is complete, since its cell has ended"):
        clip.add(read(frame(1), False, 85))  # type: ignore[arg-type]


def test_all_kinds_of_pictures(tmp_path: Path, clock: Clock, encoder: str) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(frame(100)).save(jpeg, "jpeg")
    for number, picture in enumerate(
        (frame(100, (48, 64)), frame(100, (48, 64, 4)), Image.fromarray(frame(100)), frame(100) / 255, jpeg.getvalue())
    ):
        path = tmp_path / f"{number}.avi"
        clip = Clip(str(path), 10)
        add(clip, picture)
        clip.finish()
        assert greys(path) == pytest.approx([100], abs=6)


def test_more_than_can_be_written_is_left_out(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    gate = threading.Event()
    decode = saving.pixels_of
    monkeypatch.setattr(saving, "pixels_of", lambda found: gate.wait(20) and decode(found))
    clip = Clip(str(tmp_path / "a.avi"), 10)
    for value in range(100):
        clip.add(read(frame(value), False, 85))  # type: ignore[arg-type]
        clock.now += 0.1
    assert len(clip._waiting) <= saving.MAX_WAITING
    gate.set()
    clip.finish()
    found = greys(tmp_path / "a.avi")
    assert len(found) in (99, 100)
    assert found[-1] == pytest.approx(99, abs=4)


def test_what_cannot_be_saved_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"show\(\) saves \.avi, .*not 'clip.txt'"):
        Clip("clip.txt", 10)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Clip(str(tmp_path / "no" / "clip.mp4"), 10)
    clip = Clip(str(tmp_path / "clip.mp4"), 10)
    add(clip, frame(1))
    with pytest.raises(ValueError, match="64 x 48 pixels, and this one has 65 x 49"):
        clip.add(read(frame(1, (49, 65, 3)), False, 85))  # type: ignore[arg-type]
    clip.finish()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(OSError, match="needs the program ffmpeg or OpenCV on this machine, which has neither"):
        Clip(str(tmp_path / "clip.mp4"), 10)


def test_an_encoder_that_fails_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    (tmp_path / "clip.mp4").mkdir()
    clip = Clip(str(tmp_path / "clip.mp4"), 10)
    clip.add(read(frame(1), False, 85))  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"show\(\) could not save .*clip\.mp4: "):
        clip.finish()
    clip.finish()


def test_a_thread_that_has_ended_completes_its_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    monkeypatch.setattr(saving, "OWNER_INTERVAL_S", 0.05)
    clips: list[Clip] = []

    def shows() -> None:
        clips.append(Clip(str(tmp_path / "thread.avi"), 10))
        add(clips[0], frame(50))

    thread = threading.Thread(target=shows)
    thread.start()
    thread.join()
    assert not clips[0].of_cell
    clips[0]._thread.join(20)
    assert greys(tmp_path / "thread.avi") == pytest.approx([50], abs=4)
