"""``http://…`` and its like: what somebody writes who takes a notebook's own address for a machine's."""

from __future__ import annotations

from typing import NoReturn

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport.address import Transport
from rpyc_kernel.transport.syntax import FORMS, shown


class WebPage(Transport):
    """No way to a machine."""

    def parse(self, text: str, rest: str) -> NoReturn:
        """Say so. Raises AddressError."""
        raise AddressError(f"{shown(text)} is the address of a web page, and no machine's. {FORMS}")


TRANSPORT = WebPage("http")
