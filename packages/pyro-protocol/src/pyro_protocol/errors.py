"""Every error Pyro raises, and how a remote one is shown.

The tree::

    PyroError
    ├── CommunicationError            the network or the peer failed; see ``outcome``
    │   ├── ConnectionClosedError     the connection is gone
    │   ├── TimeoutError              no answer in time
    │   └── ProtocolError             a message was malformed or not allowed
    │       ├── LocalProtocolError    this program broke a rule of the protocol
    │       ├── RemoteProtocolError   the peer broke a rule of the protocol
    │       ├── MessageTooLargeError  a message exceeds a size limit
    │       └── SerializeError        a value could not be encoded or decoded
    ├── NamingError                   the name server refused, or was not found
    ├── DaemonError                   the server has no such object, or is misused
    │   └── ServerBusyError           the server has no room for the call right now
    ├── CallCancelledError            the caller has cancelled the call
    ├── SecurityError                 something was refused for safety
    └── RemoteError                   a remote exception whose class is unknown here

The classes above ``LocalProtocolError`` and so on have the names, and the
hierarchy, that Pyro programs know; new ones are placed below the class that a
program written for Pyro already catches.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "CallCancelledError",
    "CommunicationError",
    "ConnectionClosedError",
    "DaemonError",
    "LocalProtocolError",
    "MessageTooLargeError",
    "NamingError",
    "Outcome",
    "ProtocolError",
    "PyroError",
    "RemoteError",
    "RemoteProtocolError",
    "SecurityError",
    "SerializeError",
    "ServerBusyError",
    "TimeoutError",
    "excepthook",
    "format_remote_traceback",
    "get_pyro_traceback",
    "hide_remote_traceback",
    "show_remote_traceback",
]

Outcome = Literal["not_sent", "unknown"]
"""Whether a failed call can have run: certainly not, or perhaps."""


class PyroError(Exception):
    """The root of all errors of this library."""


class CommunicationError(PyroError):
    """The network or the peer failed while a call was under way.

    Attributes:
        outcome: ``"not_sent"`` when the call certainly did not run on the
            server, ``"unknown"`` when it may have.
        refusal: the words with which the server has turned this program away; empty
            if it failed in another way.
    """

    outcome: Outcome = "unknown"
    refusal: str = ""


class ConnectionClosedError(CommunicationError):
    """The connection was closed by the peer or lost."""


class TimeoutError(CommunicationError):  # noqa: A001 - the documented name
    """The peer did not answer within the time allowed."""


class ProtocolError(CommunicationError):
    """A message was malformed or came at the wrong moment."""


class LocalProtocolError(ProtocolError):
    """This program asked for something the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol does not allow."""


class MessageTooLargeError(ProtocolError):
    """A message is larger than the limit in force."""


class SerializeError(ProtocolError):
    """A value could not be turned into bytes, or bytes into a value."""


class NamingError(PyroError):
    """The name server refused a request, or could not be found."""


class DaemonError(PyroError):
    """The server does not have the object, or is used wrongly."""


class ServerBusyError(DaemonError):
    """Every worker of the server is busy and its queue is full.

    The call was not run; it can be repeated later.
    """


class CallCancelledError(PyroError):
    """The caller has cancelled the call, and it was ended before it was done.

    It may have had a part of its effects.
    """


class SecurityError(PyroError):
    """Something was refused because it would be unsafe."""


class RemoteError(PyroError):
    """A remote exception of a class that this program does not know.

    If it is derived from a class that is known here, what arrives is an instance of
    that one, too: ``except ValueError`` catches it. Its attributes can then be read
    from the exception itself as well.

    Attributes:
        remote_type: the full name of the class on the remote side.
        remote_bases: the full names of the classes it is derived from, nearest
            first; empty if the peer does not tell, as Pyro5 does not.
        attributes: the attributes the remote exception had.
    """

    remote_bases: tuple[str, ...] = ()

    def __init__(
        self,
        *args: object,
        remote_type: str = "",
        attributes: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(*args)
        self.remote_type = remote_type
        self.attributes: dict[str, Any] = attributes or {}

    def __str__(self) -> str:
        try:
            text = super().__str__()
        except Exception:  # noqa: BLE001 - a known base may miss attributes it expects
            text = Exception.__str__(self)
        return f"{self.remote_type}: {text}" if self.remote_type else text


_REMOTE_HEADING = (
    " +--- This exception occurred remotely, and this is its traceback there:"
)
_REMOTE_END = " +--- end of the remote traceback"


def format_remote_traceback(error: BaseException) -> list[str]:
    """Return the lines of the traceback that ``error`` had on the remote side.

    The list is empty for an error that did not come from a remote object.
    """
    # An exception that is a proxy for something else may fail to give an attribute.
    lines = vars(error).get("_pyroTraceback")
    if not isinstance(lines, list | tuple):
        return []
    result = [f"{_REMOTE_HEADING}\n"]
    for chunk in lines:
        result.extend(f" | {line}\n" for line in str(chunk).splitlines())
    result.append(f"{_REMOTE_END}\n")
    return result


def show_remote_traceback(error: BaseException) -> None:
    """Have an ordinary traceback of ``error`` show the remote one as a note."""
    lines = format_remote_traceback(error)
    if lines:
        error.add_note("".join(lines).rstrip("\n"))


def hide_remote_traceback(error: BaseException) -> None:
    """Take back what `show_remote_traceback` did, before ``error`` travels on."""
    notes = _notes(error)
    if notes:
        kept = [one for one in notes if not _is_remote(one)]
        if kept:
            error.__notes__ = kept  # type: ignore[assignment] # as they were
        else:
            del error.__notes__


def _notes(error: BaseException) -> list[object]:
    notes = vars(error).get("__notes__")
    return list(notes) if isinstance(notes, list | tuple) else []


def _is_remote(note: object) -> bool:
    return isinstance(note, str) and note.startswith(_REMOTE_HEADING)


def get_pyro_traceback(
    ex_type: type[BaseException] | BaseException | None = None,
    ex_value: BaseException | None = None,
    ex_tb: TracebackType | None = None,
) -> list[str]:
    """Return the text lines of an exception's local and remote traceback.

    Args:
        ex_type: an exception, or its class; without it the exception being
            handled is used.
        ex_value: the exception, if ``ex_type`` is a class.
        ex_tb: its traceback; the exception's own if left out.
    """
    error = ex_value
    if isinstance(ex_type, BaseException):
        error = ex_type
    elif ex_type is None and ex_value is None:
        error = sys.exc_info()[1]
    if error is None:
        return []
    # Most programs never need what takes a twentieth of all imports.
    import traceback  # noqa: PLC0415

    local = traceback.format_exception(
        type(error), error, ex_tb if ex_tb is not None else error.__traceback__
    )
    if any(map(_is_remote, _notes(error))):
        return local
    return [*local, *format_remote_traceback(error)]


def excepthook(
    ex_type: type[BaseException],
    ex_value: BaseException,
    ex_tb: TracebackType | None,
) -> None:
    """Print an uncaught exception with its remote traceback to standard error.

    Meant to be installed as ``sys.excepthook``.
    """
    sys.stderr.write("".join(get_pyro_traceback(ex_type, ex_value, ex_tb)))
