"""Compression only on a slow link, and only while it helps."""

from rpyc_kernel.values.shrinking import REST_BLOCKS, SLOW_BYTES_PER_S, Shrinking


def test_a_fast_link_compresses_nothing():
    shrinking = Shrinking()
    shrinking.begin(0.0)
    assert not shrinking.wanted(0.0)
    shrinking.carried(int(SLOW_BYTES_PER_S * 2), tried=False, shrunk=False)
    assert not shrinking.wanted(1.0)


def test_a_slow_link_compresses_what_shrinks():
    shrinking = Shrinking()
    shrinking.begin(0.0)
    shrinking.carried(1000, tried=False, shrunk=False)
    assert shrinking.wanted(1.0)
    shrinking.carried(100, tried=True, shrunk=True)
    assert shrinking.wanted(2.0)


def test_what_does_not_shrink_is_tried_seldom():
    shrinking = Shrinking()
    shrinking.begin(0.0)
    shrinking.carried(1000, tried=False, shrunk=False)
    tried = 0
    for _block in range(10 * (REST_BLOCKS + 1)):
        wanted = shrinking.wanted(100.0)
        tried += wanted
        shrinking.carried(10, tried=wanted, shrunk=False)
    assert tried == 10
