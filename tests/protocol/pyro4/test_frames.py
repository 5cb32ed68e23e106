from __future__ import annotations

import contextlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.golden import ALL_KINDS, by_name
from pyro_protocol.errors import (
    LocalProtocolError,
    MessageTooLargeError,
)
from pyro_protocol.pyro4 import FLAG_METADATA, Pyro4Decoder, encode_pyro4_frame
from pyro_protocol.pyro4.signatures import HmacKey
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    Frame,
    FrameError,
    MessageType,
)

SERPENT = serializers["serpent"].id
HEADER_SIZE = 24


def new_decoder(**options: Any) -> Pyro4Decoder:
    arguments = {"max_inflate_ratio": 200, **options}
    return Pyro4Decoder(arguments.pop("max_size", 1 << 20), 256, ALL_KINDS, **arguments)


def decoded(data: bytes, **options: Any) -> Frame:
    decoder = new_decoder(**options)
    decoder.receive_data(data)
    frame = decoder.next_frame()
    assert frame is not None
    assert decoder.buffered == 0
    return frame


def encoded(*args: Any, **options: Any) -> bytes:
    return b"".join(map(bytes, encode_pyro4_frame(*args, **options)))


def failure(data: bytes, **options: Any) -> FrameError:
    with pytest.raises(FrameError) as caught:
        decoded(data, **options)
    return caught.value


def vector(name: str) -> bytes:
    return by_name("pyro4-wire")[name].data


def test_what_pyro4_has_sent_is_read() -> None:
    connect = decoded(vector("connect"))
    assert connect.kind == MessageType.CONNECT
    assert connect.serializer_id == SERPENT
    assert connect.flags == FLAG_METADATA
    assert bytes(connect.payload).endswith(b"{'handshake':'hello','object':'t'}")

    call = decoded(vector("invoke"))
    assert (call.kind, call.flags, call.sequence) == (MessageType.INVOKE, 0, 1)
    assert call.annotations == {}
    assert call.correlation_id is None


def test_the_correlation_id_is_an_annotation() -> None:
    frame = decoded(vector("invoke_corr"))

    assert frame.correlation_id == bytes(15) + b"\x07"
    assert frame.annotations == {}
    payload = frame.payload
    assert vector("invoke_corr") == encoded(
        frame.kind, SERPENT, 0, frame.sequence, payload, {}, frame.correlation_id
    )


@pytest.mark.parametrize(
    "name",
    ["connect", "connectok", "invoke", "result", "ping", "invoke_corr"],
)
def test_what_was_read_is_written_with_the_same_bytes(name: str) -> None:
    assert encoded(*decoded(vector(name))) == vector(name)


def test_the_signature_is_that_of_pyro4() -> None:
    key = HmacKey("secret")
    data = vector("ping_hmac")

    frame = decoded(data, key=key)

    assert frame.payload == b"ping"
    assert frame.annotations == {}
    assert encoded(*frame, key=key) == data


@pytest.mark.parametrize("number", [0, 42, 78, 65535])
def test_a_ping_may_name_any_serializer_and_gets_it_back(number: int) -> None:
    data = bytearray(vector("ping"))
    old = int.from_bytes(data[16:18])
    data[16:18] = number.to_bytes(2)
    checksum = int.from_bytes(data[22:24]) + number - old
    data[22:24] = (checksum & 0xFFFF).to_bytes(2)

    frame = decoded(bytes(data))

    assert encoded(*frame) == data


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("serpent", 1),
        ("json", 2),
        ("marshal", 3),
        ("pickle", 4),
        ("dill", 5),
        ("msgpack", 6),
        ("cloudpickle", 7),
    ],
)
def test_serializers_have_other_numbers(name: str, number: int) -> None:
    own = {"pickle": 79, "cloudpickle": 80, "dill": 81}
    identifier = own[name] if name in own else serializers[name].id

    data = encoded(MessageType.INVOKE, identifier, 0, 1, b"payload")

    assert int.from_bytes(data[16:18]) == number
    assert decoded(data).serializer_id == identifier


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        (FLAG_EXCEPTION, 0x01),
        (FLAG_ONEWAY, 0x04),
        (FLAG_BATCH, 0x08),
        (FLAG_METADATA, 0x10),
        (FLAG_STREAM, 0x20),
        (FLAG_KEEPSERIALIZED, 0x40),
    ],
)
def test_flags_have_other_places(own: int, theirs: int) -> None:
    data = encoded(MessageType.RESULT, SERPENT, own, 1, b"payload")

    assert int.from_bytes(data[8:10]) == theirs
    assert decoded(data).flags == own


def test_annotations_keep_their_values() -> None:
    annotations = {"AAAA": b"", "BBBB": bytearray(b"two"), "CCCC": memoryview(b"3")}

    data = encoded(MessageType.RESULT, SERPENT, 0, 1, b"x", annotations)

    assert decoded(data).annotations == {"AAAA": b"", "BBBB": b"two", "CCCC": b"3"}


def test_only_what_becomes_smaller_is_compressed() -> None:
    small, large = b"x" * 199, b"x" * 200
    arguments = (MessageType.RESULT, SERPENT, 0, 1)

    assert encoded(*arguments, small, compress=True).endswith(small)
    assert encoded(*arguments, bytes(range(256)), compress=True).endswith(
        bytes(range(256))
    )
    data = encoded(*arguments, large, compress=True)
    assert len(data) < 100
    assert decoded(data).payload == large


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(100_000_000))
    data = encoded(MessageType.INVOKE, SERPENT, 0, 1, bomb)
    header = bytearray(data[:HEADER_SIZE])
    header[9] |= FLAG_COMPRESSED
    checksum = int.from_bytes(header[22:24]) + FLAG_COMPRESSED
    header[22:24] = (checksum & 0xFFFF).to_bytes(2)

    error = failure(bytes(header) + bomb, max_size=1 << 30)

    assert isinstance(error.error, MessageTooLargeError)
    assert not error.fatal


def test_a_message_in_single_bytes_is_decoded_once() -> None:
    decoder = new_decoder()
    data = vector("invoke_corr") + vector("ping")
    frames = []
    for place in range(len(data)):
        decoder.receive_data(data[place : place + 1])
        frame = decoder.next_frame()
        if frame is not None:
            frames.append(frame.kind)
    assert frames == [MessageType.INVOKE, MessageType.PING]


def test_what_is_missing_is_known_while_a_message_arrives() -> None:
    decoder = new_decoder()
    data = vector("invoke")
    assert decoder.missing == HEADER_SIZE
    decoder.receive_data(data[:30])
    assert decoder.next_frame() is None
    assert decoder.missing == len(data) - 30


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (0, b"GET ", "protocol 48 was expected"),
        (4, b"\x01\xf6", "protocol 48 was expected"),
        (10, b"\x00\x02", "checksum"),
        (22, b"\x00\x00", "checksum"),
    ],
)
def test_a_bad_header_ends_the_connection(place: int, value: bytes, text: str) -> None:
    data = bytearray(vector("invoke"))
    data[place : place + len(value)] = value

    error = failure(bytes(data))

    assert text in str(error.error)
    assert error.fatal


def test_a_negative_size_is_refused() -> None:
    data = bytearray(vector("ping"))
    data[12:16] = b"\xff\xff\xff\xff"
    checksum = int.from_bytes(data[22:24]) - 5
    data[22:24] = (checksum & 0xFFFF).to_bytes(2)

    assert "negative" in str(failure(bytes(data)).error)


def test_a_message_beyond_the_limit_is_refused_before_it_has_arrived() -> None:
    data = encoded(MessageType.INVOKE, SERPENT, 0, 7, b"x" * 1001)

    error = failure(data[:HEADER_SIZE], max_size=1000)

    assert str(error.error) == "message too large (1001, max=1000)"
    assert error.frame is not None
    assert error.frame.sequence == 7


def test_nothing_is_sent_beyond_the_limits() -> None:
    arguments = (MessageType.RESULT, SERPENT, 0, 1)
    with pytest.raises(MessageTooLargeError, match="max=10"):
        encoded(*arguments, b"x" * 11, max_size=10)
    with pytest.raises(MessageTooLargeError, match="65535 for a Pyro4 client"):
        encoded(*arguments, b"", {"HUGE": bytes(65536)})
    with pytest.raises(LocalProtocolError, match="4 ASCII"):
        encoded(*arguments, b"", {"long name": b""})
    with pytest.raises(LocalProtocolError, match="must be bytes"):
        encoded(*arguments, b"", {"TEXT": "text"})


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (b"AB", "cut off"),
        (b"AAAA\x00\x09x", "exceeds"),
        (b"\xff\xff\xff\xff\x00\x00", "not ASCII"),
        (b"AAAA\x00\x00" * 257, "more than 256"),
    ],
)
def test_bad_annotations_are_refused(chunks: bytes, text: str) -> None:
    data = bytearray(encoded(MessageType.INVOKE, SERPENT, 0, 1, b""))
    data[18:20] = len(chunks).to_bytes(2)
    checksum = int.from_bytes(data[22:24]) + len(chunks)
    data[22:24] = (checksum & 0xFFFF).to_bytes(2)

    error = failure(bytes(data) + chunks)

    assert text in str(error.error)
    assert not error.fatal


def test_an_unknown_serializer_is_refused_in_serpent() -> None:
    error = failure(encoded(MessageType.INVOKE, 78, 0, 9, b"payload"))

    assert "unknown serializer id 78" in str(error.error)
    assert "1=serpent, 2=json, 3=marshal" in str(error.error)
    assert error.frame is not None
    assert error.frame.serializer_id == SERPENT
    assert error.frame.sequence == 9
    assert not error.fatal


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        ("key", None, "is not signed"),
        ("key", "other", "the keys differ"),
        (None, "key", "no HMAC key here"),
    ],
)
def test_a_wrong_signature_ends_the_connection(
    ours: str | None, theirs: str | None, text: str
) -> None:
    keys = [None if one is None else HmacKey(one) for one in (ours, theirs)]
    data = encoded(MessageType.INVOKE, SERPENT, 0, 1, b"payload", key=keys[1])

    error = failure(data, key=keys[0])

    assert text in str(error.error)
    assert "PYRO4_HMAC_KEY" in str(error.error)
    assert error.fatal
    assert error.frame is None


def test_the_annotations_are_signed_too() -> None:
    key = HmacKey(b"key")
    annotations = {"AAAA": b"one", "BBBB": b"two"}
    data = encoded(MessageType.INVOKE, SERPENT, 0, 1, b"x", annotations, key=key)
    assert decoded(data, key=key).annotations == annotations

    forged = data.replace(b"two", b"TWO")

    assert "keys differ" in str(failure(forged, key=key).error)


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=6))
def test_any_bytes_give_frames_or_one_error(data: bytes, cuts: list[int]) -> None:
    decoder = new_decoder(max_size=1000)
    places = sorted(cuts)
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        decoder.receive_data(data[start:end])
        try:
            while decoder.next_frame() is not None:
                pass
        except FrameError as error:
            if error.fatal:
                return


@given(
    st.sampled_from([1, 2, 3, 4, 5, 6]),
    st.sampled_from([1, 2, 3, 4, 79, 80, 81]),
    st.integers(0, 0xFFFF),
    st.binary(max_size=600),
    st.dictionaries(
        st.text("ABC", min_size=4, max_size=4), st.binary(max_size=9), max_size=3
    ),
    st.none() | st.binary(min_size=16, max_size=16),
    st.booleans(),
    st.none() | st.binary(min_size=1).map(HmacKey),
)
def test_every_frame_survives(
    kind: int,
    serializer: int,
    sequence: int,
    payload: bytes,
    annotations: dict[str, bytes],
    correlation: bytes | None,
    compress: bool,
    key: HmacKey | None,
) -> None:
    frame = Frame(
        kind, serializer, FLAG_BATCH, sequence, payload, annotations, correlation
    )
    data = encoded(*frame, compress=compress, key=key)
    assert decoded(data, key=key) == frame


@given(st.integers(0, 200), st.integers(1, 255))
def test_one_wrong_byte_is_never_more_than_one_error(place: int, change: int) -> None:
    data = bytearray(vector("connectok"))
    data[place % len(data)] ^= change
    decoder = new_decoder()
    decoder.receive_data(bytes(data))
    with contextlib.suppress(FrameError):
        decoder.next_frame()
