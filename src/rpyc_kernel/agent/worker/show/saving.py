"""``show(…, save="clip.mp4")``: a video of what is shown, made by the program ffmpeg or by OpenCV, on a thread.

A video has so many pictures a second, a loop has as many as it has: each picture is repeated, or left out, so that the
video takes as long as the loop did. The loop waits for nothing; where the machine is too slow, pictures are left out.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque

from ..own_thread import OwnThread
from .encoders import plain
from .pictures import Encoded, Picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, Optional, Protocol, Tuple

    from .pictures import Shown, Size

    class Writer(Protocol):
        """Writes pictures of one size and mode into a file."""

        def write(self, pixels: bytes) -> None:
            """Write the next picture."""

        def close(self) -> None:
            """Complete the file. Raises OSError where that can't be."""


MAX_WAITING = 16  #: pictures
OWNER_INTERVAL_S = 1.0  #: so often a clip of a thread looks whether the thread has ended
FINISH_S = 60.0  #: for what waits to be written when a cell has ended
#: what OpenCV calls the video in a file of that kind; ffmpeg knows by itself
CODECS = {".avi": "MJPG", ".m4v": "mp4v", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v", ".webm": "VP80"}
_FORMATS = {"L": "gray", "RGB": "rgb24", "RGBA": "rgba"}


class Clip:
    """One video, which the thread that makes it shows.

    Args:
        path: The file, which is replaced if it is there.
        fps: Pictures a second.

    Attributes:
        of_cell: Whether it ends with the cell; else it ends with the thread that shows.

    Raises:
        ValueError: There is no such kind of video.
        OSError: This machine can make none, or not there.
    """

    def __init__(self, path: str, fps: float) -> None:
        kind = os.path.splitext(path)[1].lower()
        if kind not in CODECS:
            raise ValueError("show() saves %s, not %r." % (", ".join(sorted(CODECS)), path))
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise FileNotFoundError("show() can't save %s: there is no folder %s on this machine." % (path, folder))
        self._ffmpeg = shutil.which("ffmpeg")
        if self._ffmpeg is None and not _has_cv2():
            raise OSError("show(save=…) needs the program ffmpeg or OpenCV on this machine, which has neither.")
        self._path, self._fps, self._kind = os.path.abspath(path), fps, kind
        self._began = time.monotonic()
        self._waiting: Deque[Tuple[int, Shown]] = deque()  # pictures, and which of the video they are
        self._changed = threading.Condition()
        self._size = (0, 0)
        self._ended = False
        self._failure, self._told = "", False
        self._owner = threading.current_thread()
        self.of_cell = self._owner is threading.main_thread()
        self._thread = OwnThread(self._run, "rpyc-kernel-save")
        self._thread.start()
        atexit.register(self._finish_at_exit)

    def add(self, found: Shown) -> None:
        """Add a picture, whose memory the caller may use again.

        Raises:
            ValueError: It is of another size, or the video is complete.
            OSError: The video can't be written.
        """
        if self._failure:
            self._told = True
            raise OSError(self._failure)
        if self._ended:
            raise ValueError(
                "%s is complete, since its cell has ended; save what follows under another name." % self._path
            )
        size = (found.width, found.height)
        self._size = self._size if any(self._size) else size
        if size != self._size:
            text = "%s has pictures of %d x %d pixels, and this one has %d x %d."
            raise ValueError(text % (self._path, *self._size, *size))
        place = int((time.monotonic() - self._began) * self._fps + 0.5)
        copy = found.copy(None)
        with self._changed:
            if self._waiting and (self._waiting[-1][0] == place or len(self._waiting) >= MAX_WAITING):
                self._waiting.pop()
            self._waiting.append((place, copy))
            self._changed.notify()

    def finish(self) -> None:
        """Write what waits, and complete the file. It may be called again. Raises OSError where that has failed."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(FINISH_S)
        atexit.unregister(self._finish_at_exit)
        if self._thread.is_alive():
            raise OSError("%s is still being written." % self._path)
        if self._failure and not self._told:
            self._told = True
            raise OSError(self._failure)

    def _finish_at_exit(self) -> None:
        try:
            self.finish()
        except OSError as error:
            sys.stderr.write("%s\n" % error)

    # --- on the thread

    def _run(self) -> None:
        writer: Optional[Writer] = None
        written, pixels = 0, b""
        before: Tuple[str, Size] = ("", (0, 0))
        try:
            while True:
                following = self._next()
                if following is None:
                    break
                place, found = following
                mode, size, following_pixels = pixels_of(found)
                if writer is None:
                    written, before = place, (mode, size)
                    writer = self._writer(mode, size)
                if (mode, size) != before:
                    raise OSError("a picture of another size or other colours than the ones before")
                while written < place:
                    writer.write(pixels)
                    written += 1
                pixels = following_pixels
            if writer is not None:
                writer.write(pixels)
                writer.close()
        except Exception as error:  # whatever an encoder raises
            self._failure = "show() could not save %s: %s" % (self._path, error)
        self._ended = True

    def _next(self) -> Optional[Tuple[int, Shown]]:
        """Wait for the next picture; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._ended or not (self.of_cell or self._owner.is_alive()):
                    return None
                self._changed.wait(None if self.of_cell else OWNER_INTERVAL_S)
            return self._waiting.popleft()

    def _writer(self, mode: str, size: Size) -> Writer:
        if self._ffmpeg is not None:
            return _Ffmpeg(self._ffmpeg, self._path, self._fps, mode, size)
        return _Cv2(self._path, self._fps, CODECS[self._kind], mode, size)


def _has_cv2() -> bool:
    try:
        importlib.import_module("cv2")
    except ImportError:
        return False
    return True


def pixels_of(found: Shown) -> Tuple[str, Size, bytes]:
    """Return the mode of a picture (``L``, ``RGB`` or ``RGBA``), its size, and its pixels, one row behind the other.

    Raises:
        OSError: It is a JPEG or PNG, and nothing here can read it.
    """
    if not isinstance(found, Picture):
        return _decoded(found.data if isinstance(found, Encoded) else found.encode().data)
    if isinstance(found.pixels, bytes) or found.is_array:
        pixels = plain(found)
        data = pixels if isinstance(pixels, bytes) else pixels.tobytes()
        return found.mode.replace("BGR", "RGB"), (found.width, found.height), data
    return _of_pil(found.pixels)


def _of_pil(image: Any) -> Tuple[str, Size, bytes]:
    if image.mode not in _FORMATS:
        image = image.convert("RGB")
    return image.mode, image.size, image.tobytes()


def _decoded(data: bytes) -> Tuple[str, Size, bytes]:
    try:
        import io

        from PIL import Image

        return _of_pil(Image.open(io.BytesIO(data)).convert("RGB"))
    except ImportError:
        pass
    try:
        cv2 = importlib.import_module("cv2")
        import numpy as np
    except ImportError:
        raise OSError("nothing on this machine can read JPEG and PNG; install PIL or OpenCV there") from None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return "RGB", (pixels.shape[1], pixels.shape[0]), pixels[..., ::-1].tobytes()


class _Ffmpeg:
    """The program, which gets bare pixels by its stdin. The stop button's signal doesn't reach it."""

    def __init__(self, program: str, path: str, fps: float, mode: str, size: Size) -> None:
        about = ["-f", "rawvideo", "-pix_fmt", _FORMATS[mode], "-s", "%dx%d" % size, "-r", "%g" % fps, "-i", "-"]
        even = "scale=trunc((iw+1)/2)*2:trunc((ih+1)/2)*2"  # what browsers play has even sizes
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            [program, "-loglevel", "error", "-y", *about, "-an", "-vf", even, "-pix_fmt", "yuv420p", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )

    def write(self, pixels: bytes) -> None:
        """Write the next picture."""
        try:
            self._process.stdin.write(pixels)  # type: ignore[union-attr]
        except BrokenPipeError:
            self.close()
            raise

    def close(self) -> None:
        """Complete the file."""
        try:
            self._process.stdin.close()  # type: ignore[union-attr]
        except BrokenPipeError:
            pass
        code = self._process.wait()
        with self._errors:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip()
        if code:
            raise OSError("ffmpeg has ended with status %d: %s" % (code, said[-500:]))


class _Cv2:
    """OpenCV's ``VideoWriter``."""

    def __init__(self, path: str, fps: float, codec: str, mode: str, size: Size) -> None:
        self._cv2 = cv2 = importlib.import_module("cv2")
        self._shape = (size[1], size[0], len(mode))
        conversions: Dict[str, Any] = {
            "L": cv2.COLOR_GRAY2BGR,
            "RGB": cv2.COLOR_RGB2BGR,
            "RGBA": cv2.COLOR_RGBA2BGR,
        }
        self._conversion = conversions[mode]
        self._writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*codec), fps, size)
        if not self._writer.isOpened():
            raise OSError("OpenCV can't write such a file there")

    def write(self, pixels: bytes) -> None:
        """Write the next picture."""
        import numpy as np

        array = np.frombuffer(pixels, np.uint8).reshape(self._shape)
        self._writer.write(self._cv2.cvtColor(array, self._conversion))

    def close(self) -> None:
        """Complete the file."""
        self._writer.release()
