"""What hostile data may cost, in every serializer that reads it."""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack import ExtType, packb

from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers import (
    Serializer,
    register_dict_to_class,
    serializers,
)
from pyro_protocol.serializers.json import JsonSerializer
from pyro_protocol.serializers.limits import (
    EQUAL_HASHES_LIMIT,
    NESTING_LIMIT,
    check_depth,
    check_hashes,
)
from pyro_protocol.serializers.marshal import MarshalSerializer
from pyro_protocol.serializers.msgpack import MsgpackSerializer
from pyro_protocol.serializers.native import NativeSerializer
from pyro_protocol.serializers.serpent import SerpentSerializer
from support.memory import least_peak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The modulus of Python's hashes of numbers: its multiples all have the hash 0.
MODULUS = sys.hash_info.modulus
LARGE = 2**64 * MODULUS
SAFE = [one for one in serializers.values() if one.name != "marshal"]
KINDS: list[Callable[..., Serializer]] = [
    SerpentSerializer,
    JsonSerializer,
    MsgpackSerializer,
    NativeSerializer,
    MarshalSerializer,
]


def nested(levels: int, empty: Any = None) -> Any:
    value: Any = [] if empty is None else empty
    for _ in range(levels - 1):
        value = [value]
    return value


class TestNesting:
    @pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
    def test_it_can_be_bounded(self, kind: Callable[..., Serializer]) -> None:
        strict, usual = kind(max_nesting=7), kind()
        for inner in ([], {}, {"a": 1}, [1, "[[[[[[[[[", {"b": "]"}]):
            depth = 6 if type(inner) is list and inner else 7
            value = nested(depth, inner)
            assert strict.loads(usual.dumps(value)) == value
            deep = usual.dumps(nested(depth + 1, inner))
            with pytest.raises(SerializeError, match=r"deeper than 7 .*MAX_NESTING"):
                strict.loads(deep)

    @pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
    def test_the_bound_holds_for_calls(self, kind: Callable[..., Serializer]) -> None:
        strict = kind(max_nesting=7)
        value = nested(5)
        data = strict.dumps_call("o", "m", [value], {"k": value})
        assert strict.loads_call(data)[3] == {"k": value}
        data = strict.dumps_call("o", "m", [], {"k": nested(6)})
        with pytest.raises(SerializeError, match="deeper than 7"):
            strict.loads_call(data)

    def test_compounds_of_the_native_format_count_once(self) -> None:
        strict = NativeSerializer(max_nesting=4)
        value = ({1: (frozenset({2}), ())},)
        assert strict.loads(strict.dumps(value)) == value
        with pytest.raises(SerializeError, match="deeper than 4"):
            strict.loads(strict.dumps([value]))

    def test_serpent_has_a_bound_of_its_own(self) -> None:
        generous = SerpentSerializer(max_nesting=NESTING_LIMIT)
        with pytest.raises(SerializeError, match="deeper than 199"):
            generous.loads(b"[" * 200 + b"]" * 200)

    def test_unusual_serpent_text_is_bounded_too(self) -> None:
        strict = SerpentSerializer(max_nesting=2)
        assert strict.loads(b"[[0x1]]") == [[1]]
        with pytest.raises(SerializeError, match="deeper than 2"):
            strict.loads(b"[[[0x1]]]")

    @pytest.mark.parametrize("name", ["msgpack", "native"])
    def test_as_many_levels_are_read_as_the_library_reads(self, name: str) -> None:
        serializer = serializers[name]
        value = serializer.loads(b"\x91" * (NESTING_LIMIT - 1) + b"\x90")
        check_depth(value, NESTING_LIMIT)
        with pytest.raises(SerializeError, match="nested too deeply"):
            serializer.loads(b"\x91" * NESTING_LIMIT + b"\x90")

    @pytest.mark.parametrize(
        "text",
        ['"[[[["', '"\\"[[[["', '"\\\\",[]', '"","[[",[[]]', '"][",[[1],"["]', "{},[]"],
    )
    def test_brackets_in_the_strings_of_json_do_not_count(self, text: str) -> None:
        text = f"[{text}]"
        value = json.loads(text)
        assert JsonSerializer(max_nesting=3).loads(text.encode()) == value

    @settings(deadline=None, max_examples=60)
    @given(
        value=st.recursive(
            st.text('[]{}"\\é', max_size=5) | st.integers(0, 9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3)
            ),
            max_leaves=20,
        ),
        limit=st.integers(1, 5),
    )
    def test_json_is_bounded_as_what_it_means(self, value: Any, limit: int) -> None:
        def depth(value: Any) -> int:
            parts = value.values() if isinstance(value, dict) else value
            if isinstance(value, dict | list):
                return 1 + max(map(depth, parts), default=0)
            return 0

        data = json.dumps(value, ensure_ascii=False).encode()
        for kind in (JsonSerializer, MsgpackSerializer, NativeSerializer):
            strict = kind(max_nesting=limit)
            data = strict.dumps(value)
            if depth(value) <= limit:
                assert strict.loads(data) == value
            else:
                with pytest.raises(SerializeError, match="deeper than"):
                    strict.loads(data)

    def test_the_depth_of_a_value_that_shares_its_parts_is_found_at_once(self) -> None:
        value: Any = []
        for _ in range(100):
            value = [value, (value, value)]
        check_depth(value, 201)
        with pytest.raises(SerializeError):
            check_depth(value, 200)
        value = []
        value.append(value)
        with pytest.raises(SerializeError):
            check_depth(value, 100)

    @pytest.mark.parametrize("name", list(serializers))
    @pytest.mark.parametrize("levels", [5_000, None])
    def test_what_is_too_deep_to_be_written_is_called_so(
        self, name: str, levels: int | None
    ) -> None:
        value = nested(levels or 1)
        if levels is None:
            value.append(value)
        with pytest.raises(SerializeError, match="nested too deeply, or contains"):
            serializers[name].dumps(value)


def msgpack_map(keys: Iterable[bytes]) -> bytes:
    parts = [key + b"\xc0" for key in keys]
    return b"\xdf" + struct.pack(">I", len(parts)) + b"".join(parts)


def native_array(letter: bytes, parts: Iterable[bytes]) -> bytes:
    found = [packb(ExtType(1, letter)), *parts]
    return b"\xdd" + struct.pack(">I", len(found)) + b"".join(found)


def complex_key(number: int) -> complex:
    return complex(10**10 - sys.hash_info.imag * number, number)


NATIVE = serializers["native"]
MSGPACK = serializers["msgpack"]
COLLIDING: dict[str, Callable[[int], Any]] = {
    "integers": lambda number: LARGE + number * MODULUS,
    "complex numbers": complex_key,
    "Decimals": lambda number: Decimal(number * MODULUS),
    "Fractions": lambda number: Fraction(number * MODULUS, 7),
    "UUIDs": lambda number: UUID(int=number * MODULUS),
    "tuples": lambda number: (number * MODULUS,),
    "frozensets": lambda number: frozenset({number * MODULUS}),
    "ranges": lambda number: range(number * MODULUS, number * MODULUS + 1, MODULUS),
}


def colliding(kind: str, count: int) -> list[Any]:
    make = COLLIDING[kind]
    values = [make(number) for number in range(1, 9 * count)]
    # Small integers have no modulus, and ranges hash their length: find those alike.
    (common, _), *_ = Counter(map(hash, values)).most_common(1)
    return [one for one in values if hash(one) == common][:count]


class TestEqualHashes:
    @pytest.mark.parametrize("kind", list(COLLIDING))
    def test_there_are_values_that_were_made_for_it(self, kind: str) -> None:
        keys = colliding(kind, 300)
        assert len(keys) == len(set(keys)) == 300
        with pytest.raises(SerializeError, match="have the same hash; at most 100"):
            check_hashes(keys)

    def test_up_to_the_limit_they_are_accepted(self) -> None:
        keys = colliding("integers", EQUAL_HASHES_LIMIT + 1)
        check_hashes([*keys[1:], *range(1, 100_000)])
        with pytest.raises(SerializeError):
            check_hashes([*keys, *range(1, 100_000)])

    def test_usual_keys_are_accepted_in_any_number(self) -> None:
        check_hashes(range(-50_000, 50_000))
        check_hashes([number / 8 for number in range(50_000)])
        check_hashes([str(number) for number in range(50_000)])
        check_hashes([(number % 7, number // 7) for number in range(50_000)])
        check_hashes([*range(1000), *map(float, range(1000)), False, True])

    @pytest.mark.parametrize("kind", list(COLLIDING))
    @pytest.mark.parametrize("make", [dict.fromkeys, set, frozenset])
    def test_the_native_format_refuses_them(
        self, kind: str, make: Callable[[list[Any]], Any]
    ) -> None:
        for count in (EQUAL_HASHES_LIMIT, EQUAL_HASHES_LIMIT + 50):
            value = {"x": [make([*colliding(kind, count), "text" * 1000])]}
            data = NATIVE.dumps(value)
            if count <= EQUAL_HASHES_LIMIT:
                assert NATIVE.loads(data) == value
            else:
                with pytest.raises(SerializeError, match="same hash"):
                    NATIVE.loads(data)

    @pytest.mark.parametrize("kind", ["integers", "complex numbers", "tuples"])
    @pytest.mark.parametrize("make", [dict.fromkeys, set])
    def test_serpent_refuses_them(
        self, kind: str, make: Callable[[list[Any]], Any]
    ) -> None:
        data = repr(make(colliding(kind, 1000))).encode()
        with pytest.raises(SerializeError, match="same hash"):
            serializers["serpent"].loads(data)

    def test_serpent_refuses_them_in_an_ordered_dictionary(self) -> None:
        items = [(key, 1) for key in colliding("integers", 1000)]
        data = repr({"__class__": "collections.OrderedDict", "items": items})
        with pytest.raises(SerializeError, match="same hash"):
            serializers["serpent"].loads(data.encode())

    def test_msgpack_refuses_them(self) -> None:
        numbers = [str(key).encode() for key in colliding("integers", 1000)]
        for code, keys in (
            (0x31, numbers),
            (
                0x30,
                [
                    struct.pack("<dd", one.real, one.imag)
                    for one in map(complex_key, range(1000))
                ],
            ),
        ):
            data = msgpack_map(packb(ExtType(code, key)) for key in keys)
            with pytest.raises(SerializeError, match="same hash"):
                MSGPACK.loads(data)

    def test_many_good_keys_are_read(self) -> None:
        keys = [UUID(int=number) for number in range(1000)]
        value = {"a": dict.fromkeys(keys, 1), "b": [{"c": keys[:3]}]}
        assert NATIVE.loads(NATIVE.dumps(value)) == value
        numbers = dict.fromkeys(range(2**70, 2**70 + 1000), 1.5)
        for serializer in (NATIVE, MSGPACK):
            assert serializer.loads(serializer.dumps(numbers)) == numbers
        pairs = {(number, "x"): frozenset({number}) for number in range(1000)}
        assert NATIVE.loads(NATIVE.dumps(pairs)) == pairs

    @pytest.mark.parametrize("serializer", [NATIVE, MSGPACK], ids=lambda one: one.name)
    def test_a_key_without_a_hash_is_refused_in_large_messages_too(
        self, serializer: Serializer
    ) -> None:
        keys = [packb(number) for number in range(3000)]
        assert len(serializer.loads(msgpack_map(keys))) == 3000
        with pytest.raises(SerializeError, match="unhashable"):
            serializer.loads(msgpack_map([*keys, b"\x91\x01"]))


def of_units(name: str, unit: bytes, count: int) -> bytes:
    """Return a list of equal elements, as a message."""
    if name in {"msgpack", "native"}:
        return b"\xdd" + struct.pack(">I", count) + unit * count
    return b"[" + b",".join([unit] * count) + b"]"


UNITS: dict[str, list[bytes]] = {
    "serpent": [
        b"()", b"[]", b"{}", b"{1}", b"(1,)", b"{1:1}", b"1", b"1.5", b"None", b"''",
        b"'\\n'", b"b'\\x00'", b"(1+1j)", b"{'a':1}", b"[[]]",
        b"{'__class__':'float','value':'1'}",
    ],
    "json": [
        b"[]", b"{}", b'{"":0}', b'""', b'"\\n"', b"1", b"1.5", b"null", b"[[]]",
        b'{"__class__":"struct.error","__exception__":1,"args":[]}',
    ],
    "msgpack": [
        b"\x90", b"\x80", b"\x81\x01\x01", b"\x01", b"\xa0", b"\xc4\x00",
        packb(ExtType(0x31, b"1")), packb(ExtType(0x30, bytes(16))),
        packb({"__class__": "struct.error", "__exception__": 1, "args": []}),
    ],
    "native": [
        b"\x90", b"\x80", b"\x81\x01\x01", b"\x01", b"\xa0", b"\xc4\x00",
        *(packb([ExtType(1, letter)]) for letter in (b"t", b"s", b"f")),
        packb([ExtType(1, b"d"), None]), packb([ExtType(1, b"r"), 1, 2, 3]),
        packb([ExtType(1, b"q"), 1, 3]), packb(ExtType(3, b"1")),
        packb(ExtType(5, b"1")), packb(ExtType(12, b"b\x01")),
        packb(ExtType(13, b"pa/b")),
    ],
}  # fmt: skip
MEMORY_FACTOR = 160
"""What a value may take for each byte of its message; an empty deque takes most."""

units = pytest.mark.parametrize(
    ("name", "unit"),
    [(name, unit) for name, found in UNITS.items() for unit in found],
    ids=repr,
)


def peak_memory(load: Callable[[bytes], object], data: bytes) -> int:
    def read() -> None:
        with contextlib.suppress(SerializeError):
            load(data)

    return least_peak(read)


def steps(load: Callable[[bytes], object], data: bytes) -> int:
    """Return how many functions are called, in Python or in C, to read a message."""
    count = 0

    def profile(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        load(data)
    finally:
        sys.setprofile(None)
    return count


@units
def test_memory_is_in_proportion_to_the_message(name: str, unit: bytes) -> None:
    load = serializers[name].loads
    data = of_units(name, unit, 3_000)
    load(data)
    assert peak_memory(load, data) < MEMORY_FACTOR * len(data)


@units
def test_the_steps_are_in_proportion_to_the_message(name: str, unit: bytes) -> None:
    load = serializers[name].loads
    short, long = (of_units(name, unit, count) for count in (500, 2_000))
    load(short)
    assert steps(load, long) <= 4.2 * steps(load, short) + 50


@pytest.mark.parametrize("name", ["msgpack", "native"])
@pytest.mark.parametrize("size", [1000, 2040, 2100, 8000, 100_000])
@pytest.mark.parametrize("code", [0xDC, 0xDD, 0xDE, 0xDF])
def test_headers_that_claim_too_much_cost_next_to_nothing(
    name: str, size: int, code: int
) -> None:
    claim = size // 2 if code in {0xDE, 0xDF} else size
    width = 2 if code in {0xDC, 0xDE} else 4
    header = bytes([code]) + min(claim, 256**width - 1).to_bytes(width, "big")
    data = (header * (size // len(header)))[:size].ljust(size, b"\xc0")
    with pytest.raises(SerializeError):
        serializers[name].loads(data)
    assert peak_memory(serializers[name].loads, data) < 12_000_000


DIGITS = b"9" * 5000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("serpent", DIGITS),
        ("serpent", b"[0x1," + DIGITS + b"]"),
        ("serpent", b"(" + DIGITS + b"+1j)"),
        ("json", DIGITS),
        ("json", b"-" + DIGITS),
        ("msgpack", packb(ExtType(0x31, DIGITS))),
    ],
)
def test_numbers_in_decimal_are_limited_because_reading_them_is_quadratic(
    name: str, data: bytes
) -> None:
    with pytest.raises(SerializeError, match=r"digits|malformed"):
        serializers[name].loads(data)


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack"])
def test_numbers_with_too_many_digits_are_not_written_either(name: str) -> None:
    with pytest.raises(SerializeError, match="digits"):
        serializers[name].dumps(10**5000)


def test_a_decimal_with_a_huge_exponent_stays_small() -> None:
    data = packb(ExtType(5, b"1E+999999999999999999"))
    value = packb(ExtType(5, b"-1E-999999999999999999"))
    for one in (data, value):
        assert peak_memory(NATIVE.loads, one) < 20_000
        assert len({NATIVE.loads(one), 1, 2.5}) == 3


@pytest.mark.parametrize("text", [b"1E+1000000000000000000000", b"nonsense", b"\xff"])
def test_a_decimal_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(SerializeError):
        NATIVE.loads(packb(ExtType(5, text)))


def test_a_failure_for_want_of_memory_is_a_serialize_error_too() -> None:
    def exhaust(*_: object) -> Any:
        raise MemoryError

    register_dict_to_class("tests.Large", exhaust)
    for serializer in SAFE:
        value: Any = {"__class__": "tests.Large"}
        if serializer.name == "native":
            data = packb([ExtType(1, b"C"), value])
        else:
            data = serializer.dumps(value)
        with pytest.raises(SerializeError) as caught:
            serializer.loads(data)
        assert isinstance(caught.value.__cause__, MemoryError)


ENTRIES: list[dict[str, Any]] = [
    entry
    for entry in json.loads(
        (Path(__file__).parents[2] / "vectors" / "serializer-values.json").read_text(
            "utf-8"
        )
    )
    if entry["hex"] and entry["serializer"] != "marshal"
]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_vectors_never_get_out_as_another_error(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(ENTRIES))
    other = data.draw(st.sampled_from(ENTRIES))
    message = bytearray.fromhex(entry["hex"])
    splice = bytes.fromhex(other["hex"])
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, len(message)))
    piece = data.draw(
        st.binary(max_size=4) | st.just(splice[start:end]) | st.just(splice)
    )
    message[start:end] = piece
    for serializer in SAFE:
        for load in (serializer.loads, serializer.loads_call):
            try:
                load(bytes(message))
            except (SerializeError, SecurityError):
                continue


@pytest.mark.parametrize("serializer", SAFE[:3], ids=lambda one: one.name)
def test_truncated_vectors_never_get_out_as_another_error(
    serializer: Serializer,
) -> None:
    for entry in ENTRIES:
        if entry["serializer"] != serializer.name:
            continue
        message = bytes.fromhex(entry["hex"])
        for size in range(0, len(message), 3):
            try:
                serializer.loads(message[:size])
            except (SerializeError, SecurityError):
                continue
