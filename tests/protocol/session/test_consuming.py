from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Pair
from protocol.golden import decode_all
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.errors import (
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    UNBOUNDED,
    ClientSession,
    SessionSettings,
    StreamEnded,
    StreamItems,
    StreamReference,
    StreamWants,
    read_end,
    read_reply,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.session.stream_frames import (
    pack_end,
    pack_items,
    pack_number,
    pack_want,
)
from pyro_protocol.wire import (
    FLAG_EXCEPTION,
    FLAG_STREAM,
    MessageType,
    Payload,
    encode_frame,
)

NATIVE = serializers["native"]
SERPENT = serializers["serpent"]


def consuming(**options: Any) -> tuple[ClientSession, int]:
    """Return a client that has just been told of a stream, and its number."""
    pair = Pair(**options)
    pair.client.send_call(NATIVE, "thing", "items", (), {})
    (request,) = pair.to_server()
    number = pair.server.open_stream(NATIVE)
    pair.server.send_result(request, StreamStarted("some-id", number))
    (answer,) = pair.to_client()
    assert read_reply(answer, NATIVE.id) == StreamReference("some-id")
    return pair.client, number


def message(kind: int, payload: Payload, serializer: Any = NATIVE) -> bytes:
    return b"".join(encode_frame(kind, serializer.id, 0, 0, payload))


def items(number: int, *values: object, serializer: Any = NATIVE) -> bytes:
    payload = pack_items(number, [serializer.dumps(value) for value in values])
    return message(MessageType.ITEMS, payload, serializer)


def end(number: int, serializer: Any = NATIVE) -> bytes:
    return message(MessageType.END, pack_end(number, serializer.dumps(5)), serializer)


def want(number: int, size: int) -> bytes:
    return message(MessageType.WANT, pack_want(number, size))


class TestItems:
    def test_they_are_read_one_by_one(self) -> None:
        client, number = consuming()
        client.grant(number, 3, 100)

        client.receive_data(items(number, 1, "two") + items(number, [3]))

        first, second = client.signals_received()
        assert isinstance(first, StreamItems)
        assert isinstance(second, StreamItems)
        assert [NATIVE.loads(one) for one in first.items] == [1, "two"]
        assert [NATIVE.loads(one) for one in second.items] == [[3]]

    def test_one_that_cannot_be_read_fails_alone(self) -> None:
        client, number = consuming()
        client.grant(number, 3, 100)
        payload = pack_items(number, [b"\xc1", NATIVE.dumps(2)])

        client.receive_data(message(MessageType.ITEMS, payload))

        (signal,) = client.signals_received()
        assert isinstance(signal, StreamItems)
        with pytest.raises(SerializeError):
            NATIVE.loads(signal.items[0])
        assert NATIVE.loads(signal.items[1]) == 2

    @pytest.mark.parametrize(
        ("granted", "sent"),
        [((0, UNBOUNDED), 1), ((2, UNBOUNDED), 3), ((UNBOUNDED, 14), 3), ((3, 9), 2)],
    )
    def test_more_than_was_granted_ends_the_connection(
        self, granted: tuple[int, int], sent: int
    ) -> None:
        client, number = consuming()
        client.grant(number, *granted)

        with pytest.raises(RemoteProtocolError, match="more of stream 1 than it was"):
            client.receive_data(items(number, *range(sent)))

        assert client.state is ClientState.CLOSED

    def test_credit_is_added_up(self) -> None:
        client, number = consuming()
        client.grant(number, 1, 4)
        client.grant(number, 1, 6)

        client.receive_data(items(number, 1, 2))
        with pytest.raises(RemoteProtocolError, match="than it was granted"):
            client.receive_data(items(number, 3))

    def test_another_serializer_ends_the_connection(self) -> None:
        client, number = consuming()
        client.grant(number, 1, 100)

        with pytest.raises(RemoteProtocolError, match="has changed its serializer"):
            client.receive_data(items(number, 1, serializer=SERPENT))

    @pytest.mark.parametrize(
        "data", [items(9, 1), end(9), want(9, 5), items(0, 1), end(0)]
    )
    def test_a_stream_that_is_not_open_ends_the_connection(self, data: bytes) -> None:
        client, _number = consuming()

        with pytest.raises(RemoteProtocolError, match="is not open"):
            client.receive_data(data)


class TestGranting:
    def test_an_ended_stream_needs_no_credit(self) -> None:
        client, number = consuming()
        client.grant(number, 1, 1)
        client.data_to_send()
        client.receive_data(end(number))

        assert not client.grant(number, 1, 1)
        assert client.data_to_send() == []

    @pytest.mark.parametrize("credit", [(-1, 0), (0, -1), (2**32, 0), (0, 2**32)])
    def test_credit_is_a_number_of_32_bits(self, credit: tuple[int, int]) -> None:
        client, number = consuming()

        with pytest.raises(LocalProtocolError, match="cannot grant"):
            client.grant(number, *credit)

    def test_nothing_is_granted_once_to_show_that_the_stream_is_known(self) -> None:
        client, number = consuming()

        assert client.grant(number, 0, 0)
        assert client.grant(number, 0, 0)

        assert len(decode_all(b"".join(client.data_to_send()))) == 1

    def test_a_want_says_what_is_missing(self) -> None:
        client, number = consuming()
        client.grant(number, 1, 30)

        client.receive_data(want(number, 100))

        assert client.signals_received() == [StreamWants(number, 100, 70)]

    def test_a_want_that_has_crossed_its_credit_is_ignored(self) -> None:
        client, number = consuming()
        client.grant(number, 1, 100)
        client.receive_data(want(number, 100))
        client.grant(number, 0, UNBOUNDED)
        client.receive_data(want(number, 0xFFFF_FFFF))

        assert client.signals_received() == []


class TestClosing:
    def test_what_is_still_under_way_is_ignored_up_to_the_end(self) -> None:
        client, number = consuming()
        client.grant(number, 3, 100)
        client.close_stream(number)
        assert not client.grant(number, 1, 1)

        client.receive_data(items(number, 1) + want(number, 500) + end(number))

        assert client.signals_received() == []
        with pytest.raises(RemoteProtocolError, match="is not open"):
            client.receive_data(end(number))

    def test_a_closed_stream_is_bounded_all_the_same(self) -> None:
        client, number = consuming()
        client.close_stream(number)

        with pytest.raises(RemoteProtocolError, match="than it was granted"):
            client.receive_data(items(number, 1))

    def test_it_is_said_once(self) -> None:
        client, number = consuming()
        client.close_stream(number)
        client.close_stream(number)
        client.close_stream(99)

        (frame,) = decode_all(b"".join(client.data_to_send()))
        assert (frame.kind, frame.payload) == (MessageType.CLOSE, pack_number(number))


class TestOpening:
    @staticmethod
    def answered(
        data: bytes, *, settings: SessionSettings | None = None
    ) -> ClientSession:
        client = Pair(client_settings=settings).client
        client.send_call(NATIVE, "thing", "items", (), {})
        client.send_call(NATIVE, "thing", "items", (), {})
        flags = FLAG_EXCEPTION | FLAG_STREAM
        payload = NATIVE.dumps(ProtocolError("a stream"))
        for sequence in (1, 2):
            annotations = {"STRM": b"some-id", "CHNK": data}
            result = encode_frame(5, NATIVE.id, flags, sequence, payload, annotations)
            client.receive_data(b"".join(result))
        return client

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b"", "0 bytes instead of 4"),
            (b"12345", "5 bytes instead of 4"),
            (pack_number(0), "cannot have the number 0"),
            (pack_number(1), "stream 1 is open already"),
        ],
    )
    def test_a_number_that_cannot_be_ends_the_connection(
        self, data: bytes, error: str
    ) -> None:
        with pytest.raises(RemoteProtocolError, match=error):
            self.answered(data)

    def test_more_streams_than_were_announced_end_the_connection(self) -> None:
        with pytest.raises(RemoteProtocolError, match=r"too many streams \(max=0"):
            self.answered(pack_number(7), settings=SessionSettings(max_streams=0))

    def test_a_stream_without_a_number_is_read_as_pyro5_does(self) -> None:
        pair = Pair()
        pair.client.send_call(NATIVE, "thing", "items", (), {})
        (request,) = pair.to_server()
        pair.server.send_result(request, StreamStarted("some-id"))

        (answer,) = pair.to_client()

        assert pair.client.stream_number(answer) is None
        assert read_reply(answer, NATIVE.id) == StreamReference("some-id")

    def test_without_the_capability_the_annotation_is_the_programs_own(self) -> None:
        pair = Pair(["native", "multiplex"])
        pair.client.send_call(NATIVE, "thing", "items", (), {})
        (request,) = pair.to_server()
        pair.server.send_result(request, StreamStarted("some-id"), {"CHNK": b"mine"})

        (answer,) = pair.to_client()

        assert pair.client.stream_number(answer) is None
        assert not pair.client.grant(int.from_bytes(b"mine", "big"), 1, 1)

    @pytest.mark.parametrize("number", [-1, 0, 2**32])
    def test_an_argument_must_have_a_number_of_a_stream(self, number: int) -> None:
        with pytest.raises(RemoteProtocolError, match="cannot have the number"):
            Pair().server.accept_stream(number, NATIVE.id)

    def test_an_argument_must_not_be_open_already(self) -> None:
        server = Pair().server
        server.accept_stream(5, NATIVE.id)

        with pytest.raises(RemoteProtocolError, match="stream 5 is open already"):
            server.accept_stream(5, NATIVE.id)

    def test_arguments_are_bounded_too(self) -> None:
        server = Pair(server_settings=SessionSettings(max_streams=1)).server
        server.accept_stream(5, NATIVE.id)

        with pytest.raises(RemoteProtocolError, match="too many streams"):
            server.accept_stream(6, NATIVE.id)

    def test_arguments_need_the_capability(self) -> None:
        with pytest.raises(RemoteProtocolError, match="'chunks' is not in force"):
            Pair(["native"]).server.accept_stream(1, NATIVE.id)


def test_an_exception_at_the_end_must_be_one() -> None:
    ended = StreamEnded(1, NATIVE.dumps("text"), failed=True)

    with pytest.raises(RemoteProtocolError, match="announced an exception and sent"):
        read_end(ended, NATIVE)
