"""Values and exceptions as JSON that every web client can read.

What JSON lacks is written as Pyro's json serializer would write it, and as follows
where that refuses:

* bytes as ``{"data": base64, "encoding": "base64"}``, the form that Pyro programs
  know from the serpent serializer;
* NaN and the infinities, for which JSON has no word, as ``null``;
* sets, deques and ranges as lists, complex numbers, fractions and paths as text;
* arrays of numpy as lists, those of records as lists of dictionaries, its scalars as
  Python's own;
* keys of dictionaries that are not text as the text that JSON, or else Python, has
  for them.
"""

from __future__ import annotations

import base64
import json
import json.encoder
import math
import re
from array import array
from collections import deque
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers.classes import simplify
from pyro_protocol.serializers.late_types import add_late_forms

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["render_value", "strict_json"]

# As the json serializer of Python writes them; text in quotes may hold them too.
_NOT_JSON: Final = re.compile(rb"NaN|Infinity")


def _base64_form(value: bytes | bytearray | memoryview) -> dict[str, str]:
    data = base64.b64encode(value).decode("ascii")
    return {"data": data, "encoding": "base64"}


def _array_form(value: array[Any]) -> object:
    return value.tounicode() if value.typecode in "uw" else value.tolist()


def _numpy_array_form(array: Any) -> object:
    if array.dtype.names is not None:
        return list(array) if array.ndim else array[()]
    if array.dtype.kind == "M":
        # Python's own dates have neither nanoseconds nor "not a time".
        return array.astype(str).tolist()
    return array.tolist()


def _numpy_scalar_form(scalar: Any) -> object:
    if scalar.dtype.names is not None:
        return {name: scalar[name] for name in scalar.dtype.names}
    return str(scalar) if scalar.dtype.kind == "M" else scalar.item()


_FORMS: Final[dict[type, Callable[[Any], object]]] = {
    bytes: _base64_form,
    bytearray: _base64_form,
    memoryview: _base64_form,
    set: list,
    frozenset: list,
    deque: list,
    range: list,
    array: _array_form,
    slice: lambda value: [value.start, value.stop, value.step],
    complex: str,
    Fraction: str,
    Decimal: str,
    UUID: str,
    PurePath: str,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    tzinfo: str,
    type(...): lambda _: None,
    Enum: lambda member: member.value,
}

add_late_forms(
    _FORMS, {"numpy.ndarray": _numpy_array_form, "numpy.generic": _numpy_scalar_form}
)


def _simpler(value: object) -> object:
    return simplify(value, "json", _FORMS)


def _encoding() -> Callable[[object], str]:
    """Return what writes JSON, strictly."""
    # What the standard encoder makes anew for each value, of which most are small.
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        parts = make(
            markers=None,
            default=_simpler,
            encoder=json.encoder.encode_basestring,
            indent=None,
            key_separator=": ",
            item_separator=", ",
            sort_keys=False,
            skipkeys=False,
            allow_nan=False,
        )
    except TypeError:
        # It is not there, or not as it was, in this Python.
        return json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, default=_simpler
        ).encode
    return lambda value: "".join(parts(value, 0))


_encode: Final = _encoding()
_KEY_ENCODER: Final = json.JSONEncoder()


def render_value(value: object) -> bytes:
    """Return a value as JSON.

    Raises:
        SerializeError: it holds something that has no form in JSON.
    """
    try:
        return _encode(value).encode("utf-8")
    except (SerializeError, SecurityError, MemoryError):
        raise
    except (TypeError, ValueError):
        # A number or a key that JSON does not have, half of a surrogate pair, or a
        # value that contains itself: these are rare, and looked for only then.
        return _render_unusual(value)
    except RecursionError as error:
        raise SerializeError("the value is nested too deeply for JSON") from error


def strict_json(payload: bytes) -> bytes:
    """Return JSON as Python writes it without the numbers that JSON does not have.

    Raises:
        SerializeError: what seems to hold such a number is no JSON at all.
    """
    if _NOT_JSON.search(payload) is None:
        return payload
    try:
        return render_value(json.loads(payload))
    except (ValueError, RecursionError) as error:
        raise SerializeError(f"the server sent malformed JSON: {error}") from error


def _render_unusual(value: object) -> bytes:
    try:
        return json.dumps(_plain(value)).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializeError(f"the value cannot be shown as JSON: {error}") from error


def _plain(value: Any) -> object:
    """Return a value made of what JSON has."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _plain(_simpler(value))


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return _KEY_ENCODER.encode(key)
    return str(key)
