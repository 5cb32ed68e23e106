from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgpack import packb

from pyro_protocol.serializers.native_packing import may_hold_bytes

# What holds the bytes that introduce bytes: as lengths, numbers, and texts.
LENGTHS = st.sampled_from([0, 1, 195, 196, 197, 198, 199, 0xC4 << 8, 0xC5C6])
LEAVES = st.one_of(
    LENGTHS,
    st.floats(),
    st.just(struct.unpack(">d", b"\xc4\xc5\xc6\xc4\xc5\xc6\xc4\xc5")[0]),
    st.text("a\u0142\u010d\u0179", max_size=20),
    LENGTHS.map(lambda length: "x" * length),
    LENGTHS.map(lambda length: [None] * length),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=30,
)
FILLING = ["filling"] * 200


@given(VALUES, VALUES, st.binary(max_size=300) | st.just(bytes(70_000)))
def test_bytes_are_never_missed(before: Any, after: Any, data: bytes) -> None:
    assert may_hold_bytes(packb([before, data, after, FILLING]))


def test_numbers_and_texts_are_not_taken_for_bytes() -> None:
    records = [
        {"number": number, "ratio": number / 7, "name": f"\u0142{number}"}
        for number in range(1000)
    ]
    data = packb(records[180:210])
    assert b"\xcc\xc4" in data
    assert not may_hold_bytes(data)


def test_what_cannot_be_told_apart_counts_as_bytes() -> None:
    assert may_hold_bytes(packb(["x" * 196, FILLING]))
    assert may_hold_bytes(packb([*[196] * 100, FILLING]))
