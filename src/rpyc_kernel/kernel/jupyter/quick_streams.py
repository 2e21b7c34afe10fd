"""The streams of code that runs here: a flush waits for ipykernel's thread only where something was written.

ipykernel flushes both streams at the end of each request, and once more at the end of a cell. Each flush waits until
its IOPub thread has come round, which for a cell of another machine, that writes nothing here, is all in vain.
"""

from __future__ import annotations

from ipykernel.iostream import OutStream


class QuickOutStream(OutStream):
    """A stream of ipykernel's that has nothing to send where nobody has written to it since it was sent last."""

    def flush(self) -> None:
        """Send what was written, and wait until it is on its way; whatever is published later comes behind that."""
        if self._buffers:
            super().flush()
