from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.golden import decode_all, decode_one
from pyro_protocol.dispatch import Call, StreamStarted
from pyro_protocol.errors import (
    LocalProtocolError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
)
from pyro_protocol.serializers import ExceptionWrapper, serializers
from pyro_protocol.session import (
    ConnectRequest,
    RefusedRequest,
    ServerSession,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.server import ServerState
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    HEADER_SIZE,
    Frame,
    MessageType,
    encode_frame,
)

SERPENT, MARSHAL, JSON, MSGPACK, NATIVE = (
    serializers[name] for name in ("serpent", "marshal", "json", "msgpack", "native")
)
METADATA = {"methods": {"add"}, "oneway": set[str](), "attrs": set[str]()}
NATIVE_OFFER = b'{"version":1,"capabilities":{"native":{"version":1}}}'
CORRELATION = bytes(range(1, 17))


def message(kind: int, payload: bytes, serializer_id: int = 1, **fields: Any) -> bytes:
    values = {"flags": 0, "sequence": 5} | fields
    return b"".join(encode_frame(kind, serializer_id, payload=payload, **values))


def connect(
    handshake: object = "hello", object_id: object = "thing", serializer: Any = SERPENT,
    **fields: Any,
) -> bytes:  # fmt: skip
    payload = serializer.dumps({"handshake": handshake, "object": object_id})
    return message(MessageType.CONNECT, payload, serializer.id, **fields)


def invoke(*args: object, serializer: Any = SERPENT, **fields: Any) -> bytes:
    payload = serializer.dumps_call("thing", "add", args, {})
    return message(MessageType.INVOKE, payload, serializer.id, **fields)


def sent(session: ServerSession) -> list[Frame]:
    return decode_all(b"".join(session.data_to_send()))


def only(session: ServerSession) -> Frame:
    (frame,) = sent(session)
    return frame


def validating(**options: Any) -> tuple[ServerSession, ConnectRequest]:
    data = options.pop("data", None) or connect()
    session = ServerSession(options.pop("settings", SessionSettings()), **options)
    session.receive_data(data)
    (request,) = session.events_received()
    assert isinstance(request, ConnectRequest)
    return session, request


def opened(**options: Any) -> ServerSession:
    session, request = validating(**options)
    session.send_accept(request, "hello", METADATA)
    session.data_to_send()
    return session


def received(session: ServerSession, data: bytes) -> Frame:
    session.receive_data(data)
    (frame,) = session.events_received()
    assert isinstance(frame, Frame)
    return frame


def text_of(frame: Frame) -> str:
    return bytes(frame.payload).decode("utf-8", "replace")


class TestHandshake:
    def test_a_connect_is_handed_on_to_be_validated(self) -> None:
        session, request = validating(
            data=connect({"user": "me"}, annotations={"ABCD": b"x"})
        )

        assert request.object_id == "thing"
        assert request.handshake == {"user": "me"}
        assert bytes(request.frame.annotations["ABCD"]) == b"x"
        assert request.capabilities == frozenset()
        assert session.state is ServerState.VALIDATING
        assert session.data_to_send() == []

    @pytest.mark.parametrize("serializer", [SERPENT, JSON, MSGPACK])
    def test_the_admission_is_written_as_the_request_was(self, serializer: Any) -> None:
        session, request = validating(
            data=connect(serializer=serializer, sequence=9, correlation_id=CORRELATION)
        )

        session.send_accept(request, "welcome", METADATA, {"ABCD": b"x"})

        frame = only(session)
        value = serializer.loads(frame.payload)
        assert frame.kind == MessageType.CONNECTOK
        assert (frame.serializer_id, frame.sequence) == (serializer.id, 9)
        assert frame.correlation_id == CORRELATION
        assert value["handshake"] == "welcome"
        assert list(value["meta"]["methods"]) == ["add"]
        assert bytes(frame.annotations["ABCD"]) == b"x"
        assert session.state is ServerState.OPEN

    def test_native_is_agreed_on_if_both_offer_it(self) -> None:
        session, request = validating(data=connect(annotations={"CAPS": NATIVE_OFFER}))
        assert request.capabilities == {"native"}

        session.send_accept(request, "hello", METADATA)

        assert bytes(only(session).annotations["CAPS"]) == NATIVE_OFFER
        assert session.capabilities == {"native"}

    @pytest.mark.parametrize("offer", [b"", b"garbage", b"[]", b'{"version":2}'])
    def test_an_offer_that_is_malformed_is_ignored(self, offer: bytes) -> None:
        session, request = validating(data=connect(annotations={"CAPS": offer}))

        session.send_accept(request, "hello", METADATA)

        assert "CAPS" not in only(session).annotations
        assert session.capabilities == frozenset()

    def test_a_server_without_capabilities_agrees_to_none(self) -> None:
        _session, request = validating(
            data=connect(annotations={"CAPS": NATIVE_OFFER}), capabilities=frozenset()
        )

        assert request.capabilities == frozenset()

    def test_a_refusal_ends_the_conversation(self) -> None:
        session, request = validating(
            data=connect(sequence=9, correlation_id=CORRELATION)
        )

        session.send_refusal(request, "access denied", {"ABCD": b"x"})

        frame = only(session)
        assert frame.kind == MessageType.CONNECTFAIL
        assert (frame.serializer_id, frame.sequence) == (SERPENT.id, 9)
        assert frame.correlation_id == CORRELATION
        assert SERPENT.loads(frame.payload) == "access denied"
        assert bytes(frame.annotations["ABCD"]) == b"x"
        assert session.closing
        assert session.error == "refused: access denied"

    def test_a_refusal_with_illegal_annotations_is_sent_without_them(self) -> None:
        session, request = validating()

        session.send_refusal(request, "access denied", {"TOO LONG": b"x"})

        assert SERPENT.loads(only(session).payload) == "access denied"
        assert session.closing

    @pytest.mark.parametrize(
        "payload",
        [
            {"object": "thing"},
            {"handshake": "hello"},
            {"handshake": "hello", "object": 5},
            {"handshake": "hello", "object": None},
            ["hello", "thing"],
            "hello",
        ],
    )
    def test_an_incomplete_connect_is_refused(self, payload: object) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(message(MessageType.CONNECT, SERPENT.dumps(payload)))

        assert session.events_received() == []
        assert "needs handshake and object" in text_of(only(session))
        assert session.closing

    @pytest.mark.parametrize(
        "payload",
        [b"((((", b"", b"\xff", b"{'handshake': {'__class__': '__main__.Evil'}}"],
    )
    def test_a_connect_that_cannot_be_decoded_is_refused(self, payload: bytes) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(message(MessageType.CONNECT, payload))

        assert session.events_received() == []
        assert only(session).kind == MessageType.CONNECTFAIL
        assert session.closing

    def test_an_unknown_serializer_is_named_with_those_there_are(self) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(message(MessageType.CONNECT, b"", 99))

        frame = only(session)
        assert frame.serializer_id == MARSHAL.id
        assert "unknown serializer id 99; known: 1=serpent" in text_of(frame)

    def test_marshal_is_refused_unless_it_is_accepted(self) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(connect(serializer=MARSHAL))

        assert "serializer 'marshal' is not accepted here" in text_of(only(session))
        assert session.closing

    def test_native_is_refused_before_it_was_agreed_on(self) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(
            connect(serializer=NATIVE, annotations={"CAPS": NATIVE_OFFER})
        )

        assert b"native serializer was not agreed on" in bytes(only(session).payload)
        assert session.closing

    def test_a_connect_is_limited_more_than_later_messages(self) -> None:
        session = ServerSession(SessionSettings(handshake_message_size=1000))

        session.receive_data(connect("x" * 1000)[:HEADER_SIZE])

        assert "message too large" in text_of(only(session))
        assert session.closing
        session = opened(settings=SessionSettings(handshake_message_size=1000))
        assert received(session, invoke("x" * 1000)).kind == MessageType.INVOKE

    def test_a_compressed_connect_is_limited_by_what_it_inflates_to(self) -> None:
        session = ServerSession(SessionSettings(handshake_message_size=1000))

        session.receive_data(connect("x" * 5000, compress=True))

        assert "message too large" in text_of(only(session))
        assert session.closing

    @pytest.mark.parametrize(
        "kind", [kind for kind in MessageType if kind is not MessageType.CONNECT]
    )
    def test_nothing_but_a_connect_may_come_first(self, kind: MessageType) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(message(kind, b""))

        frame = only(session)
        assert f"invalid msg type {kind.value} received (expected: 1)" in text_of(frame)
        assert (frame.serializer_id, frame.sequence) == (MARSHAL.id, 0)
        assert session.closing

    def test_requests_that_come_early_wait_for_the_admission(self) -> None:
        session, request = validating(data=connect() + invoke(1, 2) + invoke(3, 4))
        assert session.events_received() == []

        session.send_accept(request, "hello", METADATA)

        calls = [
            session.read_call(frame).args
            for frame in session.events_received()
            if isinstance(frame, Frame)
        ]
        assert calls == [(1, 2), (3, 4)]

    def test_requests_that_come_early_are_lost_with_a_refusal(self) -> None:
        session, request = validating(data=connect() + invoke(1, 2))

        session.send_refusal(request, "no")

        assert session.events_received() == []
        assert len(sent(session)) == 1

    def test_an_admission_that_cannot_be_encoded_leaves_room_for_a_refusal(
        self,
    ) -> None:
        session, request = validating()

        with pytest.raises(SerializeError):
            session.send_accept(request, object(), METADATA)
        with pytest.raises(ProtocolError):
            session.send_accept(request, "hello", METADATA, {"TOO LONG": b""})
        session.send_refusal(request, "cannot say hello")

        assert only(session).kind == MessageType.CONNECTFAIL

    def test_a_client_that_has_left_cannot_be_admitted(self) -> None:
        session, request = validating()
        session.receive_eof()

        with pytest.raises(LocalProtocolError, match="closing"):
            session.send_accept(request, "hello", METADATA)

        assert session.data_to_send() == []

    def test_a_client_cannot_be_admitted_twice(self) -> None:
        session, request = validating()
        session.send_accept(request, "hello", METADATA)

        with pytest.raises(LocalProtocolError, match="open"):
            session.send_accept(request, "hello", METADATA)

        assert len(sent(session)) == 1

    @given(st.binary(max_size=100))
    def test_random_bytes_are_refused_or_waited_for(self, junk: bytes) -> None:
        session = ServerSession(SessionSettings())

        session.receive_data(junk)

        assert session.events_received() == []
        if session.closing:
            assert only(session).kind == MessageType.CONNECTFAIL


class TestRequests:
    def test_a_request_is_an_event_with_the_call_in_it(self) -> None:
        session = opened()

        frame = received(session, invoke(1, "two", annotations={"ABCD": b"x"}))

        assert session.read_call(frame) == Call(
            "thing", "add", (1, "two"), {}, batch=False
        )

    def test_a_whole_request_can_be_had_without_an_event(self) -> None:
        session = opened()

        frame = session.only_request(invoke(1))

        assert frame is not None
        assert session.read_call(frame).args == (1,)
        assert session.events_received() == []

    def test_what_is_not_one_whole_request_goes_the_usual_way(self) -> None:
        session = opened()
        data = invoke(1) + invoke(2)
        assert session.only_request(data) is None
        assert session.only_request(data[:30]) is None
        session.receive_data(data[:30])
        assert session.only_request(invoke(3)) is None

        session.receive_data(data[30:])

        assert len(session.events_received()) == 2

    def test_before_the_admission_there_is_no_short_way(self) -> None:
        assert ServerSession(SessionSettings()).only_request(invoke(1)) is None
        assert ServerSession(SessionSettings()).only_request(connect()) is None

    def test_a_batch_is_known_by_its_flag(self) -> None:
        session = opened()

        frame = received(session, invoke(("add", (1, 2), {}), flags=FLAG_BATCH))

        call = session.read_call(frame)
        assert call.batch
        assert list(call.args) == [("add", (1, 2), {})]

    def test_each_request_chooses_its_own_serializer(self) -> None:
        session = opened()

        for serializer in (SERPENT, JSON, MSGPACK):
            frame = received(session, invoke(1, serializer=serializer))
            assert list(session.read_call(frame).args) == [1]

    def test_marshal_is_refused_unless_it_is_accepted(self) -> None:
        session = opened()
        frame = received(session, invoke(1, serializer=MARSHAL))

        with pytest.raises(RemoteProtocolError, match="SERIALIZERS_ACCEPTED"):
            session.read_call(frame)

        session = opened(
            settings=SessionSettings(accepted_serializers=frozenset({1, 2}))
        )
        frame = received(session, invoke(1, serializer=MARSHAL))
        assert list(session.read_call(frame).args) == [1]

    def test_a_refused_serializer_is_not_even_tried(self) -> None:
        session = opened()
        frame = received(
            session, message(MessageType.INVOKE, b"\xff garbage", MARSHAL.id)
        )

        with pytest.raises(RemoteProtocolError, match="not accepted"):
            session.read_call(frame)

    def test_native_is_usable_only_if_agreed_on(self) -> None:
        frame = decode_one(invoke(1, serializer=NATIVE))
        with pytest.raises(RemoteProtocolError, match="not agreed on"):
            opened().read_call(frame)

        agreed = opened(data=connect(annotations={"CAPS": NATIVE_OFFER}))
        assert list(agreed.read_call(frame).args) == [1]

    def test_an_unknown_serializer_is_refused(self) -> None:
        session = opened()

        with pytest.raises(RemoteProtocolError, match="unknown serializer id 99"):
            session.read_call(received(session, message(MessageType.INVOKE, b"", 99)))

    @pytest.mark.parametrize(
        "value",
        [
            5,
            "text",
            (),
            ("thing", "add", ()),
            ("thing", "add", (), {}, 5),
            (5, "add", (), {}),
            ("thing", 5, (), {}),
            ("thing", "add", 5, {}),
            ("thing", "add", "args", {}),
            ("thing", "add", (), 5),
            ("thing", "add", (), []),
            ("thing", "add", (), {5: 6}),
        ],
    )
    def test_what_is_not_a_call_is_refused(self, value: object) -> None:
        session = opened()
        frame = received(session, message(MessageType.INVOKE, SERPENT.dumps(value)))

        with pytest.raises(SerializeError, match="malformed"):
            session.read_call(frame)

    def test_a_forbidden_class_is_refused(self) -> None:
        session = opened()
        payload = SERPENT.dumps(("thing", "add", [{"__class__": "__main__.Evil"}], {}))

        with pytest.raises(SecurityError):
            session.read_call(received(session, message(MessageType.INVOKE, payload)))

    def test_a_blob_without_routing_is_refused(self) -> None:
        session = opened()
        frame = received(session, invoke(1, flags=FLAG_KEEPSERIALIZED))

        with pytest.raises(RemoteProtocolError, match="BLBI"):
            session.read_call(frame)

    @pytest.mark.parametrize(
        "data",
        [
            b"junk that is no message",
            message(MessageType.INVOKE, b"")[:0x26] + b"\0\0",
            b"PYRO\x00\x30",
            connect(),
            message(MessageType.RESULT, b""),
            message(MessageType.CONNECTOK, b""),
        ],
    )
    def test_what_is_no_request_ends_the_conversation_without_an_answer(
        self, data: bytes
    ) -> None:
        session = opened()

        session.receive_data(invoke(1) + data)

        assert len(session.events_received()) == 1
        assert session.closing
        assert session.error
        assert session.data_to_send() == []

    def test_a_request_that_is_too_large_is_refused_in_its_turn_and_the_last(
        self,
    ) -> None:
        session = opened(settings=SessionSettings(max_message_size=1000))

        session.receive_data(
            invoke(1, sequence=8) + invoke("x" * 1000, sequence=9)[:HEADER_SIZE]
        )

        first, second = session.events_received()
        assert isinstance(first, Frame)
        assert isinstance(second, RefusedRequest)
        assert (first.sequence, second.sequence) == (8, 9)
        assert session.data_to_send() == []
        with pytest.raises(MessageTooLargeError, match="max=1000"):
            session.read_call(second)
        assert session.closing

    def test_a_request_with_bad_annotations_is_refused_in_its_turn(self) -> None:
        session = opened(settings=SessionSettings(max_annotations=1))
        data = [
            invoke(1, sequence=8),
            invoke(2, sequence=9, annotations={"ABCD": b"x", "EFGH": b"y"}),
            invoke(3, sequence=10),
        ]

        session.receive_data(b"".join(data))

        first, second, third = session.events_received()
        assert isinstance(first, Frame)
        assert isinstance(second, RefusedRequest)
        assert isinstance(third, Frame)
        assert session.data_to_send() == []
        assert session.read_call(first).args == (1,)
        with pytest.raises(RemoteProtocolError, match="more than 1 chunk"):
            session.read_call(second)
        assert session.read_call(third).args == (3,)
        assert not session.closing

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (
                message(
                    MessageType.INVOKE, b"no zlib", flags=FLAG_COMPRESSED, sequence=9
                ),
                ProtocolError,
            ),
            (invoke("x" * 5000, compress=True, sequence=9), MessageTooLargeError),
        ],
    )
    def test_a_request_that_cannot_be_inflated_is_found_out_when_it_is_read(
        self, data: bytes, error: type[Exception]
    ) -> None:
        session = opened(settings=SessionSettings(max_message_size=1000))

        session.receive_data(data + invoke(1))

        broken, sound = session.events_received()
        assert isinstance(broken, Frame)
        assert isinstance(sound, Frame)
        with pytest.raises(error):
            session.read_call(broken)
        assert session.read_call(sound).args == (1,)
        assert not session.closing

    def test_a_compressed_request_is_inflated_when_it_is_read(self) -> None:
        session = opened()

        session.receive_data(invoke("x" * 5000, compress=True))

        (frame,) = session.events_received()
        assert isinstance(frame, Frame)
        assert len(frame.payload) < 1000
        assert session.read_call(frame).args == ("x" * 5000,)

    def test_nothing_is_answered_to_a_broken_oneway_request(self) -> None:
        session = opened()

        session.receive_data(
            message(
                MessageType.INVOKE,
                b"x",
                flags=FLAG_ONEWAY,
                annotations=dict.fromkeys(map(str, range(1000, 1300)), b""),
            )
        )

        assert session.data_to_send() == []
        assert not session.closing

    def test_the_clients_end_is_not_an_error_between_messages(self) -> None:
        session = opened()
        session.receive_data(invoke(1))
        session.receive_eof()

        assert session.closing
        assert session.error is None
        assert len(session.events_received()) == 1

    def test_the_clients_end_in_the_middle_of_a_message_is_noted(self) -> None:
        session = opened()
        session.receive_data(invoke(1)[:-1])
        session.receive_eof()

        assert session.error == "the client left in the middle of a message"

    def test_the_end_can_come_at_any_time(self) -> None:
        ServerSession(SessionSettings()).receive_eof()
        session, request = validating()
        session.send_refusal(request, "no")
        session.receive_eof()
        session.receive_eof()

        assert session.closing

    def test_what_is_missing_is_known_in_the_middle_of_a_message(self) -> None:
        session = opened()
        data = invoke("x" * 1000)
        assert session.missing == 0
        session.receive_data(data[:100])
        assert session.missing == len(data) - 100

    def test_a_connected_conversation_begins_with_a_request(self) -> None:
        session = ServerSession(SessionSettings(), connected=True)

        assert received(session, invoke(1)).kind == MessageType.INVOKE
        session.receive_data(connect())
        assert session.closing


class TestAnswers:
    @staticmethod
    def request(**fields: Any) -> tuple[ServerSession, Frame]:
        session = opened(settings=fields.pop("settings", SessionSettings()))
        return session, received(session, invoke(1, **fields))

    @pytest.mark.parametrize("serializer", [SERPENT, JSON, MSGPACK])
    def test_a_result_is_written_as_its_request_was(self, serializer: Any) -> None:
        session, request = self.request(serializer=serializer, sequence=77)

        session.send_result(request, [1, "two"], {"ABCD": b"x"}, CORRELATION)

        frame = only(session)
        assert frame.kind == MessageType.RESULT
        assert (frame.serializer_id, frame.sequence) == (serializer.id, 77)
        assert frame.correlation_id == CORRELATION
        assert bytes(frame.annotations["ABCD"]) == b"x"
        assert read_reply(frame, serializer.id) == [1, "two"]

    def test_a_result_that_cannot_be_sent_leaves_room_for_an_exception(self) -> None:
        session, request = self.request(settings=SessionSettings(max_message_size=5000))

        with pytest.raises(SerializeError):
            session.send_result(request, object())
        with pytest.raises(MessageTooLargeError):
            session.send_result(request, "x" * 6000)
        with pytest.raises(LocalProtocolError):
            session.send_result(request, 1, {"ABCD": "text"})
        assert session.data_to_send() == []

        session.send_exception(request, ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            read_reply(only(session), SERPENT.id)

    def test_an_exception_has_its_flag(self) -> None:
        session, request = self.request(correlation_id=CORRELATION)

        session.send_exception(request, KeyError("missing"))

        frame = only(session)
        assert frame.flags & FLAG_EXCEPTION
        assert frame.correlation_id == CORRELATION
        with pytest.raises(KeyError, match="missing"):
            read_reply(frame, SERPENT.id)

    def test_an_exception_that_cannot_be_encoded_is_told_of(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        session, request = self.request()
        error = ValueError("bad", object())
        error._pyroTraceback = ["remote line\n"]  # type: ignore[attr-defined] # documented

        with caplog.at_level(logging.WARNING):
            session.send_exception(request, error, {"ABCD": b"x"})

        with pytest.raises(
            PyroError, match=r"could not be sent as it is.*ValueError"
        ) as caught:
            read_reply(only(session), SERPENT.id)
        assert "remote line" in caught.value.__notes__[0]
        assert "could not be sent" in caplog.text

    def test_an_exception_that_is_too_large_is_told_of(self) -> None:
        session, request = self.request(settings=SessionSettings(max_message_size=5000))

        session.send_exception(request, ValueError("x" * 10_000))

        with pytest.raises(PyroError, match="could not be sent as it is"):
            read_reply(only(session), SERPENT.id)

    def test_illegal_annotations_do_not_cost_the_exception(self) -> None:
        session, request = self.request()

        session.send_exception(request, KeyError("missing"), {"TOO LONG": b"x"})

        with pytest.raises(KeyError, match="missing"):
            read_reply(only(session), SERPENT.id)

    def test_an_exception_that_is_false_is_sent_as_it_is(self) -> None:
        class EmptyError(ValueError):
            def __bool__(self) -> bool:
                return False

        session, request = self.request()

        session.send_exception(request, EmptyError("empty"))

        with pytest.raises(Exception, match="empty") as caught:
            read_reply(only(session), SERPENT.id)
        assert "could not be sent" not in str(caught.value)

    def test_where_nothing_can_be_sent_the_conversation_ends(self) -> None:
        session, request = self.request()
        session._settings = SessionSettings(max_message_size=10)

        session.send_exception(request, ValueError("bad"))

        assert session.data_to_send() == []
        assert session.closing
        assert session.error == "no answer could be sent"

    @pytest.mark.parametrize("serializer_id", [99, NATIVE.id])
    def test_an_exception_comes_in_serpent_where_the_choice_is_of_no_use(
        self, serializer_id: int
    ) -> None:
        session = opened()
        request = received(session, message(MessageType.INVOKE, b"", serializer_id))

        session.send_exception(request, ValueError("no"))

        assert only(session).serializer_id == SERPENT.id

    def test_nothing_is_sent_for_a_oneway_request(self) -> None:
        session, request = self.request(flags=FLAG_ONEWAY)

        session.send_exception(request, ValueError("no"))

        assert session.data_to_send() == []

    def test_a_stream_is_announced(self) -> None:
        session, request = self.request()

        session.send_result(request, StreamStarted("some-id"), {"ABCD": b"x"})

        frame = only(session)
        assert (
            frame.flags & (FLAG_EXCEPTION | FLAG_STREAM) == FLAG_EXCEPTION | FLAG_STREAM
        )
        assert bytes(frame.annotations["STRM"]) == b"some-id"
        assert bytes(frame.annotations["ABCD"]) == b"x"
        assert isinstance(SERPENT.loads(frame.payload), ProtocolError)

    def test_a_stream_is_not_announced_where_there_is_no_streaming(self) -> None:
        session, request = self.request()

        session.send_result(request, StreamStarted(None))

        with pytest.raises(ProtocolError, match="ITER_STREAMING is off"):
            read_reply(only(session), SERPENT.id)

    def test_the_results_of_a_batch_keep_their_flag(self) -> None:
        session, request = self.request(flags=FLAG_BATCH)

        session.send_result(request, [1, ExceptionWrapper(ValueError("bad"))])

        frame = only(session)
        assert frame.flags & FLAG_BATCH
        first, wrapper = read_reply(frame, SERPENT.id)
        assert first == 1
        assert repr(wrapper.exception) == "ValueError('bad')"

    def test_of_a_batch_only_the_result_that_cannot_be_sent_is_replaced(self) -> None:
        session, request = self.request(flags=FLAG_BATCH)

        session.send_result(
            request, [1, object(), 3, ExceptionWrapper(ValueError("bad", object()))]
        )

        first, second, third, fourth = read_reply(only(session), SERPENT.id)
        assert (first, third) == (1, 3)
        assert isinstance(second.exception, SerializeError)
        assert "could not be sent as it is" in str(fourth.exception)

    def test_a_pong_repeats_what_the_ping_had(self) -> None:
        session = opened()
        ping = received(
            session,
            message(
                MessageType.PING, b"x", 42, sequence=999, correlation_id=CORRELATION
            ),
        )

        session.send_pong(ping, {"ABCD": b"x"})

        frame = only(session)
        assert frame == Frame(
            MessageType.PING, 42, 0x40, 999, b"pong", {"ABCD": b"x"}, CORRELATION
        )

    def test_answers_are_compressed_if_wanted(self) -> None:
        session, request = self.request(settings=SessionSettings(compress=True))

        session.send_result(request, "x" * 1000)

        data = b"".join(session.data_to_send())
        assert len(data) < 200
        assert read_reply(decode_one(data), SERPENT.id) == "x" * 1000
