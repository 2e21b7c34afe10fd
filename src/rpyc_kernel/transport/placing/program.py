"""What travels to where a session is placed: the loader, and the modules that serve, as the agent travels."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from typing import Any

from rpyc_kernel.transport.broker_client import AGENT, agent_sources


@functools.cache
def parts() -> dict[str, Any]:
    """Return the text of ``agent/boot.py``, and the name and the archive of what serves."""
    wanted = {path: text for path, text in agent_sources().items() if "/" not in path or path.startswith("serve/")}
    text = json.dumps(wanted, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    return {"boot": (AGENT / "boot.py").read_bytes(), "digest": digest, "archive": zlib.compress(text)}
