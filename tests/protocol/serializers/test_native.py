from __future__ import annotations

import array
import enum
import math
import struct
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack import ExtType, packb

from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers import (
    register_class,
    register_class_to_dict,
    register_dict_to_class,
    unregister_class,
)
from pyro_protocol.serializers.msgpack import MODEST_ARRAY, VERIFY_FROM
from pyro_protocol.serializers.native import NativeSerializer, read_together
from pyro_protocol.serializers.native_types import FRACTION_BITS_LIMIT
from support.memory import least_peak

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE = NativeSerializer()
TEXT_CODE: Any = "u" if sys.version_info < (3, 13) else "w"

offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = st.builds(timezone, offsets) | st.builds(timezone, offsets, st.text("XYZ"))
zones |= st.sampled_from([UTC, ZoneInfo("Europe/Amsterdam"), ZoneInfo("UTC")])


class Suit(enum.Enum):
    HEARTS = "h"
    SPADES = ("s", 1)


class Marks(enum.IntFlag):
    A = 1
    B = 2
    C = 4


class Place(NamedTuple):
    row: int
    name: str


@dataclass(frozen=True)
class Card:
    suit: Suit
    value: float


@pytest.fixture(autouse=True, scope="module")
def known_classes() -> Iterator[None]:
    known = (Suit, Marks, Place, Card)
    for clazz in known:
        register_class(clazz)
    yield
    for clazz in known:
        unregister_class(clazz)


text = st.text(st.characters(exclude_categories=["Cs"]))
limited = st.integers(-(2**100), 2**100)
hashable_atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | limited
    | st.floats()
    | st.complex_numbers()
    | text
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | zones)
    | st.times(timezones=st.none() | zones)
    | st.timedeltas()
    | zones
    | st.decimals().filter(lambda one: not one.is_snan())  # has no hash
    | st.fractions()
    | st.uuids()
    | st.builds(range, limited, limited, limited.filter(bool))
    | st.builds(PurePosixPath, text)
    | st.builds(PureWindowsPath, text)
    | st.builds(Path, text)
    | st.sampled_from(Suit)
    | st.builds(Place, st.integers(), text)
    | st.builds(Card, st.sampled_from(Suit), st.floats())
    | st.integers(0, 7).map(Marks)
    | st.just(...)
)
hashables = st.recursive(
    hashable_atoms,
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner),
    max_leaves=4,
)
arrays = st.sampled_from("bBhHiIlLqQ").flatmap(
    lambda code: st.builds(array.array, st.just(code), st.lists(st.integers(0, 127)))
)
arrays |= st.builds(array.array, st.just("d"), st.lists(st.floats(allow_nan=False)))
values: st.SearchStrategy[Any] = st.recursive(
    hashables
    | st.binary().map(bytearray)
    | arrays
    | st.builds(slice, limited, st.none() | limited, st.none())
    | st.decimals(allow_nan=True)
    | st.sampled_from([Decimal("sNaN7"), Decimal("-NaN123"), Decimal("-0E-9")]),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.builds(deque, st.lists(inner), st.none() | st.integers(0, 9))
        | st.builds(slice, inner, inner, inner)
        | st.dictionaries(hashables, inner)
        | st.sets(hashables)
    ),
    max_leaves=12,
)


def arrives(value: object) -> Any:
    return NATIVE.loads(NATIVE.dumps(value))


def shape(value: Any) -> object:
    """Return what tells a value and the types in it from any other."""
    kind = type(value)
    if kind in {float, complex}:
        return kind, struct.pack("dd", value.real, value.imag)
    if kind is slice:
        value = (value.start, value.stop, value.step)
    if kind in {list, tuple, deque, slice}:
        limit = getattr(value, "maxlen", None)
        return kind, limit, [shape(item) for item in value]
    if kind in {set, frozenset}:
        return kind, sorted(repr(shape(item)) for item in value)
    if kind is dict:
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, datetime | time):
        return kind, repr(value), value.fold
    return kind, repr(value)


@settings(deadline=None, max_examples=60)
@given(value=values)
def test_every_builtin_type_stays_what_it_is(value: object) -> None:
    assert shape(arrives(value)) == shape(value)
    assert NATIVE.encode(value) == NATIVE.dumps(value)
    error = arrives(ValueError(value, [value]))
    assert type(error) is ValueError
    assert shape(error.args) == shape((value, [value]))
    data = NATIVE.dumps_call("o", "m", (value, value), {"k": value})
    object_id, method, args, kwargs = NATIVE.loads_call(data)
    assert (object_id, method) == ("o", "m")
    assert shape([*args, kwargs]) == shape([value, value, {"k": value}])


class Box:
    def __init__(self, content: object) -> None:
        self.content = content


WRAPPED: dict[str, Any] = {
    "alone": lambda one: one,
    "in a list": lambda one: [one],
    "in a tuple": lambda one: (one,),
    "in a dict": lambda one: {"k": one},
    "in all of them": lambda one: {(1, 2): [(one, {"k": one})]},
    "in a deque": lambda one: deque([one]),
    "deep down": lambda one: [[], {}, (), 1, "é" * 50, [[{"a": {"b": one}}]]],
    "in a slice": lambda one: slice(one, None),
}


@pytest.mark.parametrize("where", WRAPPED)
def test_a_bytearray_stays_one_wherever_it_is(where: str) -> None:
    wrap = WRAPPED[where]
    value = wrap(bytearray(b"xyz"))
    assert repr(arrives(value)) == repr(value)
    assert b"xyz" in NATIVE.dumps(wrap(b"xyz"))
    assert repr(arrives(wrap(b"xyz"))) == repr(wrap(b"xyz"))


def test_a_bytearray_stays_one_in_objects_and_exceptions() -> None:
    register_class_to_dict(
        Box, lambda box: {"__class__": "tests.Box", "c": box.content}
    )
    register_dict_to_class("tests.Box", lambda _, data: data["c"])
    value = arrives([Box([bytearray(b"x")]), ValueError((bytearray(b"y"),))])
    assert value[0] == [bytearray(b"x")]
    assert type(value[0][0]) is bytearray
    assert type(value[1].args[0][0]) is bytearray


def test_a_memoryview_arrives_as_bytes() -> None:
    assert arrives([memoryview(b"abc")]) == [b"abc"]
    assert arrives([memoryview(b"abcd")[::2]]) == [b"ac"]
    assert arrives({"k": (memoryview(bytearray(b"abcd"))[::-1],)}) == {"k": (b"dcba",)}


@pytest.mark.parametrize(
    "value",
    [
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        -(2**71),
        2**71 - 1,
        math.inf,
        -0.0,
        Decimal("-0E+10"),
        Decimal("sNaN"),
        time(1, 2, 3, fold=1),
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Amsterdam")),
        timezone(timedelta(hours=1, microseconds=1)),
        timezone(timedelta(hours=1), "CET"),
        array.array(TEXT_CODE, "é😀"),
        array.array("f", [1.5]),
        PurePosixPath("/a/\udcff"),
        PureWindowsPath("C:\\a"),
        Path("relative/é"),
        {"__class__": "Pyro5.core.URI", "state": 1},
        {"__class__": "__main__.Anything"},
        {None: 1, (1, (2,)): 2, frozenset({3}): 3, range(4): 4, UUID(int=5): 5},
    ],
)
def test_special_values_stay_what_they_are(value: object) -> None:
    assert shape(arrives([value])) == shape([value])


def test_a_lone_surrogate_is_refused_with_what_surrounds_it() -> None:
    for value in ("abc\ud800def", [{"k": "abc\ud800def"}], {"abc\ud800def": 1}):
        with pytest.raises(SerializeError, match=r"'abc\\ud800def' .*; send bytes"):
            NATIVE.dumps(value)


def test_an_integer_may_be_longer_than_python_prints_it() -> None:
    assert arrives([1 << 100_000, -(1 << 100_000)]) == [1 << 100_000, -(1 << 100_000)]


def test_a_path_of_the_other_system_arrives_in_its_pure_form() -> None:
    other = "W" if isinstance(Path(), PurePosixPath) else "P"
    path = NATIVE.loads(packb(ExtType(13, f"{other}a".encode())))
    assert isinstance(path, PurePath)
    assert not isinstance(path, Path)
    assert str(path) == "a"


class Point(NamedTuple):
    x: int
    y: int


class Text(str):
    __slots__ = ()


class Big(int):
    pass


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, {"a": 1}), {"a": 1}),
        (Counter("a"), {"a": 1}),
        (Text("x"), "x"),
        (Big(5), 5),
        (Big(2**70), 2**70),
    ],
)
def test_derived_classes_arrive_as_the_plain_value(
    value: object, result: object
) -> None:
    assert shape(arrives([value])) == shape([result])


class Colour(enum.Enum):
    RED = (1, bytearray(b"r"))


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


def test_a_member_of_an_enumeration_arrives_as_its_value() -> None:
    values = [Colour.RED, Level.LOW | Level.HIGH]
    assert shape(arrives(values)) == shape([(1, bytearray(b"r")), 3])


def test_a_member_of_a_registered_enumeration_arrives_as_a_member() -> None:
    register_dict_to_class(f"{__name__}.Level", lambda _, data: Level(data["value"]))
    register_dict_to_class(f"{__name__}.Colour", lambda _, data: Colour[data["name"]])
    assert arrives({Level.HIGH: Colour.RED}) == {Level.HIGH: Colour.RED}
    assert type(next(iter(arrives({Level.HIGH: 1})))) is Level


class SummerTime(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return timedelta(hours=2) if _ is not None else None

    def tzname(self, _: datetime | None) -> str:
        return "SUMMER"

    def dst(self, _: datetime | None) -> None:
        return None


def test_an_unknown_time_zone_arrives_as_its_offset() -> None:
    value = datetime(2024, 1, 2, tzinfo=SummerTime())
    result = arrives(value)
    assert result == value
    assert result.tzinfo == timezone(timedelta(hours=2))
    assert result.tzname() == "SUMMER"
    with pytest.raises(SerializeError, match="gives no offset"):
        NATIVE.dumps(time(1, tzinfo=SummerTime()))


def test_a_fraction_has_a_limit() -> None:
    value = Fraction(1 << (FRACTION_BITS_LIMIT - 1), 3)
    assert arrives(value) == value
    with pytest.raises(SerializeError, match="bits cannot travel"):
        NATIVE.dumps(Fraction(1 << FRACTION_BITS_LIMIT, 3))
    big = ExtType(3, b"\1" + bytes(FRACTION_BITS_LIMIT // 8))
    with pytest.raises(SerializeError, match="bits cannot travel"):
        NATIVE.loads(packb([ExtType(1, b"q"), big, 3]))


def mark(letter: str) -> ExtType:
    return ExtType(1, letter.encode())


@pytest.mark.parametrize(
    "value",
    [
        mark("t"),
        [1, mark("t")],
        {"a": mark("t")},
        [mark("t"), mark("t")],
        [mark("C"), {"__class__": "x", "a": mark("t")}],
        [mark("?"), 1],
        [ExtType(1, b""), 1],
        [ExtType(1, b"tt"), 1],
        [mark("s"), [1]],
        [mark("d"), "x", 1],
        [mark("d")],
        [mark("r"), 5],
        [mark("r"), 1, 2, 0],
        [mark("r"), "a", 2, 1],
        [mark("l"), 5],
        [mark("q"), 1, 0],
        [mark("q"), 1.5, 2],
        [mark("o"), 5, None],
        [mark("o"), ExtType(7, bytes(12)), 5],
        [mark("z"), 5, 6],
        [mark("z"), ExtType(8, b"\x07\xe8\x01\x01"), ExtType(11, b"UTC")],
        [mark("E"), 1],
        [mark("C"), 5],
        [mark("C"), {}],
        [mark("C"), {"__class__": "x"}, 5],
        [mark("C"), {"__class__": "x"}],
        ExtType(0, b"x"),
        ExtType(15, b"x"),
        ExtType(127, b""),
        ExtType(4, b"short"),
        ExtType(5, b"no number"),
        ExtType(6, b"short"),
        ExtType(7, b"\x7f" * 12),
        ExtType(8, b"\x00\x00\x01\x01"),
        ExtType(9, bytes(12)),
        ExtType(10, b"\x19" * 8),
        ExtType(11, b"No/Zone"),
        ExtType(11, b"../../../etc/passwd"),
        ExtType(11, b"/etc/passwd"),
        ExtType(11, b"\xff"),
        ExtType(11, b""),
        ExtType(12, b""),
        ExtType(12, b"d"),
        ExtType(12, b"d\x08123"),
        ExtType(12, b"d\x04" + bytes(8)),
        ExtType(12, b"x\x08" + bytes(8)),
        ExtType(12, b"i\x07" + bytes(7)),
        ExtType(13, b""),
        ExtType(13, b"xa"),
        ExtType(14, b"x"),
    ],
)
def test_what_is_malformed_is_refused(value: object) -> None:
    with pytest.raises(SerializeError):
        NATIVE.loads(packb(value))


def test_a_class_that_is_never_built_is_a_security_error() -> None:
    with pytest.raises(SecurityError):
        NATIVE.loads(packb([mark("C"), {"__class__": "__main__.X"}]))


def test_an_array_of_another_item_size_is_read() -> None:
    data = bytes([1, 0, 0, 0, 255, 255, 255, 255])
    assert NATIVE.loads(packb(ExtType(12, b"l\x04" + data))).tolist() == [1, -1]
    assert NATIVE.loads(packb(ExtType(12, b"L\x04" + data))).tolist() == [1, 2**32 - 1]


@pytest.mark.parametrize("stray", [0xD4, "\u0500", b"\xd4", -44])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("size", [0, VERIFY_FROM])
def test_what_begins_like_a_compound_hides_none(
    stray: object, count: int, size: int
) -> None:
    strays = [[stray] * count, "x" * size]
    for value in (strays, [*strays, (1, 2)], [(1, 2), *strays], [strays, 0xD4]):
        assert NATIVE.loads(NATIVE.dumps(value)) == value


def test_a_claim_of_many_elements_costs_no_memory() -> None:
    filler = VERIFY_FROM * b"\xc0"
    header = b"\xdd" + len(filler).to_bytes(4, "big")
    with pytest.raises(SerializeError):
        NATIVE.loads(header * 1000 + filler)


@pytest.mark.parametrize("count", [MODEST_ARRAY, MODEST_ARRAY + 1, 0xFFFF])
def test_nested_claims_cost_no_more_memory_than_a_small_message_could(
    count: int,
) -> None:
    header = b"\xdc" + count.to_bytes(2)
    data = header * 1000 + bytes(0xFFFF)

    def refuse() -> None:
        with pytest.raises(SerializeError):
            NATIVE.loads(data)

    assert least_peak(refuse) < 12_000_000


@pytest.mark.parametrize("size", [VERIFY_FROM, MODEST_ARRAY, MODEST_ARRAY + 1, 5000])
def test_arrays_and_maps_of_any_size_are_read(size: int) -> None:
    half = [number / 2 for number in range(size)]
    for value in (half, dict.fromkeys(half, "x"), [half, (1, half)], {"a": half}):
        assert arrives(value) == value


@pytest.mark.parametrize("levels", [300, 900])
def test_tuples_may_be_nested_deeply(levels: int) -> None:
    value: object = ()
    for _ in range(levels):
        value = (value,)
    result = arrives(value)
    for _ in range(levels):
        assert type(result) is tuple
        (result,) = result
    assert result == ()


def test_a_large_message_is_read_and_written() -> None:
    value = [("x" * 1000, bytes(1000), {1: (2, 3)})] * 200
    assert arrives(value) == value
    assert NATIVE.loads(memoryview(NATIVE.dumps(value))) == value


def test_a_converter_may_serialize_something_itself() -> None:
    register_class_to_dict(
        Box, lambda box: {"__class__": "tests.Box", "c": NATIVE.dumps(box.content)}
    )
    register_dict_to_class("tests.Box", lambda _, data: NATIVE.loads(data["c"]))
    assert arrives([(1, Box((2, Box((3,)))))]) == [(1, (2, (3,)))]


def test_an_error_leaves_nothing_behind() -> None:
    for _ in range(3):
        with pytest.raises(SerializeError):
            NATIVE.dumps(["x" * 100, object()])
        assert arrives([1, (2,)]) == [1, (2,)]


def test_threads_do_not_get_in_each_others_way() -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(200):
            value = (number, round_, "x" * number, [bytearray(b"y")])
            if arrives(value) != value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_format_of_a_call_is_as_described() -> None:
    data = NATIVE.dumps_call("o", "m", ((1, "x"), {2}), {"k": date(2024, 1, 2)})
    assert msgpack.unpackb(data) == [
        "o",
        "m",
        [[mark("t"), 1, "x"], [mark("s"), 2]],
        {"k": ExtType(8, b"\x07\xe8\x01\x02")},
    ]
    assert msgpack.unpackb(NATIVE.dumps_call("o", "m", (), None)) == [
        "o",
        "m",
        [],
        None,
    ]


small_values = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()
) | st.text(max_size=7)


@given(st.lists(small_values, min_size=1))
def test_small_values_are_read_together_as_each_for_itself(values: list[Any]) -> None:
    messages = [NATIVE.dumps(one) for one in values]
    found = read_together(messages)
    assert [*map(repr, found)] == [repr(NATIVE.loads(one)) for one in messages]
    assert [*map(repr, found)] == [*map(repr, values)]


@pytest.mark.parametrize(
    "other",
    [
        *("x" * 32, b"bytes", [1], {}, (1, 2), 1 << 80, date(2024, 1, 1), "x" * 300),
        Decimal(1),
    ],
)
def test_nothing_is_read_together_with_what_is_not_small(other: object) -> None:
    assert read_together([NATIVE.dumps(1), NATIVE.dumps(other)]) == []


@given(st.lists(st.binary(max_size=10), min_size=1))
def test_what_is_malformed_is_not_read_together(messages: list[bytes]) -> None:
    found = read_together(messages)
    if found:
        assert [*map(repr, found)] == [repr(NATIVE.loads(one)) for one in messages]


def test_messages_that_are_only_together_well_formed_are_not_read() -> None:
    for messages in (
        [b"\xcd\x01", b"\x02\x05"],
        [b"\xa2a", b"b\x01"],
        [b"", b"\x01\x02"],
    ):
        assert read_together(messages) == []
