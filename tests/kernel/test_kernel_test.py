"""The suite of jupyter_kernel_test, on both shells. Its own test_history asks for a range that no kernel gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import jupyter_kernel_test
import pytest

from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

NOT_OURS = {"test_history"}
SUITE = sorted(
    name for name in dir(jupyter_kernel_test.KernelTests) if name.startswith("test_") and name not in NOT_OURS
)


class Samples(jupyter_kernel_test.KernelTests):
    """What the suite asks a kernel for."""

    __test__ = False
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples: ClassVar = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "import itertoo", "matches": {"itertools"}},
    ]
    complete_code_samples: ClassVar = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples: ClassVar = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples: ClassVar = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result: ClassVar = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data: ClassVar = [
        {"code": "display({'text/html': '<b>x</b>'}, raw=True)", "mime": "text/html"},
        {"code": "import json; display({'image/svg+xml': '<svg/>'}, raw=True)", "mime": "image/svg+xml"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = (
        "try:\n    clear_output()\nexcept NameError:\n    from IPython.display import clear_output; clear_output()"
    )


@pytest.fixture(scope="module")
def suite(remote: Remote) -> Iterator[Callable[[str], None]]:
    kernel = Kernel()
    with kernel as front:
        connect(front, remote)
        Samples.km = kernel.manager
        Samples.kc = kernel.manager.blocking_client()
        Samples.kc.start_channels()
        Samples.kc.wait_for_ready(timeout=30)
        try:
            yield lambda name: Samples(name).debug()
        finally:
            Samples.kc.stop_channels()


@pytest.mark.parametrize("name", SUITE)
def test_suite(suite: Callable[[str], None], name: str) -> None:
    suite(name)
