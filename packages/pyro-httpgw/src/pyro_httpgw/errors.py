"""Why a request is answered with an error instead of a result.

The tree::

    PyroError
    ├── RequestRefusedError   the request is at fault, or not allowed
    ├── CallFailedError       the call did not succeed on this side of the object
    └── StreamFailedError     an answer breaks off; that was told in it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .messages import Headers

__all__ = ["CallFailedError", "RequestRefusedError", "StreamFailedError"]


class RequestRefusedError(PyroError):
    """The gateway does not even try to carry out the request.

    Args:
        status: the HTTP status of the answer.
        reason: what is wrong, for people.
        hint: what to do about it, for people; may be left out.
        headers: what else the answer has to carry.
        members: further members of the problem document, such as ``errors``.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        hint: str | None = None,
        *,
        headers: Headers = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.hint = hint
        self.headers = headers
        self.members: Mapping[str, Any] = members or {}


class CallFailedError(PyroError):
    """The call was tried and failed on this side of the remote object.

    Args:
        status: the HTTP status of the answer.
        error: the exception that a Pyro program would have got.
        hint: what to do about it, for people; may be left out.
    """

    def __init__(self, status: int, error: Exception, hint: str | None = None) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error
        self.hint = hint


class StreamFailedError(PyroError):
    """An answer that is being sent breaks off, after it has told why."""
