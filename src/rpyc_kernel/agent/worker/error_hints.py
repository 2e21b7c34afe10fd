"""Lines behind an error that may come from the cell's running on another machine than the notebook."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

#: how to install a module whose package has another name, or needs more
_PACKAGES = {
    "PIL": "%pip install pillow",
    "RPi": "%pip install RPi.GPIO",
    "cv2": "%pip install opencv-python-headless",
    "ipywidgets": "%pip install ipywidgets ipython, and then a restart of the kernel,",
    "serial": "%pip install pyserial",
    "skimage": "%pip install scikit-image",
    "sklearn": "%pip install scikit-learn",
    "usb": "%pip install pyusb",
    "yaml": "%pip install pyyaml",
}


def hints(error: BaseException) -> List[str]:
    """Return lines about an error; none for most errors."""
    if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
        name = error.name
        if name == "IPython" or ("." in name and name != "google.colab"):  # a stand-in says it; a part of what is there
            return []
        if name.partition(".")[0] == "google":
            return ["The cell ran on %s: google.colab is on Google's Colab only." % _host()]
        if name in _PACKAGES:
            return ["The cell ran on %s, which has no %s: %s brings it." % (_host(), name, _PACKAGES[name])]
        hint = "The cell ran on %s, which has no module %s: packages come there by %%pip install, own files by %%put."
        return [hint % (_host(), name)]
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, (str, bytes, os.PathLike)):
        return ["The cell ran on %s, in %s: that is where files and programs are looked for." % (_host(), _folder())]
    return []


def _host() -> str:
    import socket

    return socket.gethostname()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "a folder that was removed"
