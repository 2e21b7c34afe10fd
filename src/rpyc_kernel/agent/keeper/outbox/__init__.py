"""The worker's messages on their way to the kernel: in memory, on the disk, and for ``%replay``."""
