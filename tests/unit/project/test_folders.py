"""The folders of what tests start go away, even where something wrote into them meanwhile, or say that they don't."""

import tempfile
import warnings

import pytest

from tests import folders
from tests.folders import Folder


@pytest.fixture
def busy(monkeypatch):
    """Has that many removals fail, as they do where a file is made between the look and the removal."""
    real = tempfile.TemporaryDirectory.cleanup
    left = []

    def cleanup(self):
        if left:
            raise left.pop()
        real(self)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", cleanup)
    yield lambda times: left.extend([OSError(39, "Directory not empty")] * times)
    left.clear()


def test_it_is_removed_once_nothing_writes_into_it_any_more(busy):
    folder = Folder("rk-")
    (folder.path / "home").mkdir()
    busy(3)
    folder.cleanup()
    assert not folder.path.exists()


def test_what_cannot_be_removed_is_told(monkeypatch, busy):
    monkeypatch.setattr(folders, "PATIENCE", 0.1)
    folder = Folder("rk-")
    busy(9)
    with pytest.raises(OSError, match="not empty"):
        folder.cleanup()
    monkeypatch.undo()
    folder.cleanup()
    assert not folder.path.exists()


def test_one_that_nobody_removes_is_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = Folder("rk-").path
    assert [each.category for each in caught] == [ResourceWarning]
    assert not path.exists()
