"""Values without parts as web clients write them: as text, and in JSON.

Each type has a function for either. What does not fit is a ValueError, whose text says
what is expected.
"""

from __future__ import annotations

import base64
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SCALARS", "ScalarForm"]

T = TypeVar("T")

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL_NUMBERS: Final = frozenset({"nan", "inf", "infinity"})
_BOOLS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_NOTHING: Final = frozenset({"null", "None", "none"})
_DURATION: Final = re.compile(
    r"([+-]?)P(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)
_DURATION_UNITS: Final = ("weeks", "days", "hours", "minutes", "seconds")
# In a query string a plus that is not encoded means a blank.
_LOST_PLUS: Final = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")
_BASE64: Final = "base64"

_FRACTION_LENGTH: Final = 300
_FRACTION_EXPONENT: Final = re.compile(r"[eE][+-]?0*[0-9]{4}")
"""A Fraction of ``1e1000000000`` would fill the memory; up to these bounds it is as
large as the texts of numbers that people write."""


class ScalarForm(NamedTuple):
    """How a type is read.

    Attributes:
        expected: what messages call it.
        from_text: reads it from a text.
        from_json: reads it from a JSON value.
    """

    expected: str
    from_text: Callable[[str], Any]
    from_json: Callable[[Any], Any]


def _none_from_text(text: str) -> None:
    if text not in _NOTHING:
        raise ValueError


def _none_from_json(value: Any) -> None:
    if value is not None:
        raise ValueError


def _bool_from_text(text: str) -> bool:
    found = _BOOLS.get(text.lower())
    if found is None:
        raise ValueError
    return found


def _bool_from_json(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _int_from_text(text: str) -> int:
    # Python also takes blanks, underscores and the digits of other scripts.
    if (text.isdecimal() and text.isascii()) or _INTEGER.fullmatch(text):
        return int(text)
    raise ValueError


def _int_from_json(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError


def _float_from_text(text: str) -> float:
    if (
        _NUMBER.fullmatch(text) is None
        and text.lstrip("+-").lower() not in _SPECIAL_NUMBERS
    ):
        raise ValueError
    return float(text)


def _float_from_json(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError
    return float(value)


def _complex_from_text(text: str) -> complex:
    return complex(text.strip().replace(" ", "+"))


def _complex_from_json(value: Any) -> complex:
    if type(value) is str:
        return _complex_from_text(value)
    if type(value) is list and len(value) == 2:  # noqa: PLR2004 - real and imaginary part
        real, imaginary = map(_float_from_json, value)
        return complex(real, imaginary)
    return complex(_float_from_json(value))


def _str_from_json(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _bytes_from_text(text: str) -> bytes:
    standard = text.replace(" ", "+").replace("-", "+").replace("_", "/")
    padding = "=" * (-len(standard) % 4)
    return base64.b64decode(standard + padding, validate=True)


def _bytes_from_json(value: Any) -> bytes:
    if type(value) is dict and value.keys() == {"data", "encoding"}:
        if value["encoding"] != _BASE64:
            raise ValueError
        value = value["data"]
    return _bytes_from_text(_str_from_json(value))


def _datetime_from_text(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        # RFC 3339 allows small letters, too.
        return datetime.fromisoformat(_LOST_PLUS.sub("+", text.upper()))


def _time_from_text(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        return time.fromisoformat(_LOST_PLUS.sub("+", text.upper()))


def _duration_from_text(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        return timedelta(seconds=_float_from_text(text))
    sign, *amounts = match.groups(default="0")
    parts = dict(zip(_DURATION_UNITS, map(float, amounts), strict=True))
    return -timedelta(**parts) if sign == "-" else timedelta(**parts)


def _duration_from_json(value: Any) -> timedelta:
    if type(value) is str:
        return _duration_from_text(value)
    return timedelta(seconds=_float_from_json(value))


def _decimal_from_text(text: str) -> Decimal:
    if "_" in text:
        raise ValueError
    return Decimal(text)


def _decimal_from_json(value: Any) -> Decimal:
    if type(value) is str:
        return _decimal_from_text(value)
    if type(value) is int:
        return Decimal(value)
    # As it was written, and not as close as a float comes to that.
    return Decimal(repr(_float_from_json(value)))


def _fraction_from_text(text: str) -> Fraction:
    if "_" in text or len(text) > _FRACTION_LENGTH or _FRACTION_EXPONENT.search(text):
        raise ValueError
    return Fraction(text)


def _fraction_from_json(value: Any) -> Fraction:
    if type(value) is str:
        return _fraction_from_text(value)
    if type(value) is int:
        return Fraction(value)
    return Fraction(repr(_float_from_json(value)))


def _only_text(from_text: Callable[[str], T]) -> Callable[[Any], T]:
    return lambda value: from_text(_str_from_json(value))


def _form(
    expected: str,
    from_text: Callable[[str], Any],
    from_json: Callable[[Any], Any] | None = None,
) -> ScalarForm:
    return ScalarForm(expected, from_text, from_json or _only_text(from_text))


SCALARS: Final[dict[str, ScalarForm]] = {
    "None": _form("null", _none_from_text, _none_from_json),
    "bool": _form("true or false", _bool_from_text, _bool_from_json),
    "int": _form("an integer", _int_from_text, _int_from_json),
    "float": _form("a number", _float_from_text, _float_from_json),
    "complex": _form(
        "a complex number, such as 1+2j", _complex_from_text, _complex_from_json
    ),
    "str": _form("a text", str, _str_from_json),
    "bytes": _form("bytes as base64", _bytes_from_text, _bytes_from_json),
    "bytearray": _form(
        "bytes as base64",
        lambda text: bytearray(_bytes_from_text(text)),
        lambda value: bytearray(_bytes_from_json(value)),
    ),
    "datetime.datetime": _form(
        "a date and time, such as 2026-01-31T12:30:00Z", _datetime_from_text
    ),
    "datetime.date": _form("a date, such as 2026-01-31", date.fromisoformat),
    "datetime.time": _form("a time, such as 12:30:00", _time_from_text),
    "datetime.timedelta": _form(
        "a duration in seconds, or such as PT1H30M",
        _duration_from_text,
        _duration_from_json,
    ),
    "decimal.Decimal": _form(
        "a decimal number", _decimal_from_text, _decimal_from_json
    ),
    "fractions.Fraction": _form(
        "a fraction, such as 1/3", _fraction_from_text, _fraction_from_json
    ),
    "uuid.UUID": _form("a UUID", UUID),
}
"""The forms of the types, by the names that `annotations.Scalar` has for them."""
