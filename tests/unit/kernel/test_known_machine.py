"""Which machine a kernel knows before it begins, by its command line and the kernel before it."""

import pytest

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel import known_machine
from rpyc_kernel.kernel.known_machine import _find, _options
from rpyc_kernel.kernel.sessions.config import session_config
from rpyc_kernel.kernel.sessions.state_file import StateFile
from rpyc_kernel.transport.address import Address

PI = "pi.example:18812"


@pytest.mark.parametrize(
    ("argv", "given"),
    [
        ([], {}),
        (["-f", "k.json", "--RpycKernel.address=pi"], {"f": "k.json", "address": "pi"}),
        (["-f=k.json", "--address", "pi", "--keep=60"], {"f": "k.json", "address": "pi", "keep": "60"}),
        (["--RpycKernel.cwd=/srv", "--RpycKernel.remote_shell=plain"], {"cwd": "/srv", "remote_shell": "plain"}),
        (["--address=pi", "--RpycKernel.environment=A=b"], None),
        (["--address=pi", "--profile=lab"], None),
        (["--address=pi", "--debug"], None),
        (["--address"], None),
    ],
)
def test_options(argv: list[str], given: dict[str, str] | None) -> None:
    assert _options(argv) == given


def test_parameters_that_nobody_has_asked_for_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    monkeypatch.setattr(known_machine, "HeadStart", lambda find: found.append(find()))
    known_machine.begin([f"--address={PI}", "--RpycKernel.cwd={rpyc_cwd}", "--RpycKernel.remote_shell={rpyc_shell}"])
    assert found == [(Address.parse(PI), session_config())]


@pytest.mark.parametrize("given", [{}, {"address": ""}, {"address": "no address at all"}, {"address": PI, "keep": "x"}])
def test_nothing_is_known(given: dict[str, str]) -> None:
    with pytest.raises(RpycKernelError):
        _find(given)


def test_an_option() -> None:
    assert _find({"address": PI}) == (Address.parse(PI), session_config())
    config = session_config(keep=60.0, kept=True, cwd="/srv")
    assert _find({"address": PI, "keep": "60", "cwd": "/srv"}) == (Address.parse(PI), config)


def test_what_the_kernel_before_knew_goes_before_an_option(tmp_path: object) -> None:
    given = {"f": f"{tmp_path}/k.json", "address": "other.example"}
    state = StateFile(given["f"])
    state.name(PI, {"keep": 5.0})
    assert _find(given) == (Address.parse(PI), {"keep": 5.0})
    state.hold(PI, "0123")
    assert _find(given) == (Address.parse(PI), None)  # a session that runs is only dialled
    state.name("", {})
    with pytest.raises(RpycKernelError):
        _find(given)
