"""Which HTTP status a failure gets, and what can be done about it."""

from __future__ import annotations

from http import HTTPStatus

from pyro_protocol.errors import (
    CommunicationError,
    NamingError,
    PyroError,
    RemoteError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)

from ..errors import CallFailedError

__all__ = ["failed_call", "failed_stream", "remote_status"]


def remote_status(error: BaseException) -> HTTPStatus:
    """Return the status for what a remote object, or its daemon, has raised."""
    if isinstance(error, ServerBusyError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR


def failed_call(error: Exception) -> CallFailedError:
    """Return with its status an error that kept a call from giving an answer."""
    if isinstance(error, CallFailedError):
        return error
    if isinstance(error, TimeoutError):
        return CallFailedError(HTTPStatus.GATEWAY_TIMEOUT, error, _hint(error))
    if isinstance(error, NamingError | ServerBusyError):
        return CallFailedError(HTTPStatus.SERVICE_UNAVAILABLE, error, "try again later")
    return CallFailedError(HTTPStatus.BAD_GATEWAY, error, _hint(error))


def failed_stream(error: Exception) -> CallFailedError:
    """Return with its status an error that a stream ends with."""
    # Not every server sends a traceback; and the exception may be one of ours there.
    is_remote = hasattr(error, "_pyroTraceback") or not isinstance(error, PyroError)
    if is_remote or isinstance(error, RemoteError):
        return CallFailedError(remote_status(error), error)
    failed = failed_call(error)
    return CallFailedError(failed.status, failed.error, "ask for the stream again")


def _hint(error: Exception) -> str | None:
    if not isinstance(error, CommunicationError):
        return None
    if error.outcome == "not_sent":
        return "the call was not made: try again later"
    return "the call may have been made: find out before you repeat it"
