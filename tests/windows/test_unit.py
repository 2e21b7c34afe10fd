"""The unit tests begin on a Windows, and leave the user's private files alone."""

from __future__ import annotations

from tests.kernel.kernels import SOURCE
from tests.windows.wine import Wine, windows_path

ROOT = SOURCE.parent
# What the packages there don't have: numpy, whose DLLs Wine doesn't load, and Jupyter's server.
WITHOUT = ["test_pacing", "test_plain_data", "test_show_encoders", "test_show_screen"]
SOME = "test_boot or test_connection or test_doors or test_records or test_spawn or test_shell_plain_errors"


def test_all_are_collected_and_some_run(wine: Wine) -> None:
    arguments = ["-p", "no:cacheprovider", "-q", "-k", SOME, "tests/unit"]
    ignored = [f"--ignore=tests/unit/{name}.py" for name in WITHOUT]
    paths = ";".join(map(windows_path, (wine.packages, SOURCE)))
    said = wine.run("-m", "pytest", *arguments, *ignored, PYTHONPATH=paths, folder=ROOT)
    assert " passed, " in said
    own = ("AppData/Local", ".cache")
    assert [found for each in own for found in wine.prefix.glob(f"drive_c/users/*/{each}/rpyc-kernel")] == []
