from __future__ import annotations

import os
import random
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.golden import ALL_KINDS, Message, decode_all, decode_one, valid_messages
from pyro_protocol.errors import MessageTooLargeError, RemoteProtocolError
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    HEADER_SIZE,
    NO_ANNOTATIONS,
    Decoder,
    Frame,
    FrameError,
    encode_frame,
)
from pyro_protocol.wire.decoder import INFLATE_FREELY
from support.memory import least_peak

RECORDED = valid_messages()
# Cutting each message at each place is worth it for messages of each shape only.
SHAPES = [
    "wire-serpent:connect",
    "wire-json:result_stream",
    "wire-msgpack:result_compressed",
    "wire-marshal:invoke_annotated",
    "wire-ping-and-pool:ping",
]
LIMIT = 1 << 20


def new_decoder(
    max_size: int = LIMIT, max_annotations: int = 256, accepted: Any = ALL_KINDS
) -> Decoder:
    return Decoder(max_size, max_annotations, accepted)


def feed(decoder: Decoder, *pieces: bytes) -> list[Frame]:
    frames = []
    for piece in pieces:
        decoder.receive_data(piece)
        while (frame := decoder.next_frame()) is not None:
            frames.append(frame)
    return frames


def assert_is(frame: Frame, message: Message) -> None:
    assert frame.kind == message.header["type"]
    assert frame.serializer_id == message.header["serializer_id"]
    assert frame.flags == message.flags
    assert frame.sequence == message.header["seq"]
    assert frame.correlation_id == message.correlation_id
    assert bytes(frame.payload) == message.payload
    shown = {name: bytes(value) for name, value in frame.annotations.items()}
    assert shown == message.annotations


def message(payload: bytes = b"payload", **fields: Any) -> bytes:
    """One INVOKE message, with the given fields of `encode_frame`."""
    values = {"kind": 4, "serializer_id": 1, "flags": 0, "sequence": 1} | fields
    return b"".join(encode_frame(payload=payload, **values))


def with_header(data: bytes, offset: int, value: bytes) -> bytes:
    """The message with some bytes of its header replaced."""
    return data[:offset] + value + data[offset + len(value) :]


def with_chunks(chunks: bytes, payload: bytes = b"payload") -> bytes:
    """A message whose annotation part is these bytes, valid or not."""
    data = with_header(message(payload), 0x10, len(chunks).to_bytes(4, "big"))
    return data[:HEADER_SIZE] + chunks + payload


def refused(data: bytes, **limits: Any) -> FrameError:
    decoder = new_decoder(**limits)
    with pytest.raises(FrameError) as caught:
        feed(decoder, data)
    return caught.value


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_message_is_decoded(name: str) -> None:
    assert_is(decode_one(RECORDED[name].data), RECORDED[name])


@pytest.mark.parametrize("name", RECORDED)
def test_a_message_that_arrives_in_single_bytes_is_decoded_once(name: str) -> None:
    data = RECORDED[name].data

    frames = feed(
        new_decoder(), *(data[index : index + 1] for index in range(len(data)))
    )

    assert len(frames) == 1
    assert_is(frames[0], RECORDED[name])


@pytest.mark.parametrize("name", SHAPES)
def test_a_message_cut_in_two_anywhere_is_decoded_when_it_is_complete(
    name: str,
) -> None:
    data = RECORDED[name].data
    for cut in range(1, len(data)):
        decoder = new_decoder()
        assert feed(decoder, data[:cut]) == []
        (frame,) = feed(decoder, data[cut:])
        assert_is(frame, RECORDED[name])


@pytest.mark.parametrize("name", SHAPES)
def test_a_message_that_is_cut_off_anywhere_is_not_decoded(name: str) -> None:
    data = RECORDED[name].data
    for cut in range(len(data)):
        decoder = new_decoder()
        assert feed(decoder, data[:cut]) == []
        assert decoder.buffered == cut


def test_messages_that_arrive_together_are_decoded_in_order() -> None:
    recorded = list(RECORDED.values())

    frames = decode_all(b"".join(one.data for one in recorded))

    assert len(frames) == len(recorded)
    for frame, one in zip(frames, recorded, strict=True):
        assert_is(frame, one)


@given(st.data())
def test_messages_cut_at_arbitrary_places_are_decoded_to_the_same(
    data: st.DataObject,
) -> None:
    recorded = [RECORDED[name] for name in SHAPES]
    stream = b"".join(one.data for one in recorded)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))

    frames = feed(
        new_decoder(),
        *(stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)),
    )

    assert len(frames) == len(recorded)
    for frame, one in zip(frames, recorded, strict=True):
        assert_is(frame, one)


def test_empty_pieces_change_nothing() -> None:
    data = message()

    (frame,) = feed(new_decoder(), b"", data[:50], b"", data[50:], b"")

    assert frame.payload == b"payload"


def test_what_is_still_missing_is_known_before_and_after_the_header() -> None:
    decoder = new_decoder()
    data = message(bytes(1000))
    assert decoder.missing == HEADER_SIZE

    feed(decoder, data[:10])
    assert decoder.missing == HEADER_SIZE - 10
    feed(decoder, data[10:50])
    assert decoder.missing == 990
    feed(decoder, data[50:])
    assert decoder.missing == HEADER_SIZE


def test_a_large_payload_that_arrives_in_pieces_is_received_in_its_final_place() -> (
    None
):
    payload = bytes(range(256)) * 4096
    data = message(payload, annotations={"ABCD": b"note"})
    decoder = new_decoder(max_size=2 * LIMIT)
    feed(decoder, data[:70])

    position = 70
    frame = None
    while frame is None:
        space = decoder.space
        assert space is not None
        count = min(100_000, len(space))
        space[:count] = data[position : position + count]
        decoder.receive_written(count)
        position += count
        frame = decoder.next_frame()

    assert type(frame.payload) is bytes
    assert frame.payload == payload
    assert bytes(frame.annotations["ABCD"]) == b"note"
    assert decoder.space is None


def test_small_messages_offer_no_space() -> None:
    decoder = new_decoder()
    feed(decoder, message(bytes(1000))[:60])

    assert decoder.space is None
    decoder.receive_written(0)
    assert decoder.missing == 980


def test_a_message_after_a_large_one_is_decoded_however_they_are_cut() -> None:
    large = message(b"a" * 200_000)
    both = large + message(b"small")
    for cut in (50, 150_000, len(large) - 1, len(large), len(large) + 20):
        first, second = feed(new_decoder(), both[:45], both[45:cut], both[cut:])

        assert first.payload == b"a" * 200_000
        assert second.payload == b"small"


def test_what_is_missing_of_a_large_payload_is_known() -> None:
    decoder = new_decoder()
    data = message(bytes(100_000), annotations={"ABCD": b"note"})

    feed(decoder, data[:45])
    assert decoder.missing == HEADER_SIZE + 12 - 45
    feed(decoder, data[45:60])
    assert decoder.missing == 100_000 - 8
    assert decoder.buffered == HEADER_SIZE + 8
    feed(decoder, data[60:])
    assert decoder.buffered == 0


def test_annotations_are_read_only_views() -> None:
    frame = decode_one(message(annotations={"ABCD": b"data"}))

    view = frame.annotations["ABCD"]
    assert isinstance(view, memoryview)
    with pytest.raises(TypeError):
        view[0] = 1


def test_views_stay_valid_when_more_arrives() -> None:
    decoder = new_decoder()
    data = message(b"a" * 100_000, annotations={"ABCD": b"first"})
    (first,) = feed(decoder, data[:70], data[70:])

    feed(decoder, message(b"b" * 100_000, annotations={"ABCD": b"other"}))

    assert bytes(first.payload) == b"a" * 100_000
    assert bytes(first.annotations["ABCD"]) == b"first"


def test_a_message_without_annotations_shares_the_empty_ones() -> None:
    assert decode_one(message()).annotations is NO_ANNOTATIONS


def test_of_annotations_with_the_same_id_the_last_one_counts() -> None:
    chunk = b"ABCD\0\0\0\x01"

    frame = decode_one(with_chunks(chunk + b"1" + chunk + b"2"))

    assert bytes(frame.annotations["ABCD"]) == b"2"


def test_the_reserved_field_and_unknown_flags_are_ignored() -> None:
    data = with_header(message(), 0x24, b"\xff\xff")
    data = with_header(data, 0x08, b"\xff\x00")

    assert decode_one(data).flags == 0xFF00


def test_a_correlation_id_without_its_flag_does_not_count() -> None:
    data = with_header(message(), 0x14, bytes(range(16)))

    assert decode_one(data).correlation_id is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bytes(6), "invalid data"),
        (b"GET / HTTP/1.0\r\n\r\n", "invalid data"),
        (b"PYRP\x01\xf6", "invalid data"),
        (b"PYRO\x00\x30", "invalid protocol version: 48"),
        (b"PYRO\x01\xf7", "invalid protocol version: 503"),
        (with_header(message(), 0x26, b"\0\0"), "invalid message or protocol version"),
        (with_header(message(), 0x06, b"\x63"), "invalid msg type 99 received"),
        (with_header(message(), 0x06, b"\x00"), "invalid msg type 0 received"),
    ],
)
def test_what_is_not_a_message_ends_the_conversation(data: bytes, text: str) -> None:
    failure = refused(data)

    assert isinstance(failure.error, RemoteProtocolError)
    assert text in str(failure.error)
    assert failure.fatal
    assert failure.frame is None


@pytest.mark.parametrize("junk", [bytes(6), b"PYRO\x00\x30"])
def test_a_foreign_peer_is_found_out_by_its_first_six_bytes(junk: bytes) -> None:
    decoder = new_decoder()
    for index in range(5):
        assert feed(decoder, junk[index : index + 1]) == []
    with pytest.raises(FrameError):
        feed(decoder, junk[5:6])


def test_junk_after_a_message_is_found_out_too() -> None:
    decoder = new_decoder()
    decoder.receive_data(message() + b"junkjunk")

    assert decoder.next_frame() is not None
    with pytest.raises(FrameError, match="invalid data"):
        decoder.next_frame()


def test_only_the_message_types_accepted_now_are_decoded() -> None:
    failure = refused(message(), accepted=frozenset({1}))

    assert str(failure.error) == "invalid msg type 4 received (expected: 1)"


@pytest.mark.parametrize(("limit", "fits"), [(119, True), (118, False)])
def test_announced_payload_and_annotations_together_are_limited(
    limit: int, fits: bool
) -> None:
    data = message(bytes(100), annotations={"ABCD": b"elevenbytes"})
    if fits:
        assert len(decode_one(data, limit).payload) == 100
        return

    failure = refused(data[:HEADER_SIZE], max_size=limit)

    assert isinstance(failure.error, MessageTooLargeError)
    assert str(failure.error) == "message too large (119, max=118)"
    assert failure.fatal


def test_a_message_that_is_too_large_can_still_be_answered() -> None:
    data = message(sequence=77, serializer_id=3, correlation_id=bytes(range(16)))

    failure = refused(with_header(data, 0x0C, b"\xff\xff\xff\xff"))

    assert failure.frame is not None
    assert (failure.frame.kind, failure.frame.sequence) == (4, 77)
    assert failure.frame.serializer_id == 3
    assert failure.frame.correlation_id == bytes(range(16))


def resident_bytes() -> int:
    statistics = Path("/proc/self/statm")
    if not statistics.exists():
        pytest.skip("this system does not tell how much memory is in use")
    return int(statistics.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_follows_what_has_arrived_and_not_what_was_announced() -> None:
    header = with_header(message(b""), 0x0C, b"\x40\0\0\0")
    decoder = new_decoder(max_size=0xFFFFFFFF)
    before = resident_bytes()

    feed(decoder, header, bytes(1 << 20))

    assert decoder.missing == (1 << 30) - (1 << 20)
    assert resident_bytes() - before < 64 << 20


def test_a_message_there_is_no_memory_for_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(_size: int) -> bytes:
        raise MemoryError

    monkeypatch.setattr("pyro_protocol.wire.body.bytes", no_memory, raising=False)

    failure = refused(message(bytes(100_000))[:-1])

    assert isinstance(failure.error, MessageTooLargeError)
    assert failure.fatal
    assert failure.frame is not None
    assert failure.frame.sequence == 1


def test_the_size_of_all_annotations_is_limited() -> None:
    decoder = Decoder(LIMIT, 256, ALL_KINDS, max_annotations_size=100)
    with pytest.raises(FrameError) as caught:
        feed(decoder, message(annotations={"ABCD": bytes(60), "EFGH": bytes(25)}))

    assert isinstance(caught.value.error, MessageTooLargeError)
    assert "MAX_ANNOTATIONS_SIZE" in str(caught.value.error)
    assert caught.value.frame is not None

    decoder = Decoder(LIMIT, 256, ALL_KINDS, max_annotations_size=100)
    fitting = {"ABCD": bytes(60), "EFGH": bytes(24)}
    (frame,) = feed(decoder, message(annotations=fitting))
    assert len(frame.annotations) == 2


def test_a_payload_that_grows_out_of_all_proportion_is_refused() -> None:
    size = INFLATE_FREELY + 1
    data = message(bytes(size), compress=True)
    assert len(data) * 200 < size

    failure = refused(data, max_size=2 * size)

    assert isinstance(failure.error, MessageTooLargeError)
    assert "MAX_INFLATE_RATIO" in str(failure.error)
    assert not failure.fatal
    allowing = Decoder(2 * size, 256, ALL_KINDS, max_inflate_ratio=2000)
    (frame,) = feed(allowing, data)
    assert len(frame.payload) == size


def test_any_ratio_is_allowed_while_the_result_is_small() -> None:
    data = message(bytes(INFLATE_FREELY), compress=True)

    assert len(decode_one(data, 2 * INFLATE_FREELY).payload) == INFLATE_FREELY


def test_inflating_can_be_left_to_somebody_else() -> None:
    decoder = new_decoder()
    decoder.inflates = False

    (frame,) = feed(decoder, message(bytes(5000), compress=True))

    assert frame.flags & FLAG_COMPRESSED
    assert len(frame.payload) < 100
    whole = decoder.inflate(frame)
    assert whole.payload == bytes(5000)
    assert not whole.flags & FLAG_COMPRESSED
    assert decoder.inflate(whole) is whole


def test_a_large_compressed_payload_is_inflated() -> None:
    payload = random.Random(1).randbytes(200_000)
    data = message(payload, compress=True)

    (frame,) = feed(new_decoder(), data[:100], data[100:])

    assert frame.payload == payload


@pytest.mark.parametrize(("limit", "fits"), [(5000, True), (4999, False)])
def test_the_inflated_size_is_limited_too(limit: int, fits: bool) -> None:
    data = message(bytes(5000), compress=True)
    if fits:
        assert decode_one(data, limit).payload == bytes(5000)
        return

    failure = refused(data, max_size=limit)

    assert isinstance(failure.error, MessageTooLargeError)
    assert not failure.fatal


def test_annotations_leave_less_room_for_the_inflated_payload() -> None:
    data = message(bytes(5000), compress=True, annotations={"ABCD": b"1234"})

    assert isinstance(refused(data, max_size=5011).error, MessageTooLargeError)
    assert decode_one(data, 5012).payload == bytes(5000)


def test_a_zip_bomb_is_not_inflated_beyond_the_limit() -> None:
    data = message(bytes(64 << 20), compress=True)
    assert len(data) < LIMIT

    assert least_peak(lambda: refused(data)) < 4 * LIMIT


def test_a_zip_bomb_is_not_kept_twice() -> None:
    # 80 MiB allowed: what is inflated is held once, and not again to be joined.
    data = message(bytes(200 << 20), compress=True)
    ratio = (80 << 20) // len(data)
    tracemalloc.start()
    try:
        decoder = Decoder(1 << 30, 256, ALL_KINDS, max_inflate_ratio=ratio)
        with pytest.raises(FrameError):
            feed(decoder, data)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 110 << 20


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 8192, 50_000])
def test_compressed_payloads_of_any_size_are_inflated(size: int) -> None:
    payload = os.urandom(size)
    data = zlib.compress(payload)

    frame = decode_one(message(data, flags=FLAG_COMPRESSED))

    assert frame.payload == payload
    for broken in (data[:-1], data + b"x", data + bytes(5000)):
        failure = refused(message(broken, flags=FLAG_COMPRESSED))
        assert isinstance(failure.error, RemoteProtocolError)


def test_an_idle_connection_keeps_nothing_of_its_last_message() -> None:
    decoder = new_decoder()
    first, second = message(bytes(60_000)), message(bytes(50_000))
    free = sys.getrefcount(first), sys.getrefcount(second)

    feed(decoder, first)
    assert sys.getrefcount(first) == free[0]

    # Also if it did not come in one piece, or with others.
    feed(decoder, first[:100], first[100:] + first, second)
    assert (sys.getrefcount(first), sys.getrefcount(second)) == free
    assert not decoder.buffered


def test_what_is_received_can_be_taken_as_a_whole_and_dropped() -> None:
    decoder = new_decoder()
    data = message(b"first")
    decoder.receive_data(data)
    assert decoder.untouched == data

    decoder.forget()

    assert not decoder.buffered
    assert [one.payload for one in feed(decoder, message(b"second"))] == [b"second"]
    decoder.receive_data(data[:10])
    decoder.receive_data(data[10:])
    assert decoder.untouched is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no zlib stream",
        zlib.compress(b"cut off")[:-2],
        zlib.compress(b"x") + b"more",
    ],
)
def test_a_broken_compressed_payload_is_refused_and_the_next_message_decoded(
    payload: bytes,
) -> None:
    decoder = new_decoder()
    decoder.receive_data(message(payload, flags=FLAG_COMPRESSED, sequence=8))
    decoder.receive_data(message(b"next", sequence=9))

    with pytest.raises(FrameError, match="invalid compressed data") as caught:
        decoder.next_frame()

    assert not caught.value.fatal
    assert caught.value.frame is not None
    assert caught.value.frame.sequence == 8
    following = decoder.next_frame()
    assert following is not None
    assert following.sequence == 9


@pytest.mark.parametrize(
    "chunks",
    [
        b"A",
        b"ABCD\0\0\0",
        b"ABCD\0\0\0\x02x",
        b"ABCD\xff\xff\xff\xff",
        b"ABCD\0\0\0\x01xrest",
        b"\xc3\x84CD\0\0\0\x01x",
    ],
)
def test_broken_annotations_are_refused_and_the_next_message_decoded(
    chunks: bytes,
) -> None:
    decoder = new_decoder()
    decoder.receive_data(with_chunks(chunks))
    decoder.receive_data(message(b"next"))

    with pytest.raises(FrameError, match="annotation") as caught:
        decoder.next_frame()

    assert isinstance(caught.value.error, RemoteProtocolError)
    assert not caught.value.fatal
    following = decoder.next_frame()
    assert following is not None
    assert following.payload == b"next"


def test_broken_annotations_of_a_large_message_are_told_when_it_has_ended() -> None:
    data = with_header(
        message(bytes(100_000), annotations={"ABCD": b"x"}), 0x2C, b"\xff"
    )
    decoder = new_decoder()

    decoder.receive_data(data[:60])
    assert decoder.next_frame() is None
    decoder.receive_data(data[60:] + message(b"next"))
    with pytest.raises(FrameError) as caught:
        decoder.next_frame()

    assert not caught.value.fatal
    frame = decoder.next_frame()
    assert frame is not None
    assert frame.payload == b"next"


@pytest.mark.parametrize(("count", "fits"), [(16, True), (17, False)])
def test_the_number_of_annotations_is_limited(count: int, fits: bool) -> None:
    data = with_chunks(b"".join(b"A%03d\0\0\0\0" % index for index in range(count)))
    if fits:
        (frame,) = feed(new_decoder(max_annotations=16), data)
        assert len(frame.annotations) == count
    else:
        assert "more than 16 chunks" in str(refused(data, max_annotations=16).error)


def test_repeating_one_annotation_id_does_not_get_around_the_limit() -> None:
    data = with_chunks(b"ABCD\0\0\0\0" * 17)

    assert "more than 16 chunks" in str(refused(data, max_annotations=16).error)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_waited_for(junk: bytes) -> None:
    decoder = new_decoder()
    try:
        frames = feed(decoder, junk)
    except FrameError:
        return
    assert frames == []
    assert decoder.buffered == len(junk)


@given(
    name=st.sampled_from(SHAPES),
    position=st.integers(0, 10_000),
    value=st.integers(0, 255),
)
def test_a_corrupted_message_gives_frames_or_frame_errors_only(
    name: str, position: int, value: int
) -> None:
    data = bytearray(RECORDED[name].data)
    data[position % len(data)] = value
    try:
        frames = feed(new_decoder(), bytes(data))
    except FrameError:
        return
    assert len(frames) <= 1


@given(
    correlation_id=st.sampled_from([None, bytes(range(16)), bytes(16)]),
    change=st.none() | st.tuples(st.integers(0, 60), st.integers(0, 255)),
    rest=st.sampled_from([b"", b"", b"P"]),
)
def test_the_short_way_gives_what_the_long_one_does_or_nothing(
    correlation_id: bytes | None, change: tuple[int, int] | None, rest: bytes
) -> None:
    data = bytearray(message(b"payload", correlation_id=correlation_id) + rest)
    if change is not None:
        data[change[0] % len(data)] = change[1]
    decoder = new_decoder()
    frame = decoder.only_frame(bytes(data))
    assert not decoder.buffered
    if frame is not None:
        assert feed(decoder, bytes(data)) == [frame]
    elif change is None:
        assert rest


def test_a_message_in_tiny_pieces_costs_about_its_own_size() -> None:
    size = 80_000
    data = message(bytes(size))
    pieces = [data[index : index + 1] for index in range(len(data) - 1)]

    def receive() -> None:
        decoder = new_decoder()
        for piece in pieces:
            decoder.receive_data(piece)
            assert decoder.next_frame() is None
        assert decoder.buffered == len(data) - 1

    assert least_peak(receive) < 2 * size


# Frames that are alike


def plain(sequence: int, payload: bytes, flags: int = 0, kind: int = 5) -> bytes:
    return b"".join(encode_frame(kind, 2, flags, sequence, payload))


FOLLOWING = {
    "nothing": b"",
    "half a header": plain(9, b"x")[:20],
    "half a payload": plain(9, b"abcd")[:-2],
    "an exception": plain(9, b"x", FLAG_EXCEPTION),
    "another type": plain(9, b"x", kind=6),
    "another serializer": b"".join(encode_frame(5, 3, 0, 9, b"x")),
    "a correlation id": b"".join(
        encode_frame(5, 2, 0, 9, b"x", NO_ANNOTATIONS, bytes(range(16)))
    ),
    "an annotation": b"".join(encode_frame(5, 2, 0, 9, b"x", {"TEST": b"x"})),
    "a large one": plain(9, bytes(100_000)),
    "nonsense": b"x" * 50,
}


@pytest.mark.parametrize("following", FOLLOWING)
@pytest.mark.parametrize("cut", [0, 7, HEADER_SIZE, HEADER_SIZE + 2])
def test_frames_that_are_alike_are_those_that_come_one_by_one(
    following: str, cut: int
) -> None:
    data = b"".join(plain(n, b"payload"[: n % 5 + 1]) for n in range(7))
    both = new_decoder(), new_decoder()
    alike: list[list[Frame]] = []
    for decoder in both:
        # What was received may have come in two pieces.
        decoder.receive_data((data + FOLLOWING[following])[:cut])
        decoder.receive_data((data + FOLLOWING[following])[cut:])
    alike.append(both[0].frames_alike(5))
    alike.append([frame for _ in range(7) if (frame := both[1].next_frame())])
    assert alike[0] == alike[1]
    assert len(alike[0]) == 7
    rest: list[Any] = []
    for decoder in both:
        try:
            rest.append(decoder.next_frame())
        except FrameError as error:
            rest.append(str(error))
    assert rest[0] == rest[1]
    assert both[0].missing == both[1].missing
    assert both[0].buffered == both[1].buffered


def test_frames_of_another_type_are_left() -> None:
    decoder = new_decoder()
    decoder.receive_data(plain(1, b"x", kind=6) + plain(2, b"x"))
    assert decoder.frames_alike(5) == []
    assert decoder.next_frame() is not None
