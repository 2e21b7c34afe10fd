"""Checks the content of a request, by https://jupyter-client.readthedocs.io/en/stable/messaging.html.

A field that is left out gets its default. A front end that sends a field of another type is told so in the reply.
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
"""The fields of each request that are checked: their types and their defaults. ``bool`` is an ``int``."""

WITHOUT_OTHERS = frozenset({"history_request"})
"""Requests whose handlers take each field as an argument, so that fields of other names are left out."""


def check(msg_type: str, message: dict[str, Any]) -> None:
    """Put defaults into the content of a request.

    Raises:
        MalformedRequestError: A field is missing, or has another type.
    """
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
    if msg_type in WITHOUT_OTHERS:
        message["content"] = {name: content[name] for name in fields}


def failure(msg_type: str, error: BaseException | None) -> dict[str, Any]:
    """Return the content of the reply to a request that was not done, because of *error* if there is one."""
    if msg_type == "debug_request":
        return {"type": "response", "success": False, "message": f"{error}", "request_seq": 0, "command": ""}
    name = type(error).__name__ if error is not None else "NotDone"
    text = str(error) if error is not None else f"the kernel has not answered this {msg_type}"
    content: dict[str, Any] = {"status": "error", "ename": name, "evalue": text, "traceback": []}
    if msg_type == "execute_request":
        content.update(execution_count=None, payload=[], user_expressions={})
    return content
