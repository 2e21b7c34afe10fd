"""HTTP errors for what a machine refuses: a status that front ends understand, and the sentence."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tornado.web import HTTPError

from rpyc_kernel.errors import AgentError, RpycKernelError, TransferError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS = {
    "ENOENT": 404,
    "ENOTDIR": 404,
    "EACCES": 403,
    "EPERM": 403,
    "EROFS": 403,
    "EEXIST": 409,
    "ENOTEMPTY": 400,
    "EISDIR": 400,
    "ENAMETOOLONG": 400,
    "ENOSPC": 507,
    "EDQUOT": 507,
    "EFBIG": 507,
}
_UNREACHABLE = 503


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn the errors of what is done within it into HTTP errors."""
    try:
        yield
    except (AgentError, TransferError) as error:
        raise HTTPError(_STATUS.get(error.code, 500), str(error)) from None
    except RpycKernelError as error:
        raise HTTPError(_UNREACHABLE, str(error)) from None
