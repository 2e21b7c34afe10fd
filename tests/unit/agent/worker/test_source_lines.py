"""Lines are counted as Python counts them. Runs on Python 3.7 too."""

import pytest

from rpyc_kernel.agent.worker.source_lines import source_lines

ODD = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # where `str.splitlines` sees the end of a line


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a\n"]),
        ("a\n", ["a\n"]),
        ("a\n\nb", ["a\n", "\n", "b\n"]),
        ("a\r\nb\rc", ["a\n", "b\n", "c\n"]),
        (f"x = '{ODD}'\ny", [f"x = '{ODD}'\n", "y\n"]),
    ],
)
def test_lines(text, lines):
    assert source_lines(text) == lines
    with pytest.raises(SyntaxError) as raised:
        compile("".join(lines) + "no Python", "<cell>", "exec")
    assert raised.value.lineno == len(lines) + 1
