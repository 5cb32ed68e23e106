"""Why a request is answered with an error instead of a result.

The tree::

    PyroError
    ├── RequestRefusedError   the request is at fault or not allowed; answered in text
    └── CallFailedError       the call did not succeed; answered with it in JSON
"""

from __future__ import annotations

from pyro_protocol.errors import PyroError

__all__ = ["CallFailedError", "RequestRefusedError"]


class RequestRefusedError(PyroError):
    """The gateway does not even try to carry out the request.

    Attributes:
        status: the HTTP status of the answer.
        headers: what else the answer has to carry.
    """

    def __init__(
        self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class CallFailedError(PyroError):
    """The call was tried and failed on this side of the remote object.

    Attributes:
        status: the HTTP status of the answer.
        error: the exception that a Pyro program would have got.
    """

    def __init__(self, status: int, error: Exception) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error
