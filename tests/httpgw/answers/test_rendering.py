"""Values and exceptions as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
import uuid
from array import array
from collections import OrderedDict, deque, namedtuple
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NoReturn

import pytest

from pyro_httpgw.answers import rendering
from pyro_httpgw.answers.rendering import render_value, strict_json
from pyro_protocol import URI, ProxyState
from pyro_protocol.errors import SerializeError

BASE64 = {"data": "AP8=", "encoding": "base64"}
UTC = dt.UTC
ODD_KEYS = {"1": 1, "null": 2, "false": 3, "1.5": 4, "(1, 2)": 5}
Point = namedtuple("Point", "x y")  # noqa: PYI024 - as programs have them


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Plain:
    def __init__(self) -> None:
        self.answer = 42


def refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


def shown(value: object) -> Any:
    return json.loads(render_value(value), parse_constant=refuse_constant)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (1 << 100, 1 << 100),
        ("é€\x00", "é€\x00"),
        ((1, (2,)), [1, [2]]),
        ({1}, [1]),
        (frozenset({"a"}), ["a"]),
        (b"\x00\xff", BASE64),
        (bytearray(b"\x00\xff"), BASE64),
        (memoryview(b"\x00\xff"), BASE64),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        (slice(1, 2), [1, 2, None]),
        (array("i", [1, 2]), [1, 2]),
        (array("w" if sys.version_info >= (3, 13) else "u", "ab"), "ab"),
        (1 + 2j, "(1+2j)"),
        (Fraction(1, 3), "1/3"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/a/b"), "/a/b"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (UTC, "UTC"),
        (..., None),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (float("nan"), None),
        ([float("inf"), {"a": float("-inf")}], [None, {"a": None}]),
        ({1: 1, None: 2, False: 3, 1.5: 4, (1, 2): 5}, ODD_KEYS),
        ({"a": {b"k": {1, 2}}}, {"a": {"b'k'": [1, 2]}}),
        ("\ud800", "\ud800"),
    ],
)
def test_every_builtin_type_has_a_form(value: object, expected: object) -> None:
    assert shown(value) == expected
    assert shown([value]) == [expected]


def test_a_python_without_the_quick_encoder_writes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = [{"a": [1, 2.5, None, True, "é"]}, "text", {1}, Colour.RED]
    quick = [render_value(value) for value in values]
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(rendering, "_encode", rendering._encoding())
    assert [render_value(value) for value in values] == quick
    assert shown([float("nan")]) == [None]


def test_objects_are_shown_as_pyro_shows_them() -> None:
    uri = URI("PYRO:thing@localhost:4444")
    assert shown(uri) == {
        "__class__": "Pyro5.core.URI",
        "state": ["PYRO", "thing", None, "localhost", 4444],
    }
    assert shown(ProxyState(str(uri)))["__class__"] == "Pyro5.client.Proxy"
    assert shown(Plain())["answer"] == 42


def test_arrays_of_numpy_are_lists() -> None:
    numpy = pytest.importorskip("numpy")
    records = numpy.zeros((2,), dtype=[("n", "i4"), ("at", "M8[s]")])
    record = {"n": 0, "at": "1970-01-01T00:00:00"}
    for value, expected in [
        (numpy.arange(3), [0, 1, 2]),
        (numpy.zeros((2, 1), "f4"), [[0.0], [0.0]]),
        (numpy.array([1.5, numpy.nan]), [1.5, None]),
        (numpy.array(["a", "b"]), ["a", "b"]),
        (numpy.array([b"\x00\xff"]), [BASE64]),
        (numpy.array(["2026-01-02", "NaT"], "M8[D]"), ["2026-01-02", "NaT"]),
        (numpy.array([1 + 2j]), ["(1+2j)"]),
        (numpy.array(5), 5),
        (records, [record, record]),
        (records[0], record),
        (records.reshape(2, 1), [[record], [record]]),
    ]:
        assert shown(value) == expected
        assert shown({"inside": [value]}) == {"inside": [expected]}


def test_scalars_of_numpy_are_those_of_python() -> None:
    numpy = pytest.importorskip("numpy")
    for value, expected in [
        (numpy.float64(1.5), 1.5),
        (numpy.float32("nan"), None),
        (numpy.int64(1 << 62), 1 << 62),
        (numpy.bool_(1), True),
        (numpy.datetime64("2026-01-02"), "2026-01-02"),
        (numpy.timedelta64(90, "s"), 90.0),
    ]:
        assert shown(value) == expected


@pytest.mark.parametrize("value", [len, [10**5000], object()])
def test_what_has_no_form_is_an_error(value: object) -> None:
    with pytest.raises(SerializeError):
        render_value(value)


def test_what_contains_itself_is_an_error_and_no_crash() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(SerializeError):
        render_value(value)
    nested: Any = None
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(SerializeError):
        render_value(nested)
    while nested:
        # Otherwise freeing it recurses as deeply.
        nested = nested[0]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"a": 1,  "b": "\xc3\xa9"}', b'{"a": 1,  "b": "\xc3\xa9"}'),
        (b'["NaN and Infinity", "\xc3\xa9"]', b'["NaN and Infinity", "\xc3\xa9"]'),
        (b"[NaN, -Infinity, 1.5]", b"[null, null, 1.5]"),
    ],
)
def test_received_json_is_passed_on_but_for_numbers_that_are_none(
    payload: bytes, expected: bytes
) -> None:
    assert strict_json(payload) == expected


def test_received_json_that_is_malformed_is_noticed_where_it_is_read() -> None:
    with pytest.raises(SerializeError, match="malformed JSON"):
        strict_json(b"[NaN")
