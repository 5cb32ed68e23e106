from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.golden import decode_one, valid_messages
from pyro_protocol.errors import LocalProtocolError, MessageTooLargeError, ProtocolError
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    HEADER_SIZE,
    NO_ANNOTATIONS,
    Frame,
    MessageType,
    encode_frame,
)

# The output of zlib differs between its versions.
PLAIN = {
    name: message
    for name, message in valid_messages().items()
    if not message.compressed
}
CORRELATION = bytes(range(1, 17))


def joined(buffers: list[bytes | bytearray | memoryview]) -> bytes:
    return b"".join(buffers)


def test_the_header_has_the_fields_of_protocol_502_in_order() -> None:
    data = joined(encode_frame(MessageType.INVOKE, 1, 0x04, 7, b"payload"))

    assert struct.unpack("!4sHBBHHII16sHH", data[:HEADER_SIZE]) == (
        b"PYRO", 502, 4, 1, 0x04, 7, 7, 0, bytes(16), 0, 0x4DC5,
    )  # fmt: skip
    assert data[HEADER_SIZE:] == b"payload"


@pytest.mark.parametrize("name", PLAIN)
def test_a_recorded_message_is_encoded_to_the_same_bytes_again(name: str) -> None:
    message = PLAIN[name]

    buffers = encode_frame(
        message.header["type"],
        message.header["serializer_id"],
        message.flags,
        message.header["seq"],
        message.payload,
        message.annotations or NO_ANNOTATIONS,
        message.correlation_id,
    )

    assert joined(buffers) == message.data


def test_a_correlation_id_is_marked_by_its_flag() -> None:
    data = joined(encode_frame(4, 1, 0, 0, b"", correlation_id=CORRELATION))

    assert int.from_bytes(data[8:10], "big") == FLAG_CORRELATION
    assert data[0x14:0x24] == CORRELATION


@pytest.mark.parametrize(("size", "compressed"), [(100, False), (101, True)])
def test_payloads_of_more_than_100_bytes_are_compressed(
    size: int, compressed: bool
) -> None:
    data = joined(encode_frame(4, 1, 0, 0, bytes(size), compress=True))

    assert bool(int.from_bytes(data[8:10], "big") & FLAG_COMPRESSED) is compressed
    assert decode_one(data).payload == bytes(size)


def test_a_payload_that_grows_by_compression_is_compressed_all_the_same() -> None:
    payload = bytes(index * 73 % 251 for index in range(101))

    data = joined(encode_frame(4, 1, 0, 0, payload, compress=True))

    assert zlib.decompress(data[HEADER_SIZE:]) == payload


def test_annotations_are_never_compressed() -> None:
    data = joined(
        encode_frame(4, 1, 0, 0, bytes(500), {"ABCD": bytes(300)}, compress=True)
    )

    assert data[HEADER_SIZE : HEADER_SIZE + 308] == b"ABCD\0\0\x01\x2c" + bytes(300)


@pytest.mark.parametrize(
    "value",
    [b"data", bytearray(b"data"), memoryview(b"data"), memoryview(b"xdatax")[1:5]],
)
def test_annotations_can_be_any_kind_of_bytes(value: bytes) -> None:
    frame = decode_one(joined(encode_frame(4, 1, 0, 0, b"p", {"ABCD": value})))

    assert {key: bytes(one) for key, one in frame.annotations.items()} == {
        "ABCD": b"data"
    }


def test_an_annotation_view_of_wider_items_is_measured_in_bytes() -> None:
    value = memoryview(b"12345678").cast("I")

    frame = decode_one(joined(encode_frame(4, 1, 0, 0, b"p", {"ABCD": value})))

    assert bytes(frame.annotations["ABCD"]) == b"12345678"


@pytest.mark.parametrize(
    "name", ["ABC", "ABCDE", "", "ÄBCD", "\u2603BCD", 1234, b"ABCD"]
)
def test_an_annotation_id_that_is_not_four_ascii_characters_is_refused(
    name: str,
) -> None:
    with pytest.raises(LocalProtocolError, match="4 ASCII characters"):
        encode_frame(4, 1, 0, 0, b"", {name: b"x"})


@pytest.mark.parametrize("value", ["text", 5, None, [1]])
def test_an_annotation_that_is_not_bytes_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(ProtocolError, match="'ABCD' must be bytes"):
        encode_frame(4, 1, 0, 0, b"", {"ABCD": value})


@pytest.mark.parametrize(("limit", "fits"), [(26, True), (25, False)])
def test_payload_and_annotations_together_must_not_exceed_the_limit(
    limit: int, fits: bool
) -> None:
    def encode() -> bytes:
        message = encode_frame(
            4, 1, 0, 0, b"ten bytes.", {"ABCD": b"8 bytes."}, max_size=limit
        )
        return joined(message)

    if fits:
        assert len(encode()) == HEADER_SIZE + limit
    else:
        with pytest.raises(
            MessageTooLargeError, match=r"message too large \(26, max=25\)"
        ):
            encode()


def test_the_limit_applies_to_what_travels_not_to_what_it_inflates_to() -> None:
    encode_frame(4, 1, 0, 0, bytes(10_000), compress=True, max_size=100)


def test_a_large_payload_is_not_copied() -> None:
    payload = bytes(1 << 20)

    buffers = encode_frame(4, 1, 0, 0, payload, {"ABCD": b"x"})

    assert len(buffers) == 2
    assert buffers[1] is payload


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_a_payload_can_be_any_kind_of_bytes(kind: type, size: int) -> None:
    frame = decode_one(joined(encode_frame(4, 1, 0, 0, kind(bytes(size)))))

    assert bytes(frame.payload) == bytes(size)


def test_the_shared_empty_annotations_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        NO_ANNOTATIONS["ABCD"] = b"x"  # type: ignore[index] # that is the point


def test_a_frame_shows_its_payload_under_the_documented_name_too() -> None:
    assert Frame(5, 1, 0, 0, b"raw").data == b"raw"


@given(
    kind=st.sampled_from(MessageType),
    serializer_id=st.integers(0, 255),
    flags=st.integers(0, 0xFFFF).map(
        lambda bits: bits & ~(FLAG_COMPRESSED | FLAG_CORRELATION)
    ),
    sequence=st.integers(0, 0xFFFF),
    payload=st.binary(max_size=300),
    annotations=st.dictionaries(
        st.text(st.characters(max_codepoint=127), min_size=4, max_size=4),
        st.binary(max_size=20),
        max_size=5,
    ),
    correlation_id=st.none() | st.binary(min_size=16, max_size=16),
    compress=st.booleans(),
)
def test_what_is_encoded_is_decoded_to_the_same(
    kind: MessageType,
    serializer_id: int,
    flags: int,
    sequence: int,
    payload: bytes,
    annotations: dict[str, bytes],
    correlation_id: bytes | None,
    compress: bool,
) -> None:
    data = joined(
        encode_frame(
            kind,
            serializer_id,
            flags,
            sequence,
            payload,
            annotations,
            correlation_id,
            compress=compress,
        )
    )

    frame = decode_one(data)

    assert frame.kind == kind
    assert frame.serializer_id == serializer_id
    assert frame.flags & ~FLAG_CORRELATION == flags
    assert frame.sequence == sequence
    assert bytes(frame.payload) == payload
    assert {
        key: bytes(value) for key, value in frame.annotations.items()
    } == annotations
    assert frame.correlation_id == correlation_id
