"""Sizes as people write them."""

from __future__ import annotations

import re


def parse_size(text: str) -> int:
    """Return ``500MB``, ``2GiB`` or a number of bytes as bytes. Raises ValueError for any other text."""
    match = re.fullmatch(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if not match or (match[3] and not match[2]):
        raise ValueError("a size, like 500MB or 2GiB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " "))
