"""Direct connections, from the kernel to the worker itself, for what would be too much for a session's messages.

- `packets`: the packets on one, whose buffers go from memory to memory.
- `handover`: the broker's part, which gives the kernel's socket to the worker, or passes bytes where it can't.
- `shortcut`: one that carries frames of a live connection; `live_frames` has both their ways, `sequence` the order.
- `nonblocking`: what the others need of sockets that don't block.
"""
