"""Python's own reader of marshal never sees received bytes without the opt-in."""

from __future__ import annotations

import marshal
import sys
from typing import Any

import pytest

from protocol.conversation import ALL_SERIALIZERS, Conversation, Link, Server
from protocol.golden import decode_one
from pyro_protocol import SerializedBlob, expose
from pyro_protocol.errors import ProtocolError, SerializeError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.marshal_reader import write_simple
from pyro_protocol.session import (
    ClientSession,
    ConnectRefused,
    SessionSettings,
    read_reply,
)
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    MessageType,
    encode_frame,
)

MARSHAL = serializers["marshal"]
SERPENT = serializers["serpent"]
# Nobody else reads this while the tests run.
MARKER = "only-in-these-tests"
_seen: list[bytes] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "marshal.loads" and MARKER.encode() in bytes(args[0]):
        _seen.append(bytes(args[0]))


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def nothing_seen_yet() -> None:
    _seen.clear()


@expose
class Receiver:
    def take(self, *args: Any) -> object:
        (value,) = args
        return value.info if isinstance(value, SerializedBlob) else value

    def read(self, blob: SerializedBlob) -> object:
        return blob.deserialized()


def server(settings: SessionSettings | None = None) -> Server:
    result = Server(settings)
    result.register(Receiver(), "example.target")
    return result


def message(kind: MessageType, payload: bytes, serializer: Any, **fields: Any) -> bytes:
    flags = fields.pop("flags", 0)
    sequence = fields.pop("sequence", 0)
    parts = encode_frame(kind, serializer.id, flags, sequence, payload, **fields)
    return b"".join(parts)


CONNECT = {"handshake": MARKER, "object": "example.target"}
CALL = MARSHAL.dumps_call("example.target", "take", [MARKER], {})


def test_the_watch_is_awake() -> None:
    line = Conversation(
        server(ALL_SERIALIZERS), serializer="marshal", settings=ALL_SERIALIZERS
    )
    assert line.call("take", MARKER) == MARKER
    assert len(_seen) == 2


class TestServer:
    def test_a_handshake_is_refused_unread(self) -> None:
        data = message(MessageType.CONNECT, MARSHAL.dumps(CONNECT), MARSHAL)
        (frame,) = Link(server()).exchange(data)
        assert frame.kind == MessageType.CONNECTFAIL
        assert b"SERIALIZERS_ACCEPTED" in bytes(frame.payload)
        assert _seen == []

    @pytest.mark.parametrize(
        "flags", [0, FLAG_BATCH, FLAG_ONEWAY, FLAG_KEEPSERIALIZED, FLAG_EXCEPTION]
    )
    def test_a_call_is_refused_unread(self, flags: int) -> None:
        line = Conversation(server())
        routing = write_simple((MARKER, "example.target", "take"))
        line.client.send_request(MARSHAL.id, CALL, flags, {"BLBI": routing})
        events = line.pump()
        assert _seen == []
        if not flags & FLAG_ONEWAY:
            (frame,) = events
            with pytest.raises(ProtocolError, match="SERIALIZERS_ACCEPTED"):
                read_reply(frame, MARSHAL.id)
        assert line.call("take", 5) == 5

    def test_a_call_without_a_handshake_is_refused_unread(self) -> None:
        link = Link(server(), connected=True)
        (frame,) = link.exchange(message(MessageType.INVOKE, CALL, MARSHAL))
        assert frame.flags & FLAG_EXCEPTION
        assert _seen == []

    def test_a_ping_is_answered_unread(self) -> None:
        line = Conversation(server())
        ping = message(MessageType.PING, MARSHAL.dumps(MARKER), MARSHAL, sequence=7)
        (frame,) = line.link.exchange(ping)
        assert frame.kind == MessageType.PING
        assert _seen == []

    @pytest.mark.parametrize("method", ["take", "read"])
    def test_the_routing_of_a_blob_is_read_by_our_own_reader(self, method: str) -> None:
        line = Conversation(server())
        routing = marshal.dumps((MARKER, "example.target", method))
        payload = SERPENT.dumps_call("example.target", method, [MARKER], {})
        line.client.send_request(
            SERPENT.id, payload, FLAG_KEEPSERIALIZED, {"BLBI": routing}
        )
        (frame,) = line.pump()
        result = MARKER if method == "take" else [MARKER]
        assert read_reply(frame, SERPENT.id) == result
        assert _seen == []


class TestClient:
    @pytest.mark.parametrize("flags", [0, FLAG_EXCEPTION])
    def test_an_answer_nobody_asked_for_is_refused_unread(self, flags: int) -> None:
        value: object = ValueError(MARKER) if flags else MARKER
        data = message(
            MessageType.RESULT, MARSHAL.dumps(value), MARSHAL, flags=flags, sequence=1
        )
        for serializer in serializers.values():
            if serializer is not MARSHAL:
                with pytest.raises(SerializeError, match="serializer id 2"):
                    read_reply(decode_one(data), serializer.id)
        assert _seen == []

    def connecting(self) -> ClientSession:
        session = ClientSession(SessionSettings())
        session.send_connect(SERPENT, "example.target", "hello")
        return session

    def test_an_admission_is_refused_unread(self) -> None:
        answer = {"handshake": MARKER, "meta": {}}
        data = message(MessageType.CONNECTOK, MARSHAL.dumps(answer), MARSHAL)
        with pytest.raises(SerializeError, match="serializer id 2"):
            self.connecting().receive_data(data)
        assert _seen == []

    def test_a_refusal_is_read_by_our_own_reader(self) -> None:
        session = self.connecting()
        data = message(MessageType.CONNECTFAIL, marshal.dumps(MARKER), MARSHAL)
        session.receive_data(data)
        assert session.events_received() == [ConnectRefused(MARKER)]
        assert _seen == []

    @pytest.mark.parametrize(
        "value",
        [{MARKER: 1}, {MARKER}, [MARKER], (MARKER, 10**5000), 10**5000, None],
        ids=["dict", "set", "list", "tuple", "integer", "None"],
    )
    def test_a_refusal_that_is_not_a_text_is_a_protocol_error(self, value: Any) -> None:
        data = message(MessageType.CONNECTFAIL, marshal.dumps(value), MARSHAL)
        with pytest.raises(ProtocolError):
            self.connecting().receive_data(data)
        assert _seen == []

    @pytest.mark.parametrize("name", ["msgpack", "json", "serpent", "native"])
    def test_nor_is_one_in_another_serializer(self, name: str) -> None:
        serializer = serializers[name]
        values: list[object] = [[], 10**4000, {"__class__": "x"}, None]
        for value in values:
            data = message(MessageType.CONNECTFAIL, serializer.dumps(value), serializer)
            with pytest.raises(ProtocolError):
                self.connecting().receive_data(data)

    def test_an_integer_too_long_to_be_shown_is_a_protocol_error(self) -> None:
        native = serializers["native"]
        data = message(MessageType.CONNECTFAIL, native.dumps(10**5000), native)
        with pytest.raises(ProtocolError, match="not a text"):
            self.connecting().receive_data(data)
