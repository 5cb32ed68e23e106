"""What may come out of received bytes: plain values, and our own few classes."""

from __future__ import annotations

import traceback
from array import array
from collections import deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import NoneType
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgpack import Timestamp

from pyro_protocol import URI
from pyro_protocol.references import CallbackState, StreamState
from pyro_protocol.serializers.exceptions import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_value"]

_HOLDING_NOTHING = frozenset(
    {
        NoneType,
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        range,
        slice,
        array,
        Decimal,
        Fraction,
        UUID,
        date,
        datetime,
        time,
        timedelta,
        timezone,
        ZoneInfo,
        PurePosixPath,
        PureWindowsPath,
        type(Path()),
        type(...),
        Timestamp,
        URI,
    }
)
_CONTAINERS = frozenset({list, tuple, set, frozenset, deque})


def check_value(value: object) -> None:
    """Check that a value, and all in it, is of a class that peers may make.

    Exceptions are also printed, because that is what will be done with them.
    """
    level = [value]
    while level:
        one = level.pop()
        kind = type(one)
        if kind in _HOLDING_NOTHING:
            continue
        level.extend(_parts(one, kind))


def _parts(one: Any, kind: type) -> Iterable[object]:
    if kind in _CONTAINERS:
        return list(one)
    if kind is dict:
        return [*one.keys(), *one.values()]
    if isinstance(one, Exception):
        return _exception_parts(one)
    if kind is ExceptionWrapper:
        assert isinstance(one.exception, Exception)
        return [one.exception]
    if kind.__module__ == "numpy":
        assert not one.dtype.hasobject
        return []
    return _reference_parts(one, kind)


def _reference_parts(one: Any, kind: type) -> Iterable[object]:
    if kind is StreamState:
        assert type(one.number) is int
        assert 0 <= one.number < 1 << 32
        return []
    if kind is CallbackState:
        return [one.object_id, *one.methods, *one.oneway, *one.attributes]
    # A proxy where there are proxies, else its state.
    assert hasattr(kind, "_pyro_state_"), f"a peer made an object of {kind}"
    uri, oneway, methods, attributes, handshake, serializer = one._pyro_state_()
    return [uri, *oneway, *methods, *attributes, handshake, serializer]


def _exception_parts(error: Exception) -> Iterable[object]:
    assert type(error).__module__ != "__main__"
    try:
        traceback.format_exception(error)
    except RecursionError:
        # An exception in an exception, and so on: no more than Python can print.
        return []
    linked = [one for one in (error.__cause__, error.__context__) if one is not None]
    return [*error.args, *vars(error).values(), *linked]
