"""Images with ``width``, ``height``, ``mode`` and ``tobytes()``."""


class Image:
    def __init__(self):
        self.width = self.height = 0
        self.mode = "RGB"
        self._pixels = b""

    def new(self, size=(240, 240), color=(0, 0, 0), mode="RGB"):
        self.width, self.height = size
        self.mode = mode
        self._pixels = bytes(color)[: len(mode)] * (self.width * self.height)
        return self

    def tobytes(self):
        return self._pixels
