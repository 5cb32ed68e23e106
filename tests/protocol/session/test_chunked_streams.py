"""Streams in chunks, in all the directions in which there can be one."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.conversation import Pair
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.errors import (
    LocalProtocolError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.references import StreamState, connection_references
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    UNBOUNDED,
    ClientSession,
    ServerSession,
    SessionSettings,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
    read_end,
    read_reply,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.session.producing import CHUNK_SIZE, MAX_QUEUED
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_ONEWAY,
    Frame,
    MessageType,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import Signal

Session = ClientSession | ServerSession

NATIVE, SERPENT, JSON = (serializers[name] for name in ("native", "serpent", "json"))
LARGE = 70_000
"""Bytes of a buffer that stands apart."""

DIRECTIONS = ("result", "argument", "callback result", "callback argument")
in_every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


class References:
    """Opens and accepts the streams among the arguments of calls, as a driver does."""

    def __init__(self, session: Session, serializer: Serializer = NATIVE) -> None:
        self.session = session
        self.serializer = serializer
        self.opened: list[int] = []
        self.accepted: list[int] = []

    def encode(self, obj: object) -> StreamState | None:
        if not isinstance(obj, GeneratorType):
            return None
        self.opened.append(self.session.open_stream(self.serializer))
        return StreamState(self.opened[-1])

    def decode(self, state: Any) -> object:
        self.session.accept_stream(state.number, self.serializer.id)
        self.accepted.append(state.number)
        return state

    @contextmanager
    def asked(self) -> Iterator[None]:
        token = connection_references.set(self)
        try:
            yield
        finally:
            connection_references.reset(token)


def numbers() -> Iterator[int]:
    yield 1


class Flow:
    """A connection, and in it the direction in which streams go.

    Args:
        direction: one of ``DIRECTIONS``.
        producing: the settings of the end that produces.
        consuming: the settings of the end that consumes.
        serializer: what is spoken.
    """

    def __init__(
        self,
        direction: str = "result",
        *,
        producing: SessionSettings | None = None,
        consuming: SessionSettings | None = None,
        serializer: Serializer = NATIVE,
    ) -> None:
        self.serializer = serializer
        self.from_server = direction in {"result", "callback argument"}
        self.as_result = direction.endswith("result")
        server, client = (
            (producing, consuming) if self.from_server else (consuming, producing)
        )
        self.pair = Pair(server_settings=server, client_settings=client)
        ends: tuple[Session, Session] = (self.pair.server, self.pair.client)
        self.producer, self.consumer = ends if self.from_server else ends[::-1]

    def carry(self, sender: Session, piece: int = 0) -> list[Any]:
        """Carry what one end has to send; return the events at the other."""
        if sender is self.pair.server:
            return self.pair.to_client(piece)
        return self.pair.to_server(piece)

    def at_consumer(self, piece: int = 0) -> list[Signal]:
        """Carry what the producer has to send; return the consumer's signals."""
        assert self.carry(self.producer, piece) == []
        return self.consumer.signals_received()

    def at_producer(self, piece: int = 0) -> list[Signal]:
        """Carry what the consumer has to send; return the producer's signals."""
        assert self.carry(self.consumer, piece) == []
        return self.producer.signals_received()

    def call(self, caller: Session, *args: object) -> Frame:
        """Make a call, and return it as it arrives."""
        caller.send_call(self.serializer, "thing", "use", args, {})
        (request,) = self.carry(caller)
        assert isinstance(request, Frame)
        return request

    def open(self) -> int:
        """Open a stream that both ends know, without credit."""
        return self.open_result() if self.as_result else self.open_argument()

    def open_result(self) -> int:
        request = self.call(self.consumer)
        number = self.producer.open_stream(self.serializer)
        self.producer.send_result(request, StreamStarted(f"s{number}", number))
        (answer,) = self.carry(self.producer)
        assert self.consumer.stream_number(answer) == number
        return number

    def open_argument(self) -> int:
        request, (number,) = self.call_with(numbers())
        accepting = References(self.consumer, self.serializer)
        with accepting.asked():
            (state,) = self.consumer.read_call(request).args
        assert state == StreamState(number)
        self.consumer.send_result(request, None)
        assert len(self.carry(self.consumer)) == 1
        assert self.producer.signals_received() == [StreamCredited(number)]
        return number

    def call_with(self, *args: object) -> tuple[Frame, list[int]]:
        """Make a call with generators as arguments; return it and their numbers."""
        opening = References(self.producer, self.serializer)
        with opening.asked():
            sequence = self.producer.send_call(
                self.serializer, "thing", "use", args, {}
            )
        self.producer.attach_streams(sequence, opening.opened)
        (request,) = self.carry(self.producer)
        return request, opening.opened

    def granted(self, items: int = UNBOUNDED, size: int = UNBOUNDED) -> int:
        """Open a stream with credit."""
        number = self.open()
        assert self.consumer.grant(number, items, size)
        assert self.at_producer() == [StreamCredited(number)]
        return number

    def values(self, signals: Sequence[Signal]) -> list[Any]:
        """Return the items among signals, which must be nothing else."""
        found = []
        for signal in signals:
            assert isinstance(signal, StreamItems)
            found += [self.serializer.loads(item) for item in signal.items]
        return found


def message(kind: int, payload: bytes, serializer_id: int = 0, flags: int = 0) -> bytes:
    return b"".join(encode_frame(kind, serializer_id, flags, 0, payload))


def packed(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}I", *values)


def items(number: int, *encoded: bytes) -> bytes:
    parts = [packed(len(one)) + one for one in encoded]
    return message(MessageType.ITEMS, packed(number) + b"".join(parts), NATIVE.id)


def end(number: int) -> bytes:
    return message(MessageType.END, packed(number) + b"\xc0", NATIVE.id)


def credit(number: int, more: int, size: int) -> bytes:
    return message(MessageType.CREDIT, packed(number, more, size))


def close(number: int) -> bytes:
    return message(MessageType.CLOSE, packed(number))


def want(number: int, size: int) -> bytes:
    return message(MessageType.WANT, packed(number, size))


def breaks(session: Session, data: bytes, reason: str) -> None:
    """Check that some bytes end a connection, for a reason."""
    if isinstance(session, ClientSession):
        with pytest.raises(ProtocolError, match=reason):
            session.receive_data(data)
        assert session.state is ClientState.CLOSED
        with pytest.raises(LocalProtocolError, match="not open"):
            session.send_call(NATIVE, "thing", "add", (), {})
    else:
        session.receive_data(data)
        assert session.closing
        assert reason in str(session.error)
        assert session.events_received() == []


def survives(session: Session, data: bytes) -> list[Signal]:
    """Give a session bytes that it must take; return its signals."""
    session.receive_data(data)
    assert session.events_received() == []
    if isinstance(session, ServerSession):
        assert not session.closing
    return session.signals_received()


class TestOnTheWire:
    """What is sent, byte by byte."""

    @staticmethod
    def sent(session: Session) -> str:
        return b"".join(session.data_to_send()).hex()

    @staticmethod
    def written(kind: str, payload: str, flags: str = "0000") -> str:
        size = len(bytes.fromhex(payload))
        header = (
            f"5059524f 01f6 {kind} {flags} 0000 {size:08x} 00000000"
            "00000000000000000000000000000000 0000 4dc5"
        )
        return bytes.fromhex(header + payload).hex()

    @in_every_direction
    def test_an_exchange(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.open()
        assert number == 1

        flow.consumer.grant(1, 2, 100)
        asked = self.sent(flow.consumer)
        assert asked == self.written("0a 00", "00000001 00000002 00000064")
        flow.producer.receive_data(bytes.fromhex(asked))

        flow.producer.send_item(1, 5)
        flow.producer.send_item(1, 6)
        flow.producer.end_stream(1)
        assert self.sent(flow.producer) == (
            self.written("08 4e", "00000001 00000001 05 00000001 06")
            + self.written("09 4e", "00000001 c0")
        )

    @in_every_direction
    def test_wanting_and_closing(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(1, 10)
        flow.producer.send_item(number, "a" * 20)
        assert self.sent(flow.producer) == self.written("0c 00", "00000001 00000019")
        assert self.sent(flow.producer) == ""

        flow.consumer.close_stream(number)
        assert self.sent(flow.consumer) == self.written("0b 00", "00000001")

    @in_every_direction
    def test_a_failure(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted()
        error = KeyError("gone")
        flow.producer.fail_stream(number, error)
        payload = "00000001" + NATIVE.dumps(error).hex()
        assert self.sent(flow.producer) == self.written("09 4e", payload, "0001")

    @in_every_direction
    def test_an_item_whose_buffer_stands_apart(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted()
        flow.producer.send_item(number, bytearray(b"x" * LARGE))

        data = b"".join(flow.producer.data_to_send())

        table = "42554653 00000005 00011170 01"
        head = "00000001 00000006 d60f00000000"
        size = len(bytes.fromhex(head)) + LARGE
        assert data == (
            bytes.fromhex(
                f"5059524f 01f6 08 4e 0000 0000 {size:08x} 0000000d"
                f"00000000000000000000000000000000 0000 4dc5 {table} {head}"
            )
            + b"x" * LARGE
        )

    def test_a_result_tells_of_its_stream(self) -> None:
        flow = Flow("result")
        request = flow.call(flow.consumer)
        number = flow.producer.open_stream(NATIVE)
        flow.producer.send_result(request, StreamStarted("s1", number))

        data = b"".join(flow.producer.data_to_send())

        assert data[6:12] == bytes.fromhex("05 4e 0011 0001")
        assert data[40:62] == b"STRM\0\0\0\2s1CHNK\0\0\0\4\0\0\0\1"

    def test_taking_an_argument_up_is_told_before_the_answer(self) -> None:
        flow = Flow("argument")
        request, _numbers = flow.call_with(numbers())
        with References(flow.consumer).asked():
            flow.consumer.read_call(request)
        flow.consumer.send_result(request, None)

        data = self.sent(flow.consumer)

        shown = self.written("0a 00", "00000001 00000000 00000000")
        assert data.startswith(shown)
        assert data[len(shown) :].startswith("5059524f01f605")


class TestItems:
    @in_every_direction
    @pytest.mark.parametrize("piece", [0, 1, 7, 1000])
    def test_they_arrive_complete_and_in_order(
        self, direction: str, piece: int
    ) -> None:
        flow = Flow(direction)
        number = flow.open()
        flow.consumer.grant(number, 10, UNBOUNDED)
        assert flow.at_producer(piece) == [StreamCredited(number)]
        values = [1, None, "two", [3, {"four": 5}], b"x" * 200, bytearray(b"y" * LARGE)]
        for value in values:
            assert flow.producer.send_item(number, value)
        flow.producer.end_stream(number, {"six": 7})

        *received, ended = flow.at_consumer(piece)

        assert flow.values(received) == values
        assert isinstance(ended, StreamEnded)
        assert (ended.number, ended.failed) == (number, False)
        assert read_end(ended, NATIVE) == {"six": 7}

    @pytest.mark.parametrize("name", ["serpent", "json", "msgpack"])
    def test_they_are_in_the_serializer_of_the_call(self, name: str) -> None:
        flow = Flow("result", serializer=serializers[name])
        number = flow.granted()
        # Only the native format lets buffers stand apart.
        values = ["text", [1, 2], "x" * LARGE]
        for value in values:
            flow.producer.send_item(number, value)
        flow.producer.end_stream(number, "final")

        *received, ended = flow.at_consumer()

        assert flow.values(received) == values
        assert isinstance(ended, StreamEnded)
        assert read_end(ended, flow.serializer) == "final"

    @in_every_direction
    def test_what_was_joined_keeps_to_the_largest_message(self, direction: str) -> None:
        flow = Flow(direction, producing=SessionSettings(max_message_size=1000))
        number = flow.granted()
        values = [f"{index}" * 300 for index in range(10)]
        for value in values:
            flow.producer.send_item(number, value)
        flow.producer.end_stream(number)

        *received, ended = flow.at_consumer()

        assert flow.values(received) == values
        assert isinstance(ended, StreamEnded)
        assert [len(one.items) for one in received if isinstance(one, StreamItems)] == [
            3, 3, 3, 1,
        ]  # fmt: skip

    @pytest.mark.parametrize("size", range(975, 985))
    def test_one_is_refused_or_fits_into_a_message(self, size: int) -> None:
        limited = SessionSettings(max_message_size=1000)
        flow = Flow(producing=limited, consuming=limited)
        number = flow.granted()
        try:
            flow.producer.send_item(number, "x" * size)
        except MessageTooLargeError as error:
            assert "max=1000" in str(error)  # noqa: PT017 - either outcome is right
            assert flow.at_consumer() == []
        else:
            assert flow.values(flow.at_consumer()) == ["x" * size]
        flow.producer.send_item(number, "the stream goes on")
        assert flow.values(flow.at_consumer()) == ["the stream goes on"]

    @pytest.mark.parametrize("over", range(-3, 4))
    def test_so_does_one_whose_buffers_stand_apart(self, over: int) -> None:
        two = [b"x" * LARGE, bytearray(LARGE)]
        # Number, length and buffers of the item, and the table of the buffers.
        head = NATIVE.encode(two).head  # type: ignore[union-attr] # it is split
        size = 4 + 4 + len(head) + 2 * LARGE + 8 + 2 * 5
        limited = SessionSettings(max_message_size=size + over)
        flow = Flow(producing=limited, consuming=limited)
        number = flow.granted()
        if over < 0:
            with pytest.raises(MessageTooLargeError):
                flow.producer.send_item(number, two)
        else:
            flow.producer.send_item(number, two)
            assert flow.values(flow.at_consumer()) == [two]

    @in_every_direction
    def test_a_buffer_that_is_filled_again_arrives_as_it_was(
        self, direction: str
    ) -> None:
        flow = Flow(direction)
        number = flow.granted(10, 1)
        buffer = bytearray(LARGE)

        def blocks() -> Iterator[object]:
            for index, make in enumerate((bytearray, memoryview, bytearray)):
                buffer[:] = bytes([index]) * LARGE
                yield buffer if make is bytearray else memoryview(buffer).toreadonly()
                buffer[:] = b"?" * LARGE

        received: list[Any] = []
        for block in blocks():
            assert flow.producer.can_produce(number)
            flow.producer.send_item(number, block)
            (wants,) = flow.at_consumer()
            assert isinstance(wants, StreamWants)
            # Only when it is left is the generator's buffer changed.
            buffer[:] = b"!" * LARGE
            flow.consumer.grant(number, 0, wants.missing)
            flow.at_producer()
            received += flow.values(flow.at_consumer())
            flow.consumer.grant(number, 0, 1)
            flow.at_producer()
        assert received == [bytes([index]) * LARGE for index in range(3)]
        assert [type(one) for one in received] == [bytearray, bytes, bytearray]

    def test_a_buffer_that_becomes_longer_does_not_use_more_credit(self) -> None:
        flow = Flow()
        number = flow.granted(1, LARGE + 20)
        buffer = bytearray(LARGE)
        flow.producer.send_item(number, buffer)
        buffer.extend(bytes(1000))

        assert flow.values(flow.at_consumer()) == [bytes(LARGE)]

    def test_immutable_buffers_are_not_copied(self) -> None:
        flow = Flow()
        number = flow.granted()
        block = bytes(LARGE)
        flow.producer.send_item(number, block)

        assert any(part is block for part in flow.producer.data_to_send())

    @in_every_direction
    def test_one_that_cannot_be_encoded_leaves_the_stream_as_it_was(
        self, direction: str
    ) -> None:
        flow = Flow(direction)
        number = flow.granted(2)
        with pytest.raises(SerializeError):
            flow.producer.send_item(number, object())

        flow.producer.send_item(number, 1)
        flow.producer.send_item(number, 2)
        assert flow.values(flow.at_consumer()) == [1, 2]

    def test_what_waits_is_bounded_in_every_stream(self) -> None:
        flow = Flow()
        streams = [flow.granted() for _ in range(3)]
        for number in streams:
            for _ in range(MAX_QUEUED // 100_000 + 1):
                assert flow.producer.can_produce(number)
                flow.producer.send_item(number, "x" * 100_000)
            assert not flow.producer.can_produce(number)
            with pytest.raises(LocalProtocolError, match="no room"):
                flow.producer.send_item(number, 1)

        assert sum(map(len, flow.producer.data_to_send())) < 4 * MAX_QUEUED

    def test_a_stream_with_much_to_send_does_not_keep_others_waiting(self) -> None:
        flow = Flow()
        large, small = flow.granted(), flow.granted()
        for _ in range(5):
            flow.producer.send_item(large, "x" * (CHUNK_SIZE // 2))
        flow.producer.send_item(small, "here")

        received = flow.at_consumer()

        assert {one.number for one in received if isinstance(one, StreamItems)} == {
            large,
            small,
        }
        assert flow.values(received)[-1] == "here"


class TestErrors:
    """Whatever breaks the protocol ends the connection, and no other."""

    @in_every_direction
    @pytest.mark.parametrize(
        ("granted", "data"),
        [
            ((0, 0), items(1, b"\x05")),
            ((0, UNBOUNDED), items(1, b"\x05")),
            ((UNBOUNDED, 0), items(1, b"\x05")),
            ((1, 100), items(1, b"\x05", b"\x06")),
            ((5, 9), items(1, b"\x05", b"\x06")),
            ((5, 9), items(1, b"\x05") + items(1, b"\x06")),
            ((1, 100), items(1, b"\x05") + items(1, b"\x06")),
            ((5, 3), items(1, b"")),
            # Not taken apart to find out: the rest of the message is malformed.
            ((0, UNBOUNDED), message(MessageType.ITEMS, packed(1) + b"?", NATIVE.id)),
            ((5, 3), message(MessageType.ITEMS, packed(1) + b"????", NATIVE.id)),
        ],
    )
    def test_more_than_was_granted(
        self, direction: str, granted: tuple[int, int], data: bytes
    ) -> None:
        flow, other = Flow(direction), Flow(direction)
        flow.consumer.grant(flow.open(), *granted)
        number = other.granted(1)

        breaks(flow.consumer, data, "more of stream 1 than it was granted")

        other.producer.send_item(number, "untouched")
        assert other.values(other.at_consumer()) == ["untouched"]

    @in_every_direction
    def test_what_was_granted_exactly_is_taken(self, direction: str) -> None:
        flow = Flow(direction)
        flow.consumer.grant(flow.open(), 2, 10)

        (signal,) = survives(flow.consumer, items(1, b"\x05", b"\x06"))

        assert flow.values([signal]) == [5, 6]

    @in_every_direction
    def test_buffers_that_stand_apart_need_credit(self, direction: str) -> None:
        flow = Flow(direction)
        flow.consumer.grant(flow.open(), 1, 4 + 6 + LARGE - 1)
        other = Flow(direction)
        other.granted()
        other.producer.send_item(1, b"x" * LARGE)

        data = b"".join(other.producer.data_to_send())

        breaks(flow.consumer, data, "more of stream 1 than it was granted")

    @in_every_direction
    @pytest.mark.parametrize(
        ("kind", "payload", "reason"),
        [
            (MessageType.ITEMS, b"", "cut off"),
            (MessageType.ITEMS, packed(1), "0 items"),
            (MessageType.ITEMS, packed(1) + b"\0", "cut off"),
            (MessageType.ITEMS, packed(1, 2) + b"x", "cut off"),
            (MessageType.ITEMS, packed(1, 1) + b"xy", "cut off"),
            (MessageType.END, b"\0\0\1", "cut off"),
            (MessageType.WANT, packed(1), "4 bytes instead of 8"),
            (MessageType.WANT, packed(1, 1, 1), "12 bytes instead of 8"),
        ],
    )
    def test_malformed_messages_of_a_producer(
        self, direction: str, kind: int, payload: bytes, reason: str
    ) -> None:
        flow = Flow(direction)
        flow.granted()

        breaks(flow.consumer, message(kind, payload, NATIVE.id), reason)

    @in_every_direction
    @pytest.mark.parametrize(
        ("kind", "payload", "reason"),
        [
            (MessageType.CREDIT, b"", "0 bytes instead of 12"),
            (MessageType.CREDIT, packed(1, 1), "8 bytes instead of 12"),
            (MessageType.CREDIT, packed(1, 1, 1, 1), "16 bytes instead of 12"),
            (MessageType.CLOSE, b"", "0 bytes instead of 4"),
            (MessageType.CLOSE, packed(1, 1), "8 bytes instead of 4"),
        ],
    )
    def test_malformed_messages_of_a_consumer(
        self, direction: str, kind: int, payload: bytes, reason: str
    ) -> None:
        flow = Flow(direction)
        flow.granted()

        breaks(flow.producer, message(kind, payload), reason)

    @in_every_direction
    @pytest.mark.parametrize("number", [0, 2, 0xFFFF_FFFF])
    def test_streams_that_are_not_open(self, direction: str, number: int) -> None:
        for data in (items(number, b"\x05"), end(number), want(number, 5)):
            flow = Flow(direction)
            flow.granted()
            breaks(flow.consumer, data, f"stream {number} is not open")
        for data in (credit(number, 1, 1), close(number)):
            flow = Flow(direction)
            flow.granted()
            breaks(flow.producer, data, f"stream {number}, which was never opened")

    @in_every_direction
    def test_streams_that_have_ended(self, direction: str) -> None:
        for data in (items(1, b"\x05"), end(1), want(1, 5)):
            flow = Flow(direction)
            flow.granted()
            assert len(survives(flow.consumer, end(1))) == 1
            breaks(flow.consumer, data, "stream 1 is not open")

    @in_every_direction
    def test_the_directions_have_numbers_of_their_own(self, direction: str) -> None:
        flow = Flow(direction)
        flow.granted()

        breaks(flow.producer, items(1, b"\x05"), "stream 1 is not open")

        flow = Flow(direction)
        flow.granted()
        breaks(flow.consumer, credit(1, 1, 1), "stream 1, which was never opened")

    @in_every_direction
    def test_another_serializer(self, direction: str) -> None:
        for kind in (MessageType.ITEMS, MessageType.END):
            flow = Flow(direction)
            flow.granted()
            data = message(kind, packed(1, 1) + b"\x05", SERPENT.id)
            breaks(flow.consumer, data, "has changed its serializer from 78 to 1")

    @in_every_direction
    def test_data_that_cannot_be_inflated(self, direction: str) -> None:
        flow = Flow(direction)
        flow.granted()
        data = message(MessageType.ITEMS, b"not zlib", NATIVE.id, FLAG_COMPRESSED)

        breaks(flow.consumer, data, "invalid compressed data")

    @pytest.mark.parametrize("kind", range(8, 13))
    @pytest.mark.parametrize("client", [True, False])
    def test_without_the_capability_there_are_no_such_messages(
        self, kind: int, client: bool
    ) -> None:
        pair = Pair(["native", "multiplex", "cancel", "callbacks"])
        session = pair.client if client else pair.server

        breaks(session, message(kind, packed(1, 1)), f"invalid msg type {kind}")

    @pytest.mark.parametrize("serializer", [NATIVE, JSON])
    def test_an_item_that_cannot_be_read_fails_alone(
        self, serializer: Serializer
    ) -> None:
        flow = Flow(serializer=serializer)
        number = flow.granted()
        good = serializer.dumps("good")
        payload = b"".join(packed(len(one)) + one for one in (b"\xc1", good))
        data = message(MessageType.ITEMS, packed(number) + payload, serializer.id)

        (signal,) = survives(flow.consumer, data)

        assert isinstance(signal, StreamItems)
        with pytest.raises(SerializeError):
            serializer.loads(signal.items[0])
        assert serializer.loads(signal.items[1]) == "good"

    def test_buffers_apart_in_another_format_concern_their_item_alone(self) -> None:
        flow = Flow(serializer=SERPENT)
        number = flow.granted()
        payload = packed(number, 1) + b"1" + b"buffer"
        table = {"BUFS": packed(6) + b"\0"}
        frame = encode_frame(MessageType.ITEMS, SERPENT.id, 0, 0, payload, table)

        (signal,) = survives(flow.consumer, b"".join(frame))

        assert isinstance(signal, StreamItems)
        with pytest.raises(SerializeError):
            SERPENT.loads(signal.items[0])


class TestMessagesThatCross:
    @in_every_direction
    def test_closing_crosses_items_and_the_end(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(5)
        flow.producer.send_item(number, 1)
        flow.producer.end_stream(number)
        flow.consumer.close_stream(number)

        assert flow.at_consumer() == []
        assert flow.at_producer() == []
        assert flow.producer.data_to_send() == []
        assert flow.consumer.data_to_send() == []

    @in_every_direction
    def test_closing_crosses_a_want(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(5, 5)
        flow.producer.send_item(number, "too long for that")
        flow.consumer.close_stream(number)

        assert flow.at_consumer() == []
        assert flow.at_producer() == [StreamClosed(number)]
        flow.producer.end_stream(number)
        assert flow.at_consumer() == []
        assert flow.at_producer() == []

    @in_every_direction
    def test_credit_crosses_a_want(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(5, 5)
        flow.producer.send_item(number, "x" * 50)
        flow.consumer.grant(number, 0, 20)

        (wants,) = flow.at_consumer()
        needed = 4 + len(NATIVE.dumps("x" * 50))
        assert wants == StreamWants(number, needed, needed - 25)
        assert flow.at_producer() == [StreamCredited(number)]
        # It is said once, even if what has come since is not enough.
        assert flow.at_consumer() == []

        flow.consumer.grant(number, 0, wants.missing)
        flow.at_producer()
        assert flow.values(flow.at_consumer()) == ["x" * 50]

    @in_every_direction
    def test_credit_crosses_the_end(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted()
        flow.producer.end_stream(number)
        flow.consumer.grant(number, 5, 5)

        (ended,) = flow.at_consumer()
        assert isinstance(ended, StreamEnded)
        assert flow.at_producer() == []
        assert flow.producer.data_to_send() == []
        assert not flow.consumer.grant(number, 5, 5)
        flow.consumer.close_stream(number)
        assert flow.consumer.data_to_send() == []

    @in_every_direction
    def test_closing_again_and_credit_after_it_change_nothing(
        self, direction: str
    ) -> None:
        flow = Flow(direction)
        number = flow.granted(5)
        flow.producer.send_item(number, 1)

        data = close(number) + close(number) + credit(number, 5, 5) + close(number)
        assert survives(flow.producer, data) == [StreamClosed(number)]
        assert not flow.producer.can_produce(number)
        assert not flow.producer.send_item(number, 2)
        assert flow.producer.data_to_send() == []

        flow.producer.fail_stream(number, ValueError("while it was closed"))
        assert flow.at_consumer()
        assert survives(flow.producer, close(number) + credit(number, 5, 5)) == []
        assert flow.producer.data_to_send() == []

    @in_every_direction
    def test_a_stream_is_closed_before_it_was_granted_anything(
        self, direction: str
    ) -> None:
        flow = Flow(direction)
        number = flow.open()
        flow.consumer.close_stream(number)
        assert flow.at_producer() == [StreamClosed(number)]

        flow.producer.end_stream(number, "ignored")

        assert flow.at_consumer() == []
        assert flow.consumer.data_to_send() == []

    def test_an_argument_is_granted_and_closed_after_it_was_forgotten(self) -> None:
        flow = Flow("argument")
        request, (number,) = flow.call_with(numbers())
        flow.consumer.send_result(request, None)
        assert len(flow.carry(flow.consumer)) == 1
        assert flow.producer.signals_received() == [StreamClosed(number)]

        assert survives(flow.producer, credit(number, 5, 5) + close(number)) == []
        assert flow.producer.data_to_send() == []

    @in_every_direction
    def test_credit_in_many_pieces_adds_up(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.open()
        for _ in range(20):
            flow.consumer.grant(number, 1, 5)
        assert flow.at_producer(1) == [StreamCredited(number)] * 20

        for index in range(20):
            assert flow.producer.send_item(number, index)
        assert not flow.producer.can_produce(number)
        assert flow.values(flow.at_consumer()) == list(range(20))

    @in_every_direction
    def test_a_lifted_bound_stays_lifted(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(UNBOUNDED, UNBOUNDED)
        flow.consumer.grant(number, 1, 1)
        flow.at_producer()

        for index in range(100):
            flow.producer.send_item(number, index)

        assert flow.values(flow.at_consumer()) == list(range(100))


class TestTheEnd:
    @in_every_direction
    @pytest.mark.parametrize(
        "value", [None, 0, "text", [1, {"two": 3}], b"x" * LARGE, bytearray(LARGE)]
    )
    def test_it_holds_what_the_generator_returned(
        self, direction: str, value: object
    ) -> None:
        flow = Flow(direction)
        number = flow.granted()
        flow.producer.end_stream(number, value)

        (ended,) = flow.at_consumer()

        assert isinstance(ended, StreamEnded)
        found = read_end(ended, NATIVE)
        assert found == value
        assert type(found) is type(value)

    @in_every_direction
    def test_it_holds_what_the_generator_raised(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted()
        flow.producer.send_item(number, "before")
        flow.producer.fail_stream(number, ZeroDivisionError("by nought", 7))

        received, ended = flow.at_consumer()

        assert flow.values([received]) == ["before"]
        assert isinstance(ended, StreamEnded)
        with pytest.raises(ZeroDivisionError) as caught:
            read_end(ended, NATIVE)
        assert caught.value.args == ("by nought", 7)

    def test_its_value_may_be_changed_while_it_waits(self) -> None:
        flow = Flow()
        number = flow.granted(5, 5)
        buffer = bytearray(LARGE)
        flow.producer.send_item(number, "too long for that")
        flow.producer.end_stream(number, buffer)
        buffer[:] = b"?" * LARGE
        flow.at_consumer()
        flow.consumer.grant(number, 0, UNBOUNDED)
        flow.at_producer()

        _received, ended = flow.at_consumer()

        assert isinstance(ended, StreamEnded)
        assert read_end(ended, NATIVE) == bytes(LARGE)

    def test_a_value_that_is_too_large_leaves_room_for_an_exception(self) -> None:
        flow = Flow(producing=SessionSettings(max_message_size=2000))
        number = flow.granted()
        with pytest.raises(MessageTooLargeError) as caught:
            flow.producer.end_stream(number, "x" * 3000)
        flow.producer.fail_stream(number, caught.value)

        (ended,) = flow.at_consumer()

        assert isinstance(ended, StreamEnded)
        with pytest.raises(MessageTooLargeError, match="max=2000"):
            read_end(ended, NATIVE)

    @in_every_direction
    def test_neither_items_nor_bytes_are_needed_for_it(self, direction: str) -> None:
        flow = Flow(direction)
        number = flow.granted(1, 5)
        flow.producer.send_item(number, 1)
        flow.producer.end_stream(number, "x" * 1000)

        received, ended = flow.at_consumer()

        assert flow.values([received]) == [1]
        assert isinstance(ended, StreamEnded)
        assert read_end(ended, NATIVE) == "x" * 1000


class TestLimits:
    @in_every_direction
    def test_both_ends_bound_the_open_streams(self, direction: str) -> None:
        for producing, consuming in ((2, 5), (5, 2)):
            flow = Flow(
                direction,
                producing=SessionSettings(max_streams=producing),
                consuming=SessionSettings(max_streams=consuming),
            )
            first, _second = flow.open(), flow.open()
            with pytest.raises(PyroError, match=r"max=2.*MAX_STREAMS"):
                flow.producer.open_stream(NATIVE)

            flow.consumer.close_stream(first)
            flow.at_producer()
            flow.producer.end_stream(first)
            flow.at_consumer()
            assert flow.open() == 3

    def test_each_direction_has_its_own_bound(self) -> None:
        one = SessionSettings(max_streams=1)
        flow = Flow("result", producing=one, consuming=one)
        flow.open()

        assert flow.consumer.open_stream(NATIVE) == 1

    def test_a_peer_that_takes_no_streams_gets_none(self) -> None:
        flow = Flow(consuming=SessionSettings(max_streams=0))

        with pytest.raises(PyroError, match="max=0"):
            flow.producer.open_stream(NATIVE)

    def test_the_end_makes_room_when_it_is_received(self) -> None:
        flow = Flow(consuming=SessionSettings(max_streams=1))
        for number in range(1, 5):
            assert flow.granted() == number
            flow.producer.end_stream(number)
            assert len(flow.at_consumer()) == 1

    @pytest.mark.parametrize("direction", ["result", "callback result"])
    def test_a_result_too_many_ends_the_connection(self, direction: str) -> None:
        flow = Flow(direction, consuming=SessionSettings(max_streams=1))
        flow.open()
        request = flow.call(flow.consumer)
        answer = encode_frame(
            MessageType.RESULT,
            NATIVE.id,
            0x11,
            request.sequence,
            NATIVE.dumps(ProtocolError("a stream")),
            {"CHNK": packed(2)},
        )

        breaks(flow.consumer, b"".join(answer), "too many streams")

    @pytest.mark.parametrize("direction", ["argument", "callback argument"])
    def test_an_argument_too_many_fails_its_call_alone(self, direction: str) -> None:
        flow = Flow(direction, consuming=SessionSettings(max_streams=1))
        number = flow.open()
        payload = NATIVE.dumps_call("thing", "use", (2,), {})
        sequence = flow.producer.send_request(NATIVE.id, payload)
        (request,) = flow.carry(flow.producer)
        with pytest.raises(RemoteProtocolError, match="too many streams") as caught:
            flow.consumer.accept_stream(2, NATIVE.id)
        flow.consumer.send_exception(request, caught.value)

        (answer,) = flow.carry(flow.consumer)

        assert (answer.sequence, answer.flags) == (sequence, FLAG_EXCEPTION)
        flow.consumer.grant(number, 1, 100)
        flow.at_producer()
        flow.producer.send_item(number, "goes on")
        assert flow.values(flow.at_consumer()) == ["goes on"]

    def test_numbers_are_not_used_again(self) -> None:
        flow = Flow("argument")
        request, opened = flow.call_with(numbers(), [numbers()])
        assert opened == [1, 2]
        flow.consumer.send_exception(request, ValueError("not taken"))
        flow.carry(flow.consumer)
        closed = [StreamClosed(1), StreamClosed(2)]
        assert flow.producer.signals_received() == closed

        assert flow.open() == 3


class TestArguments:
    @pytest.mark.parametrize("direction", ["argument", "callback argument"])
    def test_several_may_be_anywhere_in_the_arguments(self, direction: str) -> None:
        flow = Flow(direction)
        request, opened = flow.call_with(numbers(), {"deep": [numbers()]}, 3)
        with References(flow.consumer).asked():
            call = flow.consumer.read_call(request)
        assert call.args == [StreamState(1), {"deep": [StreamState(2)]}, 3]
        assert opened == [1, 2]

        flow.consumer.grant(2, 1, 100)
        flow.consumer.close_stream(1)
        flow.consumer.send_result(request, "done")

        (answer,) = flow.carry(flow.consumer)
        assert read_reply(answer, NATIVE.id) == "done"
        assert flow.producer.signals_received() == [StreamCredited(2), StreamClosed(1)]
        assert not flow.producer.can_produce(1)
        assert flow.producer.can_produce(2)

    @pytest.mark.parametrize("direction", ["argument", "callback argument"])
    def test_items_are_read_while_the_call_runs(self, direction: str) -> None:
        flow = Flow(direction)
        request, (number,) = flow.call_with(numbers())
        with References(flow.consumer).asked():
            flow.consumer.read_call(request)
        flow.consumer.grant(number, 2, 100)
        flow.at_producer()
        flow.producer.send_item(number, 1)
        flow.producer.end_stream(number, "all")

        received, ended = flow.at_consumer()
        assert flow.values([received]) == [1]
        assert isinstance(ended, StreamEnded)
        flow.consumer.send_result(request, 1)
        assert len(flow.carry(flow.consumer)) == 1
        assert flow.producer.signals_received() == []

    @pytest.mark.parametrize("direction", ["argument", "callback argument"])
    def test_only_those_of_the_answered_call_are_taken_back(
        self, direction: str
    ) -> None:
        flow = Flow(direction)
        first, (one,) = flow.call_with(numbers())
        second, (two,) = flow.call_with(numbers())
        flow.consumer.send_result(second, None)
        assert len(flow.carry(flow.consumer)) == 1

        assert flow.producer.signals_received() == [StreamClosed(two)]
        with References(flow.consumer).asked():
            flow.consumer.read_call(first)
        flow.consumer.grant(one, 1, 100)
        assert flow.at_producer() == [StreamCredited(one)]
        assert flow.producer.can_produce(one)

    def test_the_answer_of_another_call_shows_them_too(self) -> None:
        flow = Flow("argument")
        first, (number,) = flow.call_with(numbers())
        second = flow.call(flow.producer)
        with References(flow.consumer).asked():
            flow.consumer.read_call(first)
        flow.consumer.send_result(second, None)

        assert len(flow.carry(flow.consumer)) == 1
        assert flow.producer.signals_received() == [StreamCredited(number)]

    @pytest.mark.parametrize("answer", ["result", "exception", "stream", "too late"])
    def test_every_answer_shows_them(self, answer: str) -> None:
        flow = Flow("argument")
        request, (number,) = flow.call_with(numbers())
        with References(flow.consumer).asked():
            flow.consumer.read_call(request)
        if answer == "result":
            flow.consumer.send_result(request, None, {"ABCD": b"with annotations"})
        elif answer == "exception":
            flow.consumer.send_exception(request, ValueError("no"))
        elif answer == "stream":
            own = flow.consumer.open_stream(NATIVE)
            flow.consumer.send_result(request, StreamStarted("s", own))
        else:
            flow.consumer.send_too_late(request)

        assert len(flow.carry(flow.consumer)) == 1
        assert flow.producer.signals_received() == [StreamCredited(number)]

    def test_a_oneway_call_cannot_have_them(self) -> None:
        flow = Flow("argument")
        number = flow.producer.open_stream(NATIVE)
        sequence = flow.producer.send_call(
            NATIVE, "thing", "use", (), {}, flags=FLAG_ONEWAY
        )

        with pytest.raises(LocalProtocolError, match="has no answer"):
            flow.producer.attach_streams(sequence, [number])

        flow.producer.discard_stream(number)
        assert not flow.producer.send_item(number, 1)
        flow.producer.end_stream(number)
        assert len(flow.carry(flow.producer)) == 1

    def test_a_call_that_could_not_be_sent_leaves_no_stream(self) -> None:
        flow = Flow("argument", producing=SessionSettings(max_streams=1))
        opening = References(flow.producer)
        with opening.asked(), pytest.raises(SerializeError):
            flow.producer.send_call(NATIVE, "thing", "use", (numbers(), object()), {})
        for number in opening.opened:
            flow.producer.discard_stream(number)

        assert flow.open() == 2


@dataclass
class Message:
    """A message, read from its bytes without any of the library's code."""

    kind: int
    serializer_id: int
    flags: int
    buffers: list[int]
    size: int
    payload: bytes


def messages_in(data: bytearray) -> list[Message]:
    """Take the complete messages off the beginning of some bytes."""
    found = []
    while len(data) >= 40:
        kind, serializer_id, flags = struct.unpack_from("!BBH", data, 6)
        size, annotations = struct.unpack_from("!II", data, 12)
        if len(data) < 40 + size + annotations:
            break
        content = 40 + annotations
        buffers: list[int] = []
        if annotations:
            assert data[40:44] == b"BUFS"
            entries = struct.iter_unpack("!IB", data[48:content])
            buffers = [length for length, _kind in entries]
        payload = bytes(data[content : content + size])
        whole = size + annotations
        found.append(Message(kind, serializer_id, flags, buffers, whole, payload))
        del data[: 40 + whole]
    return found


def items_in(one: Message) -> list[bytes]:
    """Return the items of an ITEMS, each with its buffers."""
    if one.buffers:
        head = len(one.payload) - sum(one.buffers)
        (length,) = struct.unpack_from("!I", one.payload, 4)
        assert length == head - 8
        return [one.payload[8:]]
    found, position = [], 4
    while position < len(one.payload):
        (length,) = struct.unpack_from("!I", one.payload, position)
        found.append(one.payload[position + 4 : position + 4 + length])
        position += 4 + length
    assert position == len(one.payload)
    return found


@dataclass
class Model:
    """What must be true of one stream, by the text of the protocol alone."""

    number: int
    # As far as the producer has been told.
    known: bool
    items: float = 0
    size: float = 0
    closed: bool = False
    told: bool = False
    pending: list[bytes] = field(default_factory=list)
    ending: bool = False
    end_sent: bool = False
    # What went in, and what came out.
    produced: list[Any] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    final: Any = None
    failed: bool = False
    close_said: bool = False
    ended: bool = False

    @property
    def queued(self) -> int:
        return sum(4 + len(one) for one in self.pending)

    @property
    def room(self) -> bool:
        """Whether the generator may be asked for an item."""
        return (
            not self.closed
            and not self.ending
            and len(self.pending) < self.items
            and self.queued < min(self.size, MAX_QUEUED)
        )

    def add(self, items: int, size: int) -> None:
        """Add to the credit."""
        self.items += float("inf") if items == UNBOUNDED else items
        self.size += float("inf") if size == UNBOUNDED else size

    def due(self) -> list[tuple[int, bytes]]:
        """Take out what must leave now: type and content, one for each item."""
        if not self.known or self.end_sent:
            return []
        found: list[tuple[int, bytes]] = []
        while self.pending and self.items > 0 and 4 + len(self.pending[0]) <= self.size:
            item = self.pending.pop(0)
            self.items -= 1
            self.size -= 4 + len(item)
            self.told = False
            found.append((MessageType.ITEMS, item))
        if not self.pending and self.ending:
            self.end_sent = True
            found.append((MessageType.END, b""))
        elif self.pending and self.items > 0 and not self.told:
            self.told = True
            needed = packed(4 + len(self.pending[0]))
            found.append((MessageType.WANT, needed))
        return found


HUGE = 600_000
"""Bytes of a text of which two are as much as may wait."""
MOST_STREAMS = 3
ALL = 2 * MOST_STREAMS
"""From here on a number means one of all streams, below one of those not over."""


class RandomStreams:
    """Producers, consumers and a connection that do whatever they are told.

    Args:
        direction: one of ``DIRECTIONS``.
        limit: the largest message of the producer.
    """

    def __init__(self, direction: str, limit: int) -> None:
        self.limit = limit
        self.flow = Flow(
            direction,
            producing=SessionSettings(max_message_size=limit, max_streams=MOST_STREAMS),
        )
        self.streams: dict[int, Model] = {}
        # What is under way, and the part of a message that has arrived.
        self.to_producer = bytearray()
        self.to_consumer = bytearray()
        self.arrived = bytearray()

    def chosen(self, which: int) -> Model:
        """Return a stream: seldom one that is over."""
        streams = list(self.streams.values())
        live = [one for one in streams if not (one.ended or one.close_said)]
        if live and which < ALL:
            streams = live
        return streams[which % len(streams)]

    def open(self) -> None:
        if sum(not one.end_sent for one in self.streams.values()) == MOST_STREAMS:
            return
        self.settle()
        number = self.flow.open()
        assert number not in self.streams
        self.streams[number] = Model(number, known=not self.flow.as_result)

    def settle(self) -> None:
        """Carry all that there is."""
        self.say()
        self.deliver_to_producer(len(self.to_producer))
        self.flush()
        self.deliver_to_consumer(len(self.to_consumer))

    def grant(self, which: int, items: int, size: int) -> None:
        stream = self.chosen(which)
        told = self.flow.consumer.grant(stream.number, items, size)
        assert told == (not stream.close_said and not stream.ended)
        self.say()

    def close(self, which: int) -> None:
        stream = self.chosen(which)
        self.flow.consumer.close_stream(stream.number)
        stream.close_said = True
        self.say()

    def produce(self, which: int, values: list[Any]) -> None:
        stream = self.chosen(which)
        for value in values:
            if not stream.room:
                break
            encoded = bytes(NATIVE.encode(value))
            try:
                assert self.flow.producer.send_item(stream.number, value)
            except MessageTooLargeError:
                assert len(encoded) + 40 > self.limit
                continue
            stream.pending.append(encoded)
            stream.produced.append(value)

    def end(self, which: int, value: object) -> None:
        self.end_one(self.chosen(which), value)

    def end_one(self, stream: Model, value: object) -> None:
        self.flow.producer.end_stream(stream.number, value)
        if not stream.ending:
            stream.ending, stream.final = True, value

    def fail(self, which: int) -> None:
        stream = self.chosen(which)
        self.flow.producer.fail_stream(stream.number, KeyError(stream.number))
        if not stream.ending:
            stream.ending = stream.failed = True

    def flush(self) -> None:
        """Take what the producer has to send, and compare it with what is due."""
        written = bytearray().join(self.flow.producer.data_to_send())
        self.to_consumer += written
        sent: dict[int, list[tuple[int, bytes]]] = {}
        for one in messages_in(written):
            assert one.size <= self.limit
            (number,) = struct.unpack_from("!I", one.payload)
            parts = sent.setdefault(number, [])
            if one.kind == MessageType.ITEMS:
                found = items_in(one)
                assert found
                assert len(found) == 1 or len(one.payload) <= 4 + CHUNK_SIZE
                assert len(found) == 1 or not one.buffers
                parts += [(one.kind, item) for item in found]
            elif one.kind == MessageType.END:
                assert one.flags == self.streams[number].failed
                parts.append((one.kind, b""))
            else:
                assert one.kind == MessageType.WANT
                parts.append((one.kind, one.payload[4:]))
        assert not written
        due = {number: one.due() for number, one in self.streams.items()}
        assert sent == {number: parts for number, parts in due.items() if parts}

    def say(self) -> None:
        """Take what the consumer has to send."""
        self.to_producer += bytearray().join(self.flow.consumer.data_to_send())

    def deliver_to_producer(self, count: int) -> None:
        data = bytes(self.to_producer[:count])
        del self.to_producer[:count]
        self.arrived += data
        expected: list[Signal] = []
        for one in messages_in(self.arrived):
            number, *credit = struct.unpack(f"!{len(one.payload) // 4}I", one.payload)
            stream = self.streams[number]
            if stream.end_sent:
                continue
            stream.known = True
            if one.kind == MessageType.CREDIT:
                stream.add(*credit)
                if not stream.ending and not stream.closed:
                    expected.append(StreamCredited(number))
            else:
                assert one.kind == MessageType.CLOSE
                stream.closed = True
                stream.pending.clear()
                if not stream.ending:
                    expected.append(StreamClosed(number))
        assert survives(self.flow.producer, data) == expected

    def deliver_to_consumer(self, count: int) -> None:
        data = bytes(self.to_consumer[:count])
        del self.to_consumer[:count]
        # That it survives means that nothing was more than it had granted.
        for signal in survives(self.flow.consumer, data):
            assert isinstance(signal, StreamItems | StreamEnded | StreamWants)
            stream = self.streams[signal.number]
            assert not stream.close_said
            assert not stream.ended
            if isinstance(signal, StreamItems):
                start = len(stream.received)
                stream.received += [NATIVE.loads(one) for one in signal.items]
                assert (
                    stream.received[start:]
                    == (stream.produced[start : len(stream.received)])
                )
            elif isinstance(signal, StreamWants):
                next_item = stream.produced[len(stream.received)]
                assert signal.size == 4 + len(bytes(NATIVE.encode(next_item)))
                assert 0 < signal.missing <= signal.size
            else:
                self.ended(stream, signal)

    def ended(self, stream: Model, signal: StreamEnded) -> None:
        stream.ended = True
        assert len(stream.received) == len(stream.produced)
        assert signal.failed == stream.failed
        if stream.failed:
            with pytest.raises(KeyError, match=str(stream.number)):
                read_end(signal, NATIVE)
        else:
            assert read_end(signal, NATIVE) == stream.final

    def check(self) -> None:
        """Check what is true after every step."""
        for number, stream in self.streams.items():
            # A generator is asked for an item if, and only if, there is room.
            assert self.flow.producer.can_produce(number) == stream.room
            last = 4 + len(stream.pending[-1]) if stream.pending else 0
            assert stream.queued - last < MAX_QUEUED

    def finish(self) -> None:
        """Bring every stream to its end, whatever has happened to it."""
        for stream in self.streams.values():
            self.end_one(stream, "torn down")
            self.flow.consumer.grant(stream.number, UNBOUNDED, UNBOUNDED)
        self.settle()
        for stream in self.streams.values():
            assert stream.end_sent
            assert stream.ended or stream.close_said
        for _ in range(MOST_STREAMS):
            self.flow.producer.open_stream(NATIVE)


def large_value(kind: str) -> object:
    """Return a large value: a buffer that stands apart, or a text, which does not."""
    block = b"x" * LARGE
    return {
        "bytes": block,
        "bytearray": bytearray(block),
        "in a list": [block, 1],
        "text": "x" * LARGE,
        "huge text": "x" * HUGE,
    }[kind]


WHICH = st.integers(0, 3 * MOST_STREAMS - 1)
VALUE = st.one_of(
    st.integers(0, 9),
    st.integers(-1000, 10**6),
    st.text(max_size=10),
    st.integers(0, 1500).map(lambda size: "x" * size),
    st.sampled_from(
        ["bytes", "bytearray", "in a list", "text", "huge text", "huge text"]
    ).map(large_value),
)
COUNT = st.sampled_from([0, 1, 2, 5, 20, UNBOUNDED])
SIZE = st.one_of(
    st.integers(0, 60),
    # Just as much as a few small numbers need.
    st.integers(0, 5).map(lambda items: 5 * items),
    st.sampled_from([500, 3000, LARGE, UNBOUNDED]),
)
PIECE = st.one_of(st.just(10**9), st.integers(1, 60), st.integers(1, 2 * LARGE))
# What may be done, how often in comparison, and with what.
STEPS: list[tuple[str, int, tuple[st.SearchStrategy[Any], ...]]] = [
    ("open", 2, ()),
    ("grant", 5, (WHICH, COUNT, SIZE)),
    ("produce", 6, (WHICH, st.lists(VALUE, min_size=1, max_size=5))),
    ("flush", 4, ()),
    ("deliver_to_producer", 5, (PIECE,)),
    ("deliver_to_consumer", 4, (PIECE,)),
    ("close", 2, (WHICH,)),
    ("end", 1, (WHICH, st.one_of(st.none(), st.text()))),
    ("fail", 1, (WHICH,)),
]
NAMES = [name for name, often, _arguments in STEPS for _ in range(often)]
ARGUMENTS = {
    name: st.tuples(st.just(name), *arguments) for name, _often, arguments in STEPS
}
STEP = st.sampled_from(NAMES).flatmap(ARGUMENTS.__getitem__)


@pytest.mark.parametrize("direction", DIRECTIONS)
@settings(deadline=None, max_examples=70)
@given(st.sampled_from([2000, 10**9]), st.lists(STEP, min_size=20, max_size=80))
def test_streams_keep_to_the_protocol_whatever_happens(
    direction: str, limit: int, steps: list[tuple[Any, ...]]
) -> None:
    running = RandomStreams(direction, limit)
    running.open()
    for name, *arguments in steps:
        getattr(running, name)(*arguments)
        running.check()
    running.finish()
