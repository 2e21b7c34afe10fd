"""The collector is paused while values are packed, and is afterwards as it was."""

import gc

import pytest

from rpyc_kernel.agent.values import UnpackError, garbage, pack, unpack


@pytest.fixture
def collector():
    """Leave the collector as it was."""
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_as_it_was(enabled, collector):
    (gc.enable if enabled else gc.disable)()
    with garbage.CollectionPaused():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
    with pytest.raises(TypeError):
        pack(print, "it")
    with pytest.raises(UnpackError):
        unpack(b"[1,2]")
    assert gc.isenabled() is enabled


def test_many_small_objects_are_not_collected_meanwhile():
    before = sum(each["collections"] for each in gc.get_stats())
    value = [(number, "x") for number in range(20_000)]
    between = sum(each["collections"] for each in gc.get_stats())
    packed = pack(value, "it")
    found = unpack(packed.text, packed.buffers)
    after = sum(each["collections"] for each in gc.get_stats())
    assert between > before  # as making them does
    assert after <= between + 1
    assert found == value
