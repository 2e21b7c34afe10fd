"""The versions that the other end is told."""

import sys

from rpyc_kernel.agent.values import versions


def test_what_is_installed():
    found = versions.versions()
    assert found["python"] == sys.version.split()[0]
    assert found["numpy"].split(".")[0] in ("1", "2")
    assert set(found) <= {"python", *versions.PACKAGES}
