"""``python -m rpyc_kernel_agent``: what the other machine's half can do by itself, where it is installed."""

from __future__ import annotations

import sys

from .serve.main import main

if __name__ == "__main__":
    sys.exit(main())
