"""MaixPy 4's interface, on no board; see the README beside it. Its modules can't be imported by their own names."""

import enum
import types

display = types.ModuleType("maix.display")
image = types.ModuleType("maix.image")


class Format(enum.Enum):
    FMT_RGB888 = 0
    FMT_BGR888 = 1
    FMT_YVU420SP = 8
    FMT_GRAYSCALE = 12
    FMT_JPEG = 13


class Image:
    def __init__(self, width, height, format=Format.FMT_RGB888, bg=(0, 0, 0)):
        self._size, self._format, self._bg = (width, height), format, bg

    def width(self):
        return self._size[0]

    def height(self):
        return self._size[1]

    def format(self):
        return self._format

    def to_bytes(self, copy=True):
        if self._format is Format.FMT_JPEG:
            return self._bg
        color = self._bg[::-1] if self._format is Format.FMT_BGR888 else self._bg
        return bytes(color[:1] if self._format is Format.FMT_GRAYSCALE else color) * (self._size[0] * self._size[1])

    def to_jpeg(self, quality=95):
        import io

        from PIL import Image as Pillow

        file = io.BytesIO()
        Pillow.new("RGB", self._size, self._bg).save(file, "JPEG", quality=quality)
        return Image(*self._size, Format.FMT_JPEG, file.getvalue())


class Display:
    def __init__(self, width=-1, height=-1):
        self.screen = []

    def show(self, img, fit=None):
        self.screen.append(img)


image.Image, image.Format, display.Display = Image, Format, Display
