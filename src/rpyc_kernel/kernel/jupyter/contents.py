"""What the content of a request must be, by https://jupyter-client.readthedocs.io/en/stable/messaging.html.

A front end that leaves out what has a default gets it; one that sends another type is told so in the reply.
"""

from __future__ import annotations

from typing import Any

from rpyc_kernel.errors import MalformedRequestError

NO_DEFAULT = object()

FIELDS: dict[str, dict[str, tuple[type | tuple[type, ...], Any]]] = {
    "execute_request": {
        "code": (str, NO_DEFAULT),
        "user_expressions": ((dict, type(None)), None),
    },
    "complete_request": {"code": (str, NO_DEFAULT), "cursor_pos": ((int, type(None)), None)},
    "inspect_request": {
        "code": (str, NO_DEFAULT),
        "cursor_pos": (int, NO_DEFAULT),
        "detail_level": (int, 0),
        "omit_sections": (list, []),
    },
    "is_complete_request": {"code": (str, NO_DEFAULT)},
    "history_request": {
        "hist_access_type": (str, NO_DEFAULT),
        "output": (int, False),
        "raw": (int, True),
        "session": (int, 0),
        "start": (int, 0),
        "stop": ((int, type(None)), None),
        "n": ((int, type(None)), None),
        "pattern": ((str, type(None)), None),
        "unique": (int, False),
    },
    "comm_info_request": {"target_name": ((str, type(None)), None)},
    "shutdown_request": {"restart": (int, False)},
    "debug_request": {"command": (str, NO_DEFAULT), "seq": (int, 0)},
}
"""By the type of a request, its fields: of which type each is, and its default. ``bool`` is an ``int``."""

ONLY_THESE = frozenset({"history_request"})
"""Requests whose handler takes each field as an argument, so that others are left out."""


def check(msg_type: str, message: dict[str, Any]) -> None:
    """Put defaults into the content of a request. Raises MalformedRequestError if a field is missing or is wrong."""
    content = message["content"]
    if not isinstance(message.get("metadata"), dict):
        message["metadata"] = {}
    if not isinstance(content, dict):
        raise MalformedRequestError(msg_type, "its content is no JSON object")
    fields = FIELDS.get(msg_type, {})
    for name, (kind, default) in fields.items():
        if name not in content and default is NO_DEFAULT:
            raise MalformedRequestError(msg_type, f"it has no {name!r}")
        if name in content and not isinstance(content[name], kind):
            raise MalformedRequestError(msg_type, f"its {name!r} is {type(content[name]).__name__}")
        content.setdefault(name, default)
    if msg_type in ONLY_THESE:
        message["content"] = {name: content[name] for name in fields}


def failure(msg_type: str, error: BaseException | None) -> dict[str, Any]:
    """The content of the reply to a request that was not done."""
    if msg_type == "debug_request":
        return {"type": "response", "success": False, "message": f"{error}", "request_seq": 0, "command": ""}
    name = type(error).__name__ if error is not None else "NotDone"
    text = str(error) if error is not None else f"the kernel has not answered this {msg_type}"
    content: dict[str, Any] = {"status": "error", "ename": name, "evalue": text, "traceback": []}
    if msg_type == "execute_request":
        content.update(execution_count=None, payload=[], user_expressions={})
    return content
