"""Which frames are the cell's own: an interrupt raises an exception in these alone."""

import sys

import pytest

from rpyc_kernel.agent.worker.cell_frames import OURS, CellFrames

CODE = """
import sys
def here():
    return is_driven(sys._getframe())
async def awaits(own):
    return is_driven(sys._getframe()) if own else here()
"""


def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value


@pytest.fixture
def frames():
    frames = CellFrames(globals())
    frames.driving = frozenset([drive.__code__])
    return frames


def driven(frames, module, own):
    """Whether a module's coroutine counts as driven, or a function that it calls."""
    scope = {"__name__": module, "is_driven": frames.is_driven}
    exec(CODE, scope)
    return drive(scope["awaits"](own))


@pytest.mark.parametrize("own", [True, False])
def test_the_cells_own_frames_are_driven(frames, own):
    assert driven(frames, "__main__", own)
    assert driven(frames, "library", own)


@pytest.mark.parametrize("module", ["IPython.core.interactiveshell", OURS + "worker.shells.plain.shell"])
def test_a_coroutine_of_the_shell_may_be_about_to_go_on_with_the_cells(frames, module):
    assert not driven(frames, module, own=True)
    assert driven(frames, module, own=False), "what it calls may take long"


def test_what_drives_cells_and_what_nobody_drives_is_not(frames):
    assert not frames.is_driven(sys._getframe())
    assert not frames.is_driven(None)
    scope = {"__name__": "library", "is_driven": frames.is_driven}
    exec(CODE, scope)
    assert not scope["here"]()
