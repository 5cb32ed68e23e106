"""What ``pyro-call`` prints: results, the items of streams, and errors."""

from __future__ import annotations

import base64
import itertools
import json
import math
import pprint
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from pyro_protocol.errors import (
    CommunicationError,
    format_remote_traceback,
    hide_remote_traceback,
)

__all__ = ["print_error", "print_result", "shown"]

_NOT_ITEMS: Final = (str, bytes, bytearray, memoryview, Mapping)


def print_result(
    result: Any, *, as_json: bool, stream: bool = False, limit: int | None = None
) -> None:
    """Print the result of a call; the items of a stream as they arrive.

    Args:
        result: the result.
        as_json: whether it is printed as JSON, a line for each item.
        stream: whether a list or another collection is printed item by item, too.
        limit: after how many items a stream is ended.

    Raises:
        TypeError: items are wanted, and there are none.
    """
    if isinstance(result, Iterator):
        _print_items(result, limit, as_json=as_json)
    elif stream or limit is not None:
        if not isinstance(result, Iterable) or isinstance(result, _NOT_ITEMS):
            raise TypeError(f"the result is no stream, but of type {_kind(result)}")
        _print_items(iter(result), limit, as_json=as_json)
    elif as_json or result is not None:
        _print(shown(result, as_json=as_json))


def _print_items(items: Iterator[Any], limit: int | None, *, as_json: bool) -> None:
    try:
        for item in itertools.islice(items, limit):
            _print(shown(item, as_json=as_json))
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _kind(value: object) -> str:
    return type(value).__name__


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for a command


def shown(value: Any, *, as_json: bool) -> str:
    """Return a value as text: JSON, or text as it is and Python's form of others."""
    if as_json:
        return json.dumps(_plain(value), ensure_ascii=False)
    return value if isinstance(value, str) else pprint.pformat(value, sort_dicts=False)


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value."""
    if value is None or isinstance(value, bool | int | float | str):
        # JSON has no infinite numbers.
        finite = not isinstance(value, float) or math.isfinite(value)
        return value if finite else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def print_error(
    error: BaseException,
    *,
    as_json: bool,
    traceback: bool,
    hint: str = "",
    prog: str = "pyro-call",
) -> None:
    """Tell on standard error what went wrong, in one line.

    Args:
        error: the error.
        as_json: whether it is told as a JSON object.
        traceback: whether the traceback that it had on the other side is shown, too.
        hint: what to try.
        prog: what the command is called.
    """
    remote = format_remote_traceback(error)
    hide_remote_traceback(error)
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    if as_json:
        _print_error(json.dumps(_described(error, remote, notes), ensure_ascii=False))
        return
    if traceback:
        sys.stderr.write("".join(remote))
    message = _message(error)
    if remote or not isinstance(error, CommunicationError | OSError):
        kind = _kind(error)
        message = f"{kind}: {message}" if message else kind
    lines = [f"{prog}: {message}{hint}", *notes]
    _print_error("\n".join(lines))


def _described(
    error: BaseException, remote: list[str], notes: list[str]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": getattr(error, "remote_type", "") or _kind(error),
        "message": _message(error),
        "notes": notes,
        "remote": bool(remote),
        "traceback": [str(one) for one in getattr(error, "_pyroTraceback", ())],
    }
    if not remote and isinstance(error, CommunicationError):
        described["outcome"] = error.outcome
    return {"error": described}


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the remote class may be one of a broken program
        return repr(error.args)


def _print_error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for a command
