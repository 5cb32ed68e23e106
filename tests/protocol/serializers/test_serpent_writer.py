from __future__ import annotations

import collections
import datetime as dt
import enum
import math
from typing import Any

import pytest
import serpent
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.serpent_writer import WRITTEN_LEVELS, SerpentWriter

BASE64 = SerpentWriter(lambda: False)
LITERALS = SerpentWriter(lambda: True)


def view(data: bytes) -> memoryview:
    return memoryview(data)


keys = st.recursive(
    st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.binary().map(bytearray)
    | st.binary().map(view),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.dictionaries(keys, inner)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=15,
)


class Colour(enum.Enum):
    RED = 1
    DATA = b"x"


def by_library(value: object, *, literals: bool = False) -> str:
    data: bytes = serpent.dumps(value, bytes_repr=literals)
    return data.decode().partition("\n")[2]


@settings(deadline=None, max_examples=100)
@given(value=values)
def test_plain_values_are_written_as_the_library_writes_them(value: object) -> None:
    assert BASE64.write(value) == by_library(value)
    assert LITERALS.write(value) == by_library(value, literals=True)


@settings(deadline=None, max_examples=50)
@given(
    args=st.lists(values, max_size=3),
    kwargs=st.none() | st.dictionaries(st.text(), values, max_size=3),
    object_id=st.text(),
)
def test_calls_are_written_as_the_library_writes_them(
    args: list[object], kwargs: dict[str, object] | None, object_id: str
) -> None:
    for one in (args, tuple(args)):
        call = (object_id, "method", one, kwargs)
        assert BASE64.write_call(*call) == by_library(call)


def nested(levels: int, kind: type) -> Any:
    value = kind()
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_as_many_levels_are_written_as_by_the_library(kind: type) -> None:
    value = nested(WRITTEN_LEVELS, kind)
    assert BASE64.write(value) == by_library(value)
    value = nested(WRITTEN_LEVELS + 1, kind)
    with pytest.raises(RecursionError):
        BASE64.write(value)
    with pytest.raises(ValueError, match="too deep"):
        by_library(value)


def test_what_contains_itself_is_refused_at_once() -> None:
    value: list[Any] = []
    value += [value] * 1000
    with pytest.raises(RecursionError):
        BASE64.write(value)
    keys: Any = ()
    for _ in range(WRITTEN_LEVELS + 1):
        keys = (keys,)
    with pytest.raises(RecursionError):
        BASE64.write({keys: 1})


def test_memory_without_a_gap_can_be_written_whatever_its_items_are() -> None:
    value = memoryview(bytes(8)).cast("H", (2, 2))
    assert BASE64.write(value) == by_library(value)
    assert LITERALS.write(value[::2]) == by_library(bytes(4), literals=True)
    with pytest.raises(BufferError):
        BASE64.write(memoryview(b"abcd")[::2])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({Colour.RED: [Colour.DATA]}, "{1:[b'x']}"),
        ({(Colour.DATA, dt.date(2024, 1, 2))}, "{(b'x','2024-01-02')}"),
        (collections.OrderedDict(a=collections.deque([1])), "{'a':[1]}"),
        ({(None, frozenset()): set()}, "{(None,()):()}"),
    ],
)
def test_objects_are_written_as_what_stands_for_them(value: object, text: str) -> None:
    assert LITERALS.write(value) == text


@pytest.mark.parametrize(
    "value",
    [
        {None},
        {frozenset({1}): 1},
        {memoryview(b"x")},
        {(math.nan,)},
        {(1, (complex(0, math.nan),)): 1},
    ],
)
def test_keys_that_nobody_could_read_are_refused(value: object) -> None:
    for writer in (BASE64, LITERALS):
        with pytest.raises(SerializeError, match="as a key or in a set"):
            writer.write(value)
    with pytest.raises(SerializeError, match="SERPENT_BYTES_REPR"):
        BASE64.write({Colour.DATA})
