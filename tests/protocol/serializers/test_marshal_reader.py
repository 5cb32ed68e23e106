from __future__ import annotations

import marshal
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.marshal_reader import (
    DEPTH_LIMIT,
    VALUES_LIMIT,
    read_simple,
    write_simple,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.text("abc")
    | st.binary(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple),
    max_leaves=15,
)
VERSIONS = [0, 1, 2, 3, 4]
versions = pytest.mark.parametrize("version", VERSIONS)


@settings(deadline=None, max_examples=60)
@given(value=values)
def test_every_version_of_the_format_is_read(value: Any) -> None:
    for version in VERSIONS:
        assert repr(read_simple(marshal.dumps(value, version))) == repr(value)


@settings(deadline=None, max_examples=60)
@given(value=values)
def test_what_is_written_is_read_here_and_by_python(value: Any) -> None:
    data = write_simple(value)
    assert repr(read_simple(data)) == repr(marshal.loads(data)) == repr(value)


@versions
def test_shared_and_interned_text_is_read(version: int) -> None:
    name, long, other = "interned_name", "x" * 300, "é" * 300
    shared = ("a", [name, long])
    value = (name, [name, long, other, other], shared, shared, 10**30, 10**30)
    assert read_simple(marshal.dumps(value, version)) == value


def test_an_old_integer_of_64_bit_is_read() -> None:
    assert read_simple(b"I" + struct.pack("<q", -5)) == -5


def test_numbers_that_are_none_are_read() -> None:
    assert math.isnan(read_simple(marshal.dumps(math.nan)))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind: Any) -> None:
    assert read_simple(kind(write_simple(("a", 1)))) == ("a", 1)


@versions
@pytest.mark.parametrize(
    "value",
    [{}, {1: 2}, {1}, frozenset(), 1j, ..., StopIteration, compile("1", "f", "eval")],
)
def test_everything_else_is_refused(version: int, value: Any) -> None:
    data = marshal.dumps(value, version)
    for one in (data, b")\x01" + data):
        with pytest.raises(SerializeError, match="is not read here"):
            read_simple(one)


@pytest.mark.parametrize("value", [{}, {1}, 1j, bytearray(b""), [({},)], object()])
def test_nothing_else_is_written(value: object) -> None:
    with pytest.raises(SerializeError, match="as plain marshal data"):
        write_simple(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i\x01\x00",
        b"u\xff\xff\xff\xff",
        b"u\xff\xff\xff\x7fabc",
        b"(\xff\xff\xff\xff",
        b"(\xff\xff\xff\x7f",
        b"[\xff\xff\xff\x7f" * 20,
        b"l\x00\x00\x00\x80",
        b"l\xff\xff\xff\x7f",
        b"z\x01\xff",
        b"u\x01\x00\x00\x00\xff",
        b"f\x01x",
        b"r\x00\x00\x00\x00",
        b"\xa9\x01r\x00\x00\x00\x00",
        b"\xdb\x01\x00\x00\x00r\x00\x00\x00\x00",
        b"0",
        b"\x80",
        b"\xff",
    ],
)
def test_malformed_data_is_refused(data: bytes) -> None:
    with pytest.raises(SerializeError):
        read_simple(data)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=64))
def test_noise_is_only_an_error(data: bytes) -> None:
    try:
        read_simple(data)
    except SerializeError:
        return


def test_every_truncation_is_refused() -> None:
    data = marshal.dumps(("info", 1.5, [None, 2**70, b"x"], "é", "x" * 300))
    for size in range(len(data)):
        with pytest.raises(SerializeError):
            read_simple(data[:size])


def test_the_nesting_has_a_limit() -> None:
    read_simple(b")\x01" * DEPTH_LIMIT + b"N")
    with pytest.raises(SerializeError, match="deeper than"):
        read_simple(b")\x01" * (DEPTH_LIMIT + 1) + b"N")
    with pytest.raises(SerializeError, match="deeper than"):
        read_simple(b")\x01" * 1_000_000)
    value: object = None
    for _ in range(DEPTH_LIMIT + 1):
        value = [value]
    with pytest.raises(SerializeError, match="deeper than"):
        write_simple(value)


def test_references_cannot_make_a_value_without_end() -> None:
    # Each tuple holds the one before it a hundred times.
    parts = [b"\xa9\x01N"]
    parts += [
        b"\xa9\x64" + (b"r" + struct.pack("<i", one)) * 100 for one in range(1, 9)
    ]
    with pytest.raises(SerializeError, match=f"more than {VALUES_LIMIT}"):
        read_simple(b"\xa9\x09" + b"".join(parts))
