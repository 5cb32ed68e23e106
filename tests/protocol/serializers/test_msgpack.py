from __future__ import annotations

import enum
import struct
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgpack import ExtType, Timestamp, packb

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.limits import NESTING_LIMIT
from pyro_protocol.serializers.msgpack import (
    VERIFY_FROM,
    MsgpackSerializer,
    claims_little,
    verify,
)
from support.memory import least_peak

MSGPACK = MsgpackSerializer()


class Odd(enum.Enum):
    SET = frozenset({5})
    BIG = 2**70


def arrives(value: object) -> Any:
    return MSGPACK.loads(MSGPACK.dumps(value))


@pytest.mark.parametrize(
    ("value", "code", "data"),
    [
        (1 - 2.5j, 0x30, struct.pack("<dd", 1, -2.5)),
        (2**70, 0x31, b"1180591620717411303424"),
        (-(2**63) - 1, 0x31, b"-9223372036854775809"),
        (datetime(1970, 1, 2, 0, 0, 0, 500_000), 0x32, struct.pack("<d", 86400.5)),  # noqa: DTZ001 - naive
        (date(2024, 1, 2), 0x33, struct.pack("<q", 738887)),
    ],
)
@pytest.mark.usefixtures("utc")
def test_extensions_are_those_of_pyro5_in_little_endian_order(
    value: object, code: int, data: bytes
) -> None:
    assert MSGPACK.dumps(value) == packb(ExtType(code, data))
    assert arrives([value]) == [value]


def test_a_date_in_four_bytes_is_read_too() -> None:
    data = packb(ExtType(0x33, struct.pack("<i", 738887)))
    assert MSGPACK.loads(data) == date(2024, 1, 2)


def test_a_standard_timestamp_is_read() -> None:
    assert MSGPACK.loads(packb(Timestamp(5))) == Timestamp(5)


@pytest.mark.parametrize(
    "extension",
    [
        ExtType(0, b""),
        ExtType(0x34, b"1"),
        ExtType(0x30, b"short"),
        ExtType(0x31, b"1/3"),
        ExtType(0x31, b"\xff"),
        ExtType(0x32, struct.pack("<d", 1e300)),
        ExtType(0x32, struct.pack("<d", float("nan"))),
        ExtType(0x33, struct.pack("<q", -1)),
    ],
)
def test_an_extension_of_nonsense_is_refused(extension: ExtType) -> None:
    with pytest.raises(SerializeError):
        MSGPACK.loads(packb([extension]))


def test_an_aware_datetime_arrives_as_text() -> None:
    value = datetime(2024, 1, 2, tzinfo=UTC)
    assert arrives(value) == "2024-01-02T00:00:00+00:00"


def test_any_hashable_key_is_read() -> None:
    value = {5: 1, None: 2, 1.5: 3, True: 4, b"b": 5, "s": 6}
    assert arrives(value) == value
    with pytest.raises(SerializeError, match="unhashable"):
        arrives({(1, 2): 3})


def test_the_form_of_an_object_may_need_a_form_itself() -> None:
    assert arrives([Odd.SET, Odd.BIG]) == [[5], 2**70]


def test_a_claim_of_many_elements_costs_no_memory() -> None:
    filler = VERIFY_FROM * b"\xc0"
    header = b"\xdd" + len(filler).to_bytes(4, "big")
    with pytest.raises(SerializeError):
        MSGPACK.loads(header * 1000 + filler)


def test_a_usual_message_is_read_without_being_verified() -> None:
    records = [{"number": number, "half": number / 2} for number in range(1000)]
    assert claims_little(packb(records), NESTING_LIMIT)
    assert not claims_little(packb(records), NESTING_LIMIT - 1)
    assert not claims_little(packb(records * 10), NESTING_LIMIT)
    assert not claims_little(memoryview(packb(records)), NESTING_LIMIT)


def test_what_is_not_verified_can_claim_no_more_than_a_small_message() -> None:
    header = b"\xdc\xea\x60"
    data = 20 * header + bytes(60_000)
    assert claims_little(data, NESTING_LIMIT)
    assert not claims_little(header + data, NESTING_LIMIT)

    def refuse() -> None:
        with pytest.raises(SerializeError):
            MSGPACK.loads(data)

    assert least_peak(refuse) < 12_000_000


@pytest.mark.parametrize("size", [VERIFY_FROM, 10 * VERIFY_FROM])
def test_a_large_message_is_read(size: int) -> None:
    value = {"data": bytes(size), "list": list(range(size // 10))}
    assert arrives(value) == value


@pytest.mark.parametrize("data", [b"", b"\x92\x01", b"\x01\x01"])
def test_only_one_whole_value_passes_verification(data: bytes) -> None:
    verify(b"\x92\x01\x02")
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are the library's
        verify(data)
