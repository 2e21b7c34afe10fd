"""Run on another Python: unpacks each value that stdin has, packs it again, and writes it to stdout.

The first argument is the folder of the package ``agent``. Each value is the count of its parts, their sizes, and the
parts; what goes wrong is one part, which no packed text begins with: a "!" and the sentence.
"""

import sys

sys.path.insert(0, sys.argv[1])
from agent.values import pack, unpack


def main():
    """Answer until stdin ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = source.read(8)
        if not head:
            return
        sizes = [int.from_bytes(source.read(8), "little") for _ in range(int.from_bytes(head, "little"))]
        parts = [bytearray(source.read(size)) for size in sizes]
        try:
            packed = pack(unpack(bytes(parts[0]), parts[1:]), "it", peer={"pyarrow": "20.0"})
            answer = [packed.text, *packed.buffers]
        except Exception as error:
            answer = [f"!{type(error).__name__}: {error}".encode()]
        for number in [len(answer), *[len(part) for part in answer]]:
            sink.write(number.to_bytes(8, "little"))
        for part in answer:
            sink.write(part)
        sink.flush()


main()
