"""What travels to where a session is placed: the loader, and the modules that serve, as the agent travels."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from typing import Any

from rpyc_kernel.agent import starter
from rpyc_kernel.transport.broker_client import AGENT, agent_sources, agent_text


@functools.cache
def parts() -> dict[str, Any]:
    """Return the text of the server's ``program`` and the ``words`` that it reads first.

    The words have the loader and the modules that serve; ``agent`` is the name of the agent that the kernel will ask
    for there.
    """
    wanted = {path: text for path, text in agent_sources().items() if "/" not in path or path.startswith("serve/")}
    text = json.dumps(wanted, sort_keys=True).encode()
    digest, archive = hashlib.sha256(text).hexdigest(), zlib.compress(text)
    words = starter.first_words((AGENT / "boot.py").read_bytes())
    words += b"%s\n%d\n%s" % (digest.encode(), len(archive), archive)
    return {"program": starter.PLACED, "words": words, "agent": agent_text()[0]}
