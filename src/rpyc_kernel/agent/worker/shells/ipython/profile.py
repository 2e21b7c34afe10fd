"""The user's own IPython: folder, profile, configuration files, extensions and startup files, as ipykernel takes them.

Nothing is written to the user's home by it; a home that is missing or can't be written does no harm.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import traceback

from IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS, ProfileAwareConfigLoader
from IPython.core.profiledir import ProfileDir
from IPython.core.shellapp import InteractiveShellApp
from traitlets import observe
from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

NAMES = ("ipython_config", "ipython_kernel_config")  #: of configuration files; the later one counts more


class SessionProfile(ProfileDir):  # type: ignore[misc]
    """The folder of a profile, which may be missing, and into which nothing is written."""

    @observe("location")
    def _location_changed(self, change: Any) -> None:
        for name in ("security", "log", "startup", "pid", "static"):
            setattr(self, name + "_dir", os.path.join(change["new"], getattr(self, name + "_dir_name")))

    def check_startup_dir(self, change: Any = None) -> None:
        """Put no README there."""

    def _mkdir(self, path: str, mode: Any = None) -> bool:
        """Make no folder."""
        return False


class IPKernelApp(InteractiveShellApp):  # type: ignore[misc]
    """IPython's application, with the name of ipykernel's, since configuration files say ``c.IPKernelApp``.

    Args:
        wanted: The name of the profile.

    Attributes:
        said: Lines that the first cell shows.
    """

    def __init__(self, wanted: str) -> None:
        self.said: List[str] = []
        self.log = logging.getLogger("ipython")
        self.extra_args: List[str] = []
        folder = os.environ.get("IPYTHONDIR") or os.path.join("~", ".ipython")
        self.ipython_dir = os.path.abspath(os.path.expanduser(folder))
        location = os.path.join(self.ipython_dir, "profile_" + wanted)
        if wanted != "default" and not os.path.isdir(location):
            text = "There is no IPython profile %s in %s on %s: the default one is used."
            self.said.append(text % (wanted, self.ipython_dir, socket.gethostname()))
            location = os.path.join(self.ipython_dir, "profile_default")
        self.profile_dir = SessionProfile(location=location)
        config = Config()
        for name in NAMES:
            for place in (*SYSTEM_CONFIG_DIRS[::-1], *ENV_CONFIG_DIRS[::-1], location):
                self._load(config, place, name)
        super().__init__(config=config)

    def _load(self, config: Config, place: str, name: str) -> None:
        for loader, suffix in ((JSONFileConfigLoader, ".json"), (ProfileAwareConfigLoader, ".py")):
            path = os.path.join(place, name + suffix)
            try:
                if os.path.isfile(path):
                    config.merge(loader(name + suffix, place).load_config())
            except BaseException as error:  # a file of the user's, which may do anything
                self.complain("in the configuration file %s" % path, error)

    def complain(self, where: str, error: BaseException) -> None:
        """Tell of an error in the first cell."""
        self.said.append("Error on %s %s:" % (socket.gethostname(), where))
        self.said.extend("".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines())

    def begin(self, shell: Any) -> None:
        """Load extensions and run startup files, in the first cell, so that what they show is seen and can be stopped.

        Raises:
            KeyboardInterrupt: One was stopped.
        """
        self.shell = shell
        sys.stderr.write("".join(line + "\n" for line in self.said))
        shell.begins = True
        try:
            self.init_gui_pylab()
            self.init_extensions()
            self.init_code()
        except BaseException:
            shell.showtraceback()
        finally:
            shell.begins = False
        if isinstance(shell.shown_last, KeyboardInterrupt):
            raise shell.shown_last
