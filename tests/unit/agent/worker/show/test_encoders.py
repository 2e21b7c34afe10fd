"""What may be shown, and that the pixels of what was encoded are those that were given."""

import importlib.util
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from rpyc_kernel.agent.worker.show.encoders import encode
from rpyc_kernel.agent.worker.show.fitting import MIN_PICTURE_BYTES, UNKNOWN_LINK_BYTES, Fitting, allowance
from rpyc_kernel.agent.worker.show.pictures import Drawing, Encoded, check_range, read

PNG, JPEG = "image/png", "image/jpeg"
HAS_CV2 = importlib.util.find_spec("cv2") is not None


@pytest.fixture(params=["pil", "stdlib", *["cv2"] * HAS_CV2])
def encoder(request, monkeypatch):
    """The machine has nothing else."""
    for name in {"cv2": ["PIL.Image"], "pil": ["cv2"], "stdlib": ["cv2", "PIL.Image"]}[request.param]:
        monkeypatch.setitem(sys.modules, name, None)
    return request.param


def test_opencv_is_here_too():
    pytest.importorskip("cv2", reason="OpenCV isn't installed: nothing was encoded by it")


def pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded.data)))


def photo(height=240, width=320, channels=3):
    """Something smooth, with some noise, as a camera gives it."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 40 + c) * 60 + np.cos(y / 30 - c) * 60 + 128 for c in range(channels)]
    noise = np.random.default_rng(1).normal(0, 4, (height, width, channels))
    found = np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)
    return found[..., 0] if channels == 1 else found


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bgr", [False, True])
def test_png_gives_back_every_pixel(encoder, channels, bgr):
    array = photo(channels=channels)
    encoded = encode(read(array, bgr, 100), 100)
    expected = array if channels == 1 or not bgr else array[..., [2, 1, 0, 3][:channels]]
    assert (encoded.mime, encoded.width, encoded.height) == (PNG, 320, 240)
    np.testing.assert_array_equal(pixels(encoded), expected)


@pytest.mark.parametrize("bgr", [False, True])
def test_a_photograph_is_jpeg_where_something_can_make_it(encoder, bgr):
    array = photo()
    encoded = encode(read(array, bgr, 85), 85)
    assert encoded.mime == (PNG if encoder == "stdlib" else JPEG)
    found, expected = pixels(encoded).astype(int), array[..., ::-1] if bgr else array
    assert np.abs(found - expected).mean() < 4


def test_bool_is_black_and_white(encoder):
    mask = np.add.outer(np.arange(200), np.arange(300)) % 7 == 0
    encoded = encode(read(mask, False, 85), 85)
    assert encoded.mime == PNG
    np.testing.assert_array_equal(pixels(encoded), mask * 255)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_go_from_0_to_1(encoder, dtype):
    array = np.linspace(0, 1, 256, dtype=dtype).reshape(16, 16)
    np.testing.assert_array_equal(pixels(encode(read(array, False, 85), 85)).ravel(), np.arange(256))


@pytest.mark.filterwarnings("error")
def test_floats_beyond_are_cut_off_and_nothing_is_black(encoder):
    array = np.array([[-1.0, 2.0, np.nan, np.inf]])
    np.testing.assert_array_equal(pixels(encode(read(array, False, 85), 85)), [[0, 255, 0, 255]])


def test_what_is_small_loses_nothing(encoder):
    digit = photo(28, 28, 1)
    np.testing.assert_array_equal(pixels(encode(read(digit, False, 85), 85)), digit)


@pytest.mark.parametrize("view", [np.s_[::2, ::3], np.s_[::-1], np.s_[10:50, 20:90, ::-1]])
def test_views_of_an_array(encoder, view):
    array = photo()[view]
    np.testing.assert_array_equal(pixels(encode(read(array, False, 100), 100)), array)


@pytest.mark.parametrize("part", [2, 3, 4])
def test_a_part_of_the_pixels(encoder, part):
    array = np.repeat(np.repeat(np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6), 12, 0), 12, 1)
    encoded = encode(read(array, False, 100), 100, part)
    assert (encoded.width, encoded.height, encoded.shrunk) == (72, 48, True)
    np.testing.assert_array_equal(pixels(encoded), array[::part, ::part])


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4)])
@pytest.mark.parametrize("part", [1, 3])
def test_a_plain_buffer_that_tells_its_shape(encoder, shape, part):
    array = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    view = memoryview(array.tobytes()).cast("B", shape)
    found = pixels(encode(read(view, False, 100), 100, 1))
    np.testing.assert_array_equal(found, array[..., 0] if shape[-1] == 1 else array)
    if encoder == "stdlib":
        found = pixels(encode(read(view, True, 100), 100, part))
        swapped = array[..., [2, 1, 0, 3][: shape[2]]] if shape[2:] > (1,) else array.reshape(48, 64)
        np.testing.assert_array_equal(found, swapped[::part, ::part])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "HSV"])
def test_images_of_pil(mode):
    image = Image.fromarray(photo()).convert(mode)
    for quality in (85, 100):
        encoded = encode(read(image, False, quality), quality)
        found = np.asarray(Image.open(io.BytesIO(encoded.data)).convert("RGB")).astype(int)
        assert np.abs(found - np.asarray(image.convert("RGB"))).mean() < 6


def test_what_is_encoded_already_stays_as_it_is():
    file = io.BytesIO()
    Image.new("RGB", (5, 4)).save(file, "JPEG")
    for data in (file.getvalue(), bytearray(file.getvalue())):
        found = read(data, False, 85)
        assert isinstance(found, Encoded)
        assert (found.mime, found.data) == (JPEG, file.getvalue())
    assert read(b"\x89PNG\r\n\x1a\nmore", False, 85).mime == PNG


def test_a_figure_is_drawn_when_its_turn_has_come():
    from matplotlib.figure import Figure  # late, as each worker collects all tests

    figure = Figure(figsize=(4, 3), dpi=50)
    axes = figure.subplots()
    drawing = read(figure, False, 85)
    assert isinstance(drawing, Drawing)
    axes.set_facecolor("red")
    assert pixels(drawing.draw())[75, 100].tolist() == [255, 0, 0, 255]


def test_what_shows_itself_in_notebooks():
    class Shows:
        def _repr_png_(self):
            return b"\x89PNG\r\n\x1a\n", {"width": 3}

    assert read(Shows(), False, 85).draw().mime == PNG


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        (np.zeros((4, 5, 2), np.uint8), ValueError, "not of the shape 4 x 5 x 2"),
        (np.zeros((3, 40, 50), np.uint8), ValueError, "channels come last"),
        (np.zeros(7, np.uint8), ValueError, "not of the shape 7"),
        (np.zeros((), np.uint8), ValueError, "not of the shape ()"),
        (np.zeros((0, 5), np.uint8), ValueError, "nothing to be seen"),
        (np.zeros((4, 5), int), ValueError, "not of int64: make it frame.astype('uint8')"),
        (np.zeros((4, 5), np.uint16), ValueError, "not of uint16"),
        (np.zeros((4, 5), complex), ValueError, "not of complex128: there is no picture in that"),
        (np.zeros((4, 5), object), ValueError, "not of object"),
        (np.broadcast_to(np.uint8(0), (1 << 14, 1 << 14)), ValueError, "too large"),
        (memoryview(b"12345"), ValueError, "buffer of 1 dimensions"),
        (b"12345", ValueError, "5 bytes that are neither a JPEG nor a PNG"),
        (b"", ValueError, "neither a JPEG nor a PNG"),
        (None, TypeError, "the camera gave no picture"),
        ((True, np.zeros((4, 5))), TypeError, "show the second"),
        ("picture.png", TypeError, "not str"),
        ([[1, 2], [3, 4]], TypeError, "not list"),
        (Image, TypeError, "not module"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(frame, error, text):
    with pytest.raises(error) as caught:
        read(frame, False, 85)
    assert text in str(caught.value)
    assert str(caught.value).startswith("show() ")
    assert str(caught.value).endswith(".")


def test_floats_that_go_to_255_are_refused():
    with pytest.raises(ValueError, match="floats from 0 to 1"):
        check_range(read(np.full((4, 5), 255.0), False, 85))
    check_range(read(np.full((4, 5), 1.0), False, 85))
    check_range(read(np.full((4, 5), 255, np.uint8), False, 85))


# how good it may be


@pytest.mark.parametrize("quality", [85, 100])
def test_a_picture_is_made_as_small_as_the_link_wants_it(encoder, quality):
    noise = np.random.default_rng(3).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    picture, fitting = read(noise, False, quality), Fitting()
    whole = fitting.encode(picture, quality, 0)
    assert not fitting.reduced
    for most in (len(whole.data) // 3, MIN_PICTURE_BYTES):
        encoded = fitting.encode(picture, quality, most)
        assert len(encoded.data) <= most
        assert fitting.reduced
        assert (encoded.width, encoded.height) == (640, 480)
    for _ in range(10):  # the link is fast again: better with each picture
        encoded = fitting.encode(picture, quality, 100 << 20)
    assert encoded.data == whole.data
    assert not fitting.reduced


def test_what_is_known_of_the_link():
    assert allowance(0) == UNKNOWN_LINK_BYTES
    assert allowance(1) == MIN_PICTURE_BYTES
    assert allowance(250_000) == 37_500


def test_what_was_too_much_is_not_tried_each_time(monkeypatch):
    made = []

    def counted(picture, quality, part):
        made.append((quality, part))
        return encode(picture, quality, part)

    monkeypatch.setattr("rpyc_kernel.agent.worker.show.fitting.encode", counted)
    picture, fitting = read(photo(480, 640), False, 85), Fitting()
    most = len(fitting.encode(picture, 85, 0).data) // 2
    made.clear()
    fitting.encode(picture, 85, most)
    first = len(made)
    assert first > 1
    for _ in range(5):
        fitting.encode(picture, 85, most)
    assert len(made) == first + 5


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
@pytest.mark.parametrize("works", [True, False])
def test_pil_makes_a_jpeg_in_a_file_in_memory_as_other_threads_run_then(monkeypatch, works):
    monkeypatch.setitem(sys.modules, "cv2", None)
    expected = encode(read(photo(), False, 85), 85).data
    files = []
    save = Image.Image.save

    def saving(image, stream, *args, **options):
        files.append(isinstance(stream, io.FileIO))
        save(image, stream, *args, **options)

    def fail(*_args):
        raise OSError("not on this system")

    monkeypatch.setattr(Image.Image, "save", saving)
    if not works:
        monkeypatch.setattr(os, "memfd_create", fail)
    assert encode(read(photo(), False, 85), 85).data == expected
    assert files == [works]
