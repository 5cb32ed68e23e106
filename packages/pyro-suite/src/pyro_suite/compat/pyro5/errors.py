"""``Pyro5.errors``: the exceptions, and how they are shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyro_protocol.dispatch.tracebacks import remote_traceback
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    DaemonError,
    MessageTooLargeError,
    NamingError,
    ProtocolError,
    PyroError,
    SecurityError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
    excepthook,
    get_pyro_traceback,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "CommunicationError",
    "ConnectionClosedError",
    "DaemonError",
    "MessageTooLargeError",
    "NamingError",
    "ProtocolError",
    "PyroError",
    "SecurityError",
    "SerializeError",
    "TimeoutError",
    "excepthook",
    "format_traceback",
    "get_pyro_traceback",
]


def format_traceback(
    ex_type: type[BaseException] | BaseException | None = None,
    ex_value: BaseException | None = None,
    ex_tb: TracebackType | None = None,
    detailed: bool = False,
) -> list[str]:
    """Return the text lines of an exception's traceback, without the remote one.

    Args:
        ex_type: its class, or the exception; without it the one being handled is used.
        ex_value: the exception.
        ex_tb: its traceback; the exception's own if left out.
        detailed: whether to show the values of local variables.
    """
    error = ex_type if isinstance(ex_type, BaseException) else ex_value
    error = error or sys.exc_info()[1]
    if error is None:
        return []
    if ex_tb is not None:
        error = error.with_traceback(ex_tb)
    return remote_traceback(error, detailed=detailed)
