"""The screen, which remembers what it was given."""

_width, _height = 240, 240
_own = None
screen = []


def config(size=(240, 240)):
    global _width, _height
    _width, _height = size


def width():
    return _width


def height():
    return _height


def as_image():
    global _own
    if _own is None:
        from maix import image

        _own = image.Image().new((_width, _height), (0, 0, 255))
    return _own


def show(img=None, box=(0, 0), local_show=True, remote_show=True):
    if img is None:
        img = as_image()
    if remote_show:
        from maix import mjpg

        mjpg.store_mjpg(img)
    if local_show:
        screen.append(img)
