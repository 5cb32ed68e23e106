"""How an exception is sent: as it is, or else told of in words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..errors import MessageTooLargeError, PyroError, SerializeError
from ..serializers.connection_states import UnboundReferenceError
from ..serializers.exceptions import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..serializers import Serializer

__all__ = ["batch_payload", "exception_payloads", "sendable"]

_logger = logging.getLogger("pyro.session")


def exception_payloads(serializer: Serializer, error: Exception) -> Iterator[bytes]:
    """Yield the forms of an exception to be tried in turn until one can be sent.

    The last is a `PyroError` that tells of what it replaces.
    """
    try:
        yield serializer.dumps(error)
    except PyroError as failure:
        _logger.warning(
            "an exception of type %s could not be sent: %s", type(error), failure
        )
    yield serializer.dumps(_substitute(error))


def batch_payload(serializer: Serializer, results: list[Any]) -> bytes:
    """Encode the results of a batch; one that cannot be becomes an exception."""
    try:
        return serializer.dumps(results)
    except UnboundReferenceError:
        raise
    except SerializeError:
        return serializer.dumps([_encodable(serializer, one) for one in results])


def sendable(text: str) -> str:
    """Return a text that every serializer can encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _encodable(serializer: Serializer, value: Any) -> Any:
    try:
        serializer.dumps(value)
    except SerializeError as error:
        if isinstance(value, ExceptionWrapper):
            return ExceptionWrapper(_substitute(value.exception))
        return ExceptionWrapper(error)
    return value


def _substitute(error: BaseException) -> PyroError:
    """Tell of an exception that cannot be sent itself."""
    reason = (
        "it is too large"
        if isinstance(error, MessageTooLargeError)
        else "see the server"
    )
    text = f"{type(error).__module__}.{type(error).__qualname__}: {_text(error)}"
    result = PyroError(
        f"exception could not be sent as it is ({reason}): {text[:2000]}"
    )
    lines = getattr(error, "_pyroTraceback", [])
    result._pyroTraceback = [sendable(str(line)[:2000]) for line in lines[:50]]  # type: ignore[attr-defined] # documented
    return result


def _text(error: BaseException) -> str:
    try:
        return sendable(str(error))
    except Exception as failure:  # noqa: BLE001 - an exception may fail to give a text
        return f"<its text failed with {type(failure).__name__}>"
