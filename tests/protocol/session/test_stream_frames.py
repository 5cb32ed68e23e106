from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol.errors import RemoteProtocolError
from pyro_protocol.session.stream_frames import (
    item_size,
    pack_credit,
    pack_end,
    pack_items,
    pack_number,
    pack_want,
    unpack_credit,
    unpack_end,
    unpack_items,
    unpack_number,
    unpack_want,
)
from pyro_protocol.wire import Payload, SplitPayload

UINT32 = st.integers(0, 0xFFFF_FFFF)


def whole(payload: Payload) -> bytes:
    assert not isinstance(payload, SplitPayload)
    return bytes(payload)


def test_the_layouts() -> None:
    assert pack_number(7) == bytes.fromhex("00000007")
    assert pack_credit(1, 2, 100) == bytes.fromhex("00000001 00000002 00000064")
    assert pack_want(1, 70_000) == bytes.fromhex("00000001 00011170")
    assert whole(pack_items(1, [b"\x05", b"\x06"])) == bytes.fromhex(
        "00000001 00000001 05 00000001 06"
    )
    assert whole(pack_end(1, b"\xc0")) == bytes.fromhex("00000001 c0")


@given(UINT32, UINT32, UINT32)
def test_numbers_are_read_as_they_were_written(
    number: int, items: int, size: int
) -> None:
    assert unpack_number(pack_number(number)) == number
    assert unpack_number(memoryview(pack_number(number))) == number
    assert unpack_credit(pack_credit(number, items, size)) == (number, items, size)
    assert unpack_want(pack_want(number, size)) == (number, size)


@given(UINT32, st.lists(st.binary(), min_size=1), st.booleans())
def test_items_are_read_as_they_were_written(
    number: int, items: list[bytes], viewed: bool
) -> None:
    payload = whole(pack_items(number, items))

    found, received = unpack_items(memoryview(payload) if viewed else payload)

    assert (found, [whole(one) for one in received]) == (number, items)
    assert len(payload) == 4 + sum(item_size(one) for one in items)


@given(UINT32, st.integers(0, 20), st.integers(1, 100), st.booleans())
def test_items_of_one_size_are_read_as_they_were_written(
    number: int, size: int, count: int, viewed: bool
) -> None:
    items = [bytes([place]) * size for place in range(count)]
    payload = whole(pack_items(number, items))

    found, received = unpack_items(memoryview(payload) if viewed else payload, count)

    assert (found, [whole(one) for one in received]) == (number, items)
    with pytest.raises(RemoteProtocolError, match="more of stream"):
        unpack_items(payload, count - 1)


@given(st.integers(0, 20), st.integers(20, 60), st.data())
def test_one_size_that_is_changed_is_read_as_any_other_message(
    size: int, count: int, data: st.DataObject
) -> None:
    payload = bytearray(whole(pack_items(1, [bytes(size)] * count)))
    place = data.draw(st.integers(4, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 0x40))
    found = []
    for form in (bytes(payload), memoryview(payload)):
        try:
            found.append([whole(one) for one in unpack_items(form)[1]])
        except RemoteProtocolError as error:
            found.append([str(error).encode()])
    assert found[0] == found[1]


@given(UINT32, st.binary())
def test_an_end_is_read_as_it_was_written(number: int, value: bytes) -> None:
    assert unpack_end(pack_end(number, value)) == (number, value)


def test_buffers_stay_apart() -> None:
    item = SplitPayload(b"head", [b"a" * 70_000, bytearray(70_000)])

    payload = pack_items(3, [item])
    number, (found,) = unpack_items(payload)
    end, value = unpack_end(pack_end(3, item))

    assert (number, end) == (3, 3)
    assert len(payload) == 4 + item_size(item)
    for one in (found, value):
        assert isinstance(one, SplitPayload)
        assert one.head == b"head"
        assert one.buffers is item.buffers


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0\0\1",
        b"\0\0\0\1",
        b"\0\0\0\1\0\0\0",
        b"\0\0\0\1\0\0\0\2x",
        b"\0\0\0\1\xff\xff\xff\xffx",
        b"\0\0\0\1\0\0\0\1xy",
        SplitPayload(b"\0\0\0\1", [b"x"]),
        SplitPayload(b"\0\0\0\1" + b"\0\0\0\1x" * 2, [b"x"]),
    ],
)
def test_items_that_do_not_fill_their_message_are_refused(payload: Payload) -> None:
    with pytest.raises(RemoteProtocolError):
        unpack_items(payload)


def test_no_more_items_are_taken_apart_than_were_granted() -> None:
    payload = pack_items(7, [b"x"] * 3)
    assert unpack_items(payload, 3) == unpack_items(payload)

    # What comes after them is not even looked at.
    for data in (payload, whole(pack_items(7, [b"x"] * 2)) + b"\xff" * 9):
        with pytest.raises(RemoteProtocolError, match="more of stream 7 than it was"):
            unpack_items(data, 2)
    with pytest.raises(RemoteProtocolError, match="more of stream 7 than it was"):
        unpack_items(payload, 0)


@pytest.mark.parametrize(
    "payload", [b"", b"\0\0\0", bytes(5), bytes(9), bytes(13), SplitPayload(b"", [])]
)
def test_messages_of_another_size_are_refused(payload: Payload) -> None:
    for read in (unpack_number, unpack_credit, unpack_want):
        with pytest.raises(RemoteProtocolError, match="instead of"):
            read(payload)


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", SplitPayload(b"123", [b""])])
def test_an_end_without_a_number_is_refused(payload: Payload) -> None:
    with pytest.raises(RemoteProtocolError, match="cut off"):
        unpack_end(payload)


@given(st.binary(max_size=60))
def test_whatever_arrives_is_read_or_refused(data: bytes) -> None:
    try:
        number, items = unpack_items(data)
    except RemoteProtocolError:
        return
    assert whole(pack_items(number, items)) == data
