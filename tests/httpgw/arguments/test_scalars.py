"""Values without parts, as web clients write them."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from pyro_httpgw.arguments.scalars import SCALARS

UTC = dt.UTC
AHEAD = dt.timezone(dt.timedelta(hours=1))
MORNING = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=AHEAD)
TEXT = "0b2f1d8e-54a4-4a0b-9a37-6b2f6f1f5a11"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("None", "null", None),
        ("None", "None", None),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", "1", True),
        ("bool", "off", False),
        ("int", "-42", -42),
        ("int", "+7", 7),
        ("float", "2.5", 2.5),
        ("float", ".5", 0.5),
        ("float", "-1e3", -1000.0),
        ("float", "Infinity", math.inf),
        ("float", "-inf", -math.inf),
        ("complex", "1+2j", 1 + 2j),
        ("complex", "1 2j", 1 + 2j),
        ("str", "5", "5"),
        ("bytes", "AP8=", b"\x00\xff"),
        ("bytes", "-_8", b"\xfb\xff"),
        ("bytes", " /8=", b"\xfb\xff"),
        ("bytearray", "AP8=", bytearray(b"\x00\xff")),
        ("datetime.datetime", "2026-01-02T03:04:05+01:00", MORNING),
        ("datetime.datetime", "2026-01-02T03:04:05 01:00", MORNING),
        ("datetime.datetime", "2026-01-02 10:30", dt.datetime(2026, 1, 2, 10, 30)),  # noqa: DTZ001 - it is naive
        (
            "datetime.datetime",
            "2026-01-02t03:04:05z",
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ),
        ("datetime.date", "2026-01-02", dt.date(2026, 1, 2)),
        ("datetime.time", "12:30", dt.time(12, 30)),
        ("datetime.time", "12:30:00 01:00", dt.time(12, 30, tzinfo=AHEAD)),
        ("datetime.timedelta", "90.5", dt.timedelta(seconds=90.5)),
        ("datetime.timedelta", "PT1H30M", dt.timedelta(hours=1, minutes=30)),
        ("datetime.timedelta", "-P1W2DT0.5S", -dt.timedelta(9, 0.5)),
        ("decimal.Decimal", "1.10", Decimal("1.10")),
        ("fractions.Fraction", "1/3", Fraction(1, 3)),
        ("uuid.UUID", TEXT, UUID(TEXT)),
    ],
)
def test_a_text_is_read(name: str, text: str, expected: Any) -> None:
    found = SCALARS[name].from_text(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("None", None, None),
        ("bool", False, False),
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("float", 5, 5.0),
        ("float", 2.5, 2.5),
        ("complex", 2, 2 + 0j),
        ("complex", [1, 2.5], 1 + 2.5j),
        ("complex", "(1+2j)", 1 + 2j),
        ("str", "", ""),
        ("bytes", "AP8=", b"\x00\xff"),
        ("bytes", {"data": "AP8=", "encoding": "base64"}, b"\x00\xff"),
        ("bytearray", {"data": "", "encoding": "base64"}, bytearray()),
        ("datetime.datetime", "2026-01-02T03:04:05+01:00", MORNING),
        ("datetime.date", "2026-01-02", dt.date(2026, 1, 2)),
        ("datetime.time", "12:30", dt.time(12, 30)),
        ("datetime.timedelta", 90.5, dt.timedelta(seconds=90.5)),
        ("datetime.timedelta", "PT90S", dt.timedelta(seconds=90)),
        ("decimal.Decimal", "1.10", Decimal("1.10")),
        ("decimal.Decimal", 3, Decimal(3)),
        ("decimal.Decimal", 0.1, Decimal("0.1")),
        ("fractions.Fraction", "1/3", Fraction(1, 3)),
        ("fractions.Fraction", 3, Fraction(3)),
        ("fractions.Fraction", 0.1, Fraction(1, 10)),
        ("uuid.UUID", TEXT, UUID(TEXT)),
    ],
)
def test_a_json_value_is_read(name: str, value: Any, expected: Any) -> None:
    found = SCALARS[name].from_json(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("None", "nothing"),
        ("bool", "maybe"),
        ("bool", "2"),
        ("int", "1_000"),
        ("int", " 1"),
        ("int", "1.0"),
        ("int", "٣"),
        ("int", "9" * 5000),
        ("float", "1_0"),
        ("float", "1 "),
        ("float", "x"),
        ("complex", "x"),
        ("bytes", "%%%"),
        ("bytes", "A"),
        ("datetime.datetime", "yesterday"),
        ("datetime.date", "2026-13-01"),
        ("datetime.time", "25:00"),
        ("datetime.timedelta", "P"),
        ("datetime.timedelta", "PT"),
        ("datetime.timedelta", "1e300"),
        ("datetime.timedelta", "nan"),
        ("decimal.Decimal", "x"),
        ("decimal.Decimal", "1_0"),
        ("fractions.Fraction", "1/0"),
        ("fractions.Fraction", "1e1000000000"),
        ("fractions.Fraction", "1E+0001000"),
        ("fractions.Fraction", "1" * 1000),
        ("uuid.UUID", "x"),
    ],
)
def test_a_text_that_does_not_fit_is_an_error(name: str, text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        SCALARS[name].from_text(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("None", 0),
        ("bool", 1),
        ("bool", "true"),
        ("int", True),
        ("int", "5"),
        ("int", 5.5),
        ("float", "5"),
        ("float", False),
        ("float", 10**400),
        ("complex", [1]),
        ("complex", None),
        ("str", 5),
        ("bytes", 5),
        ("bytes", {"data": "AP8="}),
        ("bytes", {"data": "AP8=", "encoding": "hex"}),
        ("bytes", {"data": 5, "encoding": "base64"}),
        ("datetime.datetime", 5),
        ("datetime.timedelta", True),
        ("decimal.Decimal", True),
        ("fractions.Fraction", None),
        ("uuid.UUID", 5),
    ],
)
def test_a_json_value_that_does_not_fit_is_an_error(name: str, value: Any) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        SCALARS[name].from_json(value)
