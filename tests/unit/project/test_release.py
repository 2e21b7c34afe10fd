"""What `make release` finds wrong before anything is published."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
release = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(release)

CHANGELOG = "# Changelog\n\n## 0.2.0, 2027-01-31\n\n- New.\n  More of it.\n\n## 0.1.0, not released yet\n\n- Old.\n"


def test_the_changelog_has_a_section_for_this_version():
    _date, text = release.notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), release.version())
    assert text.startswith("- ")


@pytest.mark.parametrize(
    ("version", "found"),
    [("0.2.0", ("2027-01-31", "- New.\n  More of it.\n")), ("0.1.0", ("not released yet", "- Old.\n"))],
)
def test_what_it_says_of_a_version(version, found):
    assert release.notes(CHANGELOG, version) == found


@pytest.mark.parametrize("changelog", [CHANGELOG, CHANGELOG + "\n## 0.3.0, 2027-02-01\n\n", ""])
def test_a_version_of_which_it_says_nothing(changelog):
    with pytest.raises(release.ReleaseError, match=r"nothing of 0\.3\.0"):
        release.notes(changelog, "0.3.0")


def test_a_tag_and_a_date():
    release.check_tag("v0.2.0", "0.2.0", "2027-01-31")
    with pytest.raises(release.ReleaseError, match="the tag is v1"):
        release.check_tag("v1", "0.2.0", "2027-01-31")
    with pytest.raises(release.ReleaseError, match="'not released yet' instead of the day"):
        release.check_tag("v0.1.0", "0.1.0", "not released yet")


def test_a_distribution_that_lacks_something_or_is_one_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "DIST", tmp_path)
    (tmp_path / "rpyc_kernel-0.1.0.tar.gz").touch()
    with pytest.raises(release.ReleaseError, match=r"dist/ has rpyc_kernel-0\.1\.0\.tar\.gz"):
        release.check_contents("0.1.0")
    with pytest.raises(release.ReleaseError, match=r"some\.whl has no b"):
        release._check_names(Path("some.whl"), ["a", "b"], ["top/a", "bb"])
