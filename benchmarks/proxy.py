"""A slow link: a TCP proxy on loopback that passes each byte on after a delay.

``python proxy.py PORT DELAY REPORT`` listens on a free port, writes the number of that port into the file REPORT, and
connects to PORT. DELAY is in seconds. A connection takes a round trip to begin, as on a real link. With PORT 0 the
proxy sends back what comes.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import cast

_PIECE_BYTES = 1 << 18


async def main(port: int, delay: float, report: Path) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float = delay) -> None:
        try:
            while data := await reader.read(_PIECE_BYTES):
                loop.call_later(delay, writer.write, data)
        except OSError:
            pass
        loop.call_later(delay, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _no_delay(writer)
        if not port:
            await carry(reader, writer, 2 * delay)
            return
        await asyncio.sleep(2 * delay)  # the handshake of the client, which loopback has done at once, and ours
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        _no_delay(far_writer)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=4 * _PIECE_BYTES)
    part = report.with_suffix(".part")
    part.write_text(str(server.sockets[0].getsockname()[1]))
    part.rename(report)
    await server.serve_forever()


def _no_delay(writer: asyncio.StreamWriter) -> None:
    sock = cast("socket.socket", writer.get_extra_info("socket"))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
