"""The versions that the other end is told."""

import sys

from rpyc_kernel.agent.values import versions


def test_what_is_installed():
    found = versions.versions()
    assert found["python"] == sys.version.split()[0]
    assert found["numpy"].split(".")[0] in ("1", "2")
    assert set(found) <= {"python", *versions.PACKAGES}


def test_what_was_installed_since(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("rk_versioned",))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "rk_versioned" not in versions.versions()
    for version in ("1.0", "2.0"):
        for folder in tmp_path.iterdir():
            folder.rename(tmp_path.with_name("old"))
        info = tmp_path / f"rk_versioned-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rk_versioned\nVersion: {version}\n")
        assert versions.versions()["rk_versioned"] == version
        versions.versions().clear()  # what somebody got is not what the next one gets
        assert versions.versions()["rk_versioned"] == version
