"""A copied value in a few words."""

import pytest

from rpyc_kernel.values.describe import described, size_text


class Table:
    shape = (1_000_000, 5)


class Odd:
    def __len__(self):
        raise RuntimeError("no length")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Table(), "x: Table, 1,000,000 by 5"),
        ([1] * 1234, "x: list, 1,234 items"),
        (["only"], "x: list, 1 item"),
        (b"abc", "x: bytes, 3 bytes"),
        ("abc", "x: str, 3 characters"),
        (7, "x: int"),
        (Odd(), "x: Odd"),
    ],
)
def test_described(value, text):
    assert described("x", value) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes(size, text):
    assert size_text(size) == text
