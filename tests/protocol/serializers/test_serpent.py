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

from pyro_protocol.config import config
from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.serpent import SerpentSerializer

SERPENT = SerpentSerializer()

keys = st.text() | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.decimals()
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.dictionaries(keys, inner)
    ),
    max_leaves=15,
)


class Colour(enum.Enum):
    RED = 1


@pytest.fixture
def bytes_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SERPENT_BYTES_REPR", True)


@settings(deadline=None, max_examples=60)
@given(value=values)
def test_the_text_is_that_of_the_serpent_library(value: object) -> None:
    assert SERPENT.dumps(value) == serpent.dumps(value)


def arrives(value: object) -> Any:
    return SERPENT.loads(SERPENT.dumps(value))


def test_bytes_arrive_as_the_dictionary_of_the_serpent_library() -> None:
    for value in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert arrives([value]) == [{"data": "YWI=", "encoding": "base64"}]


def test_bytes_arrive_as_bytes_if_they_are_sent_as_literals(bytes_repr: None) -> None:
    assert arrives({"a": b"a\x00'\"\xff", b"k": [bytearray(b"x")]}) == {
        "a": b"a\x00'\"\xff",
        b"k": [b"x"],
    }


@pytest.mark.parametrize(
    "value", [{b"a": 1}, {b"a"}, {(1, b"a"): 1}, {math.nan: 1}, {complex(0, math.nan)}]
)
def test_a_key_that_no_reader_could_read_is_refused(value: object) -> None:
    with pytest.raises(SerializeError, match="as a key or in a set"):
        SERPENT.dumps([value])


@pytest.mark.parametrize("value", [{None: 1}, {frozenset({1}): 1}, {frozenset({1})}])
def test_a_key_that_the_library_does_not_write_is_refused(value: object) -> None:
    with pytest.raises(SerializeError, match="cannot serialize"):
        SERPENT.dumps([value])


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({Colour.RED: {Colour.RED}}, {1: {1}}),
        ({dt.date(2024, 1, 2): 1}, {"2024-01-02": 1}),
        (collections.OrderedDict(a=[collections.deque([1])]), {"a": [[1]]}),
        ([set(), frozenset()], [(), ()]),
        (complex(math.inf, 1), complex(math.inf, 1)),
    ],
)
def test_derived_and_foreign_types_arrive_as_plain_ones(
    value: object, result: object
) -> None:
    assert repr(arrives(value)) == repr(result)


def test_numbers_that_are_none_arrive_as_such() -> None:
    real, both = arrives([math.nan, complex(1, math.nan)])
    assert math.isnan(real)
    assert both.real == 1
    assert math.isnan(both.imag)


def test_text_is_read_with_any_comment_line_or_none() -> None:
    assert SERPENT.loads(b"[1]") == [1]
    assert SERPENT.loads(b"# serpent utf-8 python2.6\n[1]") == [1]


@pytest.mark.parametrize("data", [b"#", b"# serpent", b"'\xff'", b"\xef\xbb\xbf1"])
def test_malformed_text_is_refused(data: bytes) -> None:
    with pytest.raises(SerializeError):
        SERPENT.loads(data)


def test_the_class_registry_of_the_library_is_left_alone() -> None:
    before = list(serpent._special_classes_registry)
    SERPENT.dumps([Colour.RED, collections.OrderedDict(), ValueError()])
    assert list(serpent._special_classes_registry) == before
