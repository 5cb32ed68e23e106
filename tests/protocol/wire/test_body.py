from __future__ import annotations

import array
import gc
import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol.errors import RemoteProtocolError
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    MAX_BUFFERS,
    Decoder,
    Frame,
    FrameError,
    MessageType,
    SplitPayload,
    encode_frame,
)

KINDS = [MessageType.INVOKE]
LARGE = bytes(range(256)) * 400


def encoded(payload: SplitPayload, **options: Any) -> bytes:
    return b"".join(encode_frame(MessageType.INVOKE, 78, 0, 1, payload, **options))


def new_decoder(*, splits: bool = True) -> Decoder:
    decoder = Decoder(1 << 24, 10, KINDS)
    decoder.splits = splits
    return decoder


def decode(*pieces: bytes, decoder: Decoder | None = None) -> list[Frame]:
    decoder = decoder or new_decoder()
    frames = []
    for piece in pieces:
        decoder.receive_data(piece)
        while (frame := decoder.next_frame()) is not None:
            frames.append(frame)
    return frames


def parts_of(frame: Frame) -> tuple[bytes, list[bytes | bytearray]]:
    assert isinstance(frame.payload, SplitPayload)
    buffers = [one for one in frame.payload.buffers if not isinstance(one, memoryview)]
    return bytes(frame.payload.head), buffers


def with_table(payload: bytes, table: bytes, flags: int = 0) -> bytes:
    return b"".join(
        encode_frame(MessageType.INVOKE, 78, flags, 1, payload, {"BUFS": table})
    )


def test_the_layout_on_the_wire_is_as_documented() -> None:
    data = encoded(SplitPayload(b"head", [b"abc", bytearray(b"de")]))

    assert data[40:58] == b"BUFS" + bytes([0, 0, 0, 10]) + bytes(
        [0, 0, 0, 3, 0, 0, 0, 0, 2, 1]
    )
    assert data[58:] == b"headabcde"


@pytest.mark.parametrize("cut", [45, 60, 100, 102_460, 102_500, 250_000, 10**9])
def test_buffers_arrive_as_what_they_were_however_they_are_cut(cut: int) -> None:
    payload = SplitPayload(b"head", [LARGE, bytearray(LARGE), b"", memoryview(LARGE)])
    data = encoded(payload)

    frame, following = decode(data[:cut], data[cut:] + encoded(payload)[:])

    head, buffers = parts_of(frame)
    assert head == b"head"
    assert [type(one) for one in buffers] == [bytes, bytearray, bytes, bytes]
    assert buffers == [LARGE, LARGE, b"", LARGE]
    assert parts_of(following) == (head, buffers)


def test_buffers_are_written_as_they_are() -> None:
    data = bytearray(LARGE)

    pieces = encode_frame(
        MessageType.INVOKE, 78, 0, 1, SplitPayload(b"head", [LARGE, data])
    )

    assert pieces[1] is LARGE
    assert isinstance(pieces[2], memoryview)
    assert pieces[2].obj is data


def test_buffers_of_wider_items_are_counted_in_bytes() -> None:
    numbers = array.array("d", range(10_000))
    table = memoryview(numbers)

    (frame,) = decode(encoded(SplitPayload(b"head", [table])))

    _head, (buffer,) = parts_of(frame)
    assert buffer == numbers.tobytes()
    assert len(SplitPayload(b"head", [table])) == 80_004


def address_of(buffer: bytes | bytearray | memoryview) -> int:
    """Return where a buffer is in memory, whether it can be changed or not."""
    return int(np.frombuffer(buffer, dtype=np.uint8).ctypes.data)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_buffer_is_received_directly_into_its_object(
    kind: type[bytes | bytearray],
) -> None:
    data = encoded(SplitPayload(b"head", [kind(LARGE)]))
    decoder = new_decoder()
    decode(data[:70], decoder=decoder)
    # It is held as whoever receives holds it, until there is a frame.
    space = decoder.space
    assert space is not None
    place = address_of(space)

    size = len(space)
    space[:] = data[70:]
    decoder.receive_written(size)
    frame = decoder.next_frame()

    assert frame is not None
    _head, (buffer,) = parts_of(frame)
    assert buffer == LARGE
    assert type(buffer) is kind
    # The very memory that was written to.
    assert address_of(buffer) == place - (70 - 57)


def test_bytes_received_as_a_whole_are_the_object() -> None:
    data = encoded(SplitPayload(b"head", [LARGE, bytearray(LARGE)]))
    decoder = new_decoder()
    head_size = len(data) - 2 * len(LARGE)
    decode(data[:head_size], decoder=decoder)
    size = decoder.whole_size

    received = data[head_size : head_size + size]
    decode(received, decoder=decoder)
    after = decoder.whole_size
    (frame,) = decode(data[head_size + size :], decoder=decoder)

    assert size == len(LARGE)
    # What can be changed is received into its place.
    assert after == 0
    _head, buffers = parts_of(frame)
    assert buffers[0] is received
    assert buffers == [LARGE, LARGE]


@pytest.mark.parametrize("first", [0, 1, 50_000])
def test_less_than_a_whole_is_taken_in_as_well(first: int) -> None:
    data = encoded(SplitPayload(b"head", [LARGE]))
    decoder = new_decoder()
    head_size = len(data) - len(LARGE)
    decode(data[:head_size], decoder=decoder)

    decode(data[head_size : head_size + first], decoder=decoder)
    size = decoder.whole_size
    (frame,) = decode(data[head_size + first :], decoder=decoder)

    # The rest is received into the place that was made for the first part.
    assert size == (0 if first else len(LARGE))
    assert parts_of(frame) == (b"head", [LARGE])


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("cut", [50, 10**9])
def test_the_table_of_buffers_is_no_annotation_of_the_program(
    size: int, cut: int
) -> None:
    payload = SplitPayload(b"head", [bytes(size)])
    alone = encoded(payload)
    beside = encoded(payload, annotations={"ABCD": b"own"})

    (first,) = decode(alone[:cut], alone[cut:])
    (second,) = decode(beside[:cut], beside[cut:])

    assert first.annotations == {}
    assert second.annotations == {"ABCD": b"own"}


def test_buffers_that_stand_apart_are_not_compressed() -> None:
    data = encoded(SplitPayload(bytes(1000), [bytes(100_000)]), compress=True)

    assert len(data) > 101_000
    (frame,) = decode(data)
    assert not frame.flags & FLAG_COMPRESSED


def test_without_agreement_the_annotation_means_nothing() -> None:
    data = encoded(SplitPayload(b"head", [LARGE]))

    (frame,) = decode(data[:100], data[100:], decoder=new_decoder(splits=False))

    assert frame.payload == b"head" + LARGE
    assert "BUFS" in frame.annotations


@pytest.mark.parametrize(
    ("table", "flags", "text"),
    [
        (b"\0\0\0", 0, "cut off"),
        (struct.pack("!IB", 200_000, 0), 0, "more bytes than there are"),
        (struct.pack("!IB", 10, 2), 0, "unknown kind"),
        (struct.pack("!IB", 0, 0) * (MAX_BUFFERS + 1), 0, "buffers stand apart"),
        (struct.pack("!IB", 10, 0), FLAG_COMPRESSED, "cannot be compressed"),
    ],
)
@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("cut", [10_000, 10**9])
def test_a_wrong_table_is_refused_and_the_next_message_decoded(
    table: bytes, flags: int, text: str, size: int, cut: int
) -> None:
    data = with_table(bytes(size), table, flags) + with_table(b"next", b"")
    decoder = new_decoder()

    with pytest.raises(FrameError, match=text) as caught:
        decode(data[:cut], data[cut:], decoder=decoder)

    assert isinstance(caught.value.error, RemoteProtocolError)
    assert not caught.value.fatal
    frame = decoder.next_frame()
    assert frame is not None
    assert bytes(frame.payload) == b"next"


@given(
    sizes=st.lists(st.integers(0, 100_000), max_size=6),
    head=st.binary(max_size=100),
    cuts=st.lists(st.integers(0, 700_000), max_size=8),
)
def test_what_is_sent_apart_arrives_wherever_it_is_cut(
    sizes: list[int], head: bytes, cuts: list[int]
) -> None:
    buffers = [bytearray(LARGE[:size]) if size % 2 else LARGE[:size] for size in sizes]
    data = encoded(SplitPayload(head, buffers))
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]

    (frame,) = decode(*pieces)

    assert isinstance(frame.payload, SplitPayload)
    assert bytes(frame.payload.head) == head
    assert list(frame.payload.buffers) == buffers
    assert [*map(type, frame.payload.buffers)] == [*map(type, buffers)]
    assert bytes(frame.payload) == head + b"".join(buffers)
    assert len(frame.payload) == len(head) + sum(sizes)


@pytest.mark.parametrize("held", [False, True], ids=["let go", "held"])
@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 5_000_003])
def test_a_bytearray_that_grows_as_it_arrives_arrives_whole(
    size: int, held: bool
) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    message = encoded(SplitPayload(b"head", [bytearray(data), b"x" * 70_000]))
    decoder = new_decoder()
    position = len(message) - size - 70_000
    decoder.receive_data(message[:position])
    assert decoder.next_frame() is None
    spaces = []
    while position < len(message):
        space = decoder.space
        assert space
        if held:
            spaces.append(space)
        count = min(len(space), 300_000)
        space[:count] = message[position : position + count]
        decoder.receive_written(count)
        position += count
    frame = decoder.next_frame()
    assert frame is not None
    assert parts_of(frame) == (b"head", [bytearray(data), b"x" * 70_000])


@pytest.mark.parametrize("begun", [1, 3, 5, 6, 39, 40, 41])
def test_the_next_message_may_begin_with_the_end_of_a_large_one(begun: int) -> None:
    large = encoded(SplitPayload(b"head", [bytearray(LARGE)]))
    small = b"".join(encode_frame(MessageType.INVOKE, 78, 0, 2, b"small"))

    first, second = decode(
        large[:-10], large[-10:] + small[:begun], small[begun:-1], small[-1:]
    )

    assert parts_of(first) == (b"head", [bytearray(LARGE)])
    assert (second.sequence, second.payload) == (2, b"small")


def test_a_message_that_is_never_completed_is_given_up_in_silence() -> None:
    decoder = new_decoder()
    decode(encoded(SplitPayload(bytes(70_000), [LARGE]))[:500], decoder=decoder)
    assert decoder.space is not None
    cycle: list[object] = [decoder]
    cycle.append(cycle)

    # What goes wrong in there would be a warning, and warnings are errors.
    del decoder, cycle
    gc.collect()
