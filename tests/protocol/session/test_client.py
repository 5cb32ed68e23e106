from __future__ import annotations

from typing import Any

import pytest

from protocol.golden import decode_all, decode_one
from pyro_protocol.errors import (
    ConnectionClosedError,
    LocalProtocolError,
    MessageTooLargeError,
    ProtocolError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ClientSession,
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType, encode_frame

SERPENT = serializers["serpent"]
METADATA = {"methods": ["add"], "oneway": ["note"], "attrs": ["level"]}
NATIVE_OFFER = b'{"version":1,"capabilities":{"native":{"version":1}}}'


def message(
    kind: MessageType,
    value: object,
    sequence: int = 0,
    serializer: Any = SERPENT,
    **fields: Any,
) -> bytes:
    flags = fields.pop("flags", 0)
    payload = serializer.dumps(value)
    return b"".join(
        encode_frame(kind, serializer.id, flags, sequence, payload, **fields)
    )


def connect_ok(
    handshake: object = "hello", meta: object = METADATA, **fields: Any
) -> bytes:
    value = {"handshake": handshake, "meta": meta}
    return message(MessageType.CONNECTOK, value, **fields)


def result(value: object, sequence: int, **fields: Any) -> bytes:
    return message(MessageType.RESULT, value, sequence, **fields)


def connecting(**options: Any) -> ClientSession:
    settings = options.pop("settings", SessionSettings())
    session = ClientSession(settings, **options)
    session.send_connect(SERPENT, "thing", "hello")
    return session


def opened(**options: Any) -> ClientSession:
    session = connecting(**options)
    session.receive_data(connect_ok())
    session.events_received()
    session.data_to_send()
    return session


def call(session: ClientSession, **options: Any) -> int:
    return session.send_call(SERPENT, "thing", "add", (1, 2), {}, **options)


class TestHandshake:
    def test_it_begins_with_a_connect(self) -> None:
        session = ClientSession(SessionSettings(), capabilities=(), sequence=5)

        session.send_connect(
            SERPENT, "thing", {"user": "me"}, {"ABCD": b"x"}, bytes(range(16))
        )

        frame = decode_one(b"".join(session.data_to_send()))
        assert (frame.kind, frame.serializer_id, frame.sequence) == (1, 1, 5)
        assert SERPENT.loads(frame.payload) == {
            "handshake": {"user": "me"},
            "object": "thing",
        }
        assert {key: bytes(value) for key, value in frame.annotations.items()} == {
            "ABCD": b"x"
        }
        assert frame.correlation_id == bytes(range(16))
        assert session.state is ClientState.CONNECTING
        assert session.data_to_send() == []

    def test_capabilities_are_offered(self) -> None:
        frame = decode_one(b"".join(connecting().data_to_send()))

        assert bytes(frame.annotations["CAPS"]) == NATIVE_OFFER

    def test_it_cannot_begin_twice(self) -> None:
        with pytest.raises(LocalProtocolError, match="begun already"):
            connecting().send_connect(SERPENT, "thing", "hello")
        with pytest.raises(LocalProtocolError, match="begun already"):
            ClientSession(SessionSettings(), connected=True).send_connect(
                SERPENT, "thing", "hello"
            )

    def test_a_handshake_that_cannot_be_encoded_leaves_the_session_as_it_was(
        self,
    ) -> None:
        session = ClientSession(SessionSettings())

        with pytest.raises(SerializeError):
            session.send_connect(SERPENT, "thing", object())

        assert session.state is ClientState.UNCONNECTED
        assert session.data_to_send() == []

    def test_the_servers_admission_is_an_event(self) -> None:
        session = connecting()

        session.receive_data(connect_ok("welcome", annotations={"ABCD": b"x"}))

        (accepted,) = session.events_received()
        assert isinstance(accepted, ConnectAccepted)
        assert accepted.handshake == "welcome"
        assert accepted.methods == {"add"}
        assert accepted.oneway == {"note"}
        assert accepted.attributes == {"level"}
        assert bytes(accepted.annotations["ABCD"]) == b"x"
        assert session.state is ClientState.OPEN
        assert session.events_received() == []

    @pytest.mark.parametrize("names", [(), [], set(), ("a",), {"a"}])
    def test_names_may_come_in_any_collection(self, names: Any) -> None:
        session = connecting()
        meta = {"methods": names, "oneway": (), "attrs": set()}

        session.receive_data(connect_ok(meta=meta))

        (accepted,) = session.events_received()
        assert isinstance(accepted, ConnectAccepted)
        assert accepted.methods == frozenset(names)

    def test_native_is_in_force_only_if_the_server_agreed(self) -> None:
        agreed, silent = connecting(), connecting()

        agreed.receive_data(connect_ok(annotations={"CAPS": NATIVE_OFFER}))
        silent.receive_data(connect_ok())

        assert agreed.native
        assert not silent.native

    def test_a_server_cannot_force_what_was_not_offered(self) -> None:
        session = connecting(capabilities=())

        session.receive_data(connect_ok(annotations={"CAPS": NATIVE_OFFER}))

        assert not session.native

    def test_the_programs_annotations_do_not_show_the_offer(self) -> None:
        session = connecting()
        session.receive_data(connect_ok(annotations={"CAPS": NATIVE_OFFER}))

        (accepted,) = session.events_received()
        assert isinstance(accepted, ConnectAccepted)
        assert accepted.annotations == {}

    def test_the_servers_refusal_is_an_event(self) -> None:
        session = connecting()

        session.receive_data(message(MessageType.CONNECTFAIL, "access denied"))

        assert session.events_received() == [ConnectRefused("access denied")]
        assert session.state is ClientState.CLOSED

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("nonsense", "incomplete"),
            (["handshake", "meta"], "incomplete"),
            ({"handshake": "hello"}, "incomplete"),
            ({"meta": METADATA}, "incomplete"),
            ({"handshake": "hello", "meta": 5}, "incomplete"),
            ({"handshake": "hello", "meta": {}}, "'methods'"),
            ({"handshake": "hello", "meta": METADATA | {"attrs": 5}}, "'attrs'"),
            (
                {"handshake": "hello", "meta": METADATA | {"methods": "add"}},
                "'methods'",
            ),
            ({"handshake": "hello", "meta": METADATA | {"oneway": [5]}}, "'oneway'"),
        ],
    )
    def test_an_incomplete_admission_ends_the_conversation(
        self, value: object, text: str
    ) -> None:
        session = connecting()

        with pytest.raises(RemoteProtocolError, match=text):
            session.receive_data(message(MessageType.CONNECTOK, value))

        assert session.state is ClientState.CLOSED

    def test_an_admission_that_cannot_be_decoded_ends_the_conversation(self) -> None:
        session = connecting()

        with pytest.raises(SerializeError):
            session.receive_data(b"".join(encode_frame(2, 1, 0, 0, b"((((")))

        assert session.state is ClientState.CLOSED

    def test_an_admission_that_names_a_forbidden_class_ends_the_conversation(
        self,
    ) -> None:
        session = connecting()
        forbidden = {"__class__": "__main__.Evil"}

        with pytest.raises(ProtocolError, match=r"__main__.Evil"):
            session.receive_data(connect_ok(handshake=forbidden))

        assert session.state is ClientState.CLOSED

    @pytest.mark.parametrize("name", ["marshal", "json"])
    def test_the_server_cannot_choose_what_its_admission_is_read_with(
        self, name: str
    ) -> None:
        session = connecting()

        with pytest.raises(SerializeError, match="was made with 1"):
            session.receive_data(connect_ok(serializer=serializers[name]))

        assert session.state is ClientState.CLOSED

    @pytest.mark.parametrize("kind", [2, 3])
    def test_an_unknown_serializer_ends_the_conversation(self, kind: int) -> None:
        with pytest.raises(SerializeError, match="99"):
            connecting().receive_data(b"".join(encode_frame(kind, 99, 0, 0, b"")))

    def test_a_refusal_in_malformed_marshal_ends_the_conversation(self) -> None:
        session = connecting()

        with pytest.raises(SerializeError):
            session.receive_data(b"".join(encode_frame(3, 2, 0, 0, b"\xff\xff")))

        assert session.state is ClientState.CLOSED

    @pytest.mark.parametrize(
        "kind", [MessageType.RESULT, MessageType.PING, MessageType.CONNECT]
    )
    def test_only_the_answer_to_connect_may_come_first(self, kind: MessageType) -> None:
        with pytest.raises(RemoteProtocolError, match="invalid msg type"):
            connecting().receive_data(message(kind, "x"))

    def test_the_server_must_not_speak_first(self) -> None:
        session = ClientSession(SessionSettings())

        with pytest.raises(RemoteProtocolError, match="before it was asked"):
            session.receive_data(connect_ok())

    def test_a_second_admission_ends_the_conversation(self) -> None:
        session = opened()

        with pytest.raises(RemoteProtocolError, match="invalid msg type 2"):
            session.receive_data(connect_ok())

    def test_an_answer_to_another_version_says_so(self) -> None:
        with pytest.raises(ProtocolError, match="invalid protocol version: 48"):
            connecting().receive_data(b"PYRO\x00\x30")

    def test_an_answer_may_arrive_together_with_the_admission(self) -> None:
        session = connecting()
        with pytest.raises(
            RemoteProtocolError, match="request 9, which is not waiting"
        ):
            session.receive_data(connect_ok() + result(5, 9))


class TestCalls:
    def test_each_request_has_the_next_sequence_number(self) -> None:
        session = opened(sequence=0xFFFE)

        assert [call(session) for _ in range(3)] == [0xFFFF, 0, 1]
        assert session.sequence == 1
        frames = decode_all(b"".join(session.data_to_send()))
        assert [frame.sequence for frame in frames] == [0xFFFF, 0, 1]

    def test_answers_belong_to_requests_by_their_number(self) -> None:
        session = opened()
        first, second = call(session), call(session)

        session.receive_data(result("second", second) + result("first", first))

        events = session.events_received()
        assert [
            (event.sequence, SERPENT.loads(event.payload))
            for event in events
            if isinstance(event, Frame)
        ] == [(second, "second"), (first, "first")]

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize("sequence", [0, 2, 0xFFFF])
    def test_an_answer_nobody_waits_for_ends_the_conversation(
        self, sequence: int, whole: bool
    ) -> None:
        session = opened()
        assert call(session) == 1

        with pytest.raises(
            RemoteProtocolError, match=f"request {sequence}, which is not"
        ):
            self.receive(session, result(5, sequence), whole=whole)

        assert session.state is ClientState.CLOSED

    @pytest.mark.parametrize("whole", [True, False])
    def test_the_same_request_is_not_answered_twice(self, whole: bool) -> None:
        session = opened()
        sequence = call(session)
        self.receive(session, result(5, sequence), whole=whole)
        session.events_received()

        with pytest.raises(RemoteProtocolError, match="not waiting"):
            self.receive(session, result(5, sequence), whole=whole)

    @staticmethod
    def receive(session: ClientSession, data: bytes, *, whole: bool) -> None:
        if not whole or session.only_reply(data) is None:
            session.receive_data(data)

    def test_a_whole_answer_can_be_had_without_an_event(self) -> None:
        session = opened()
        sequence = call(session)

        frame = session.only_reply(result("x", sequence))

        assert frame is not None
        assert SERPENT.loads(frame.payload) == "x"
        assert session.events_received() == []

    def test_what_is_not_one_whole_answer_goes_the_usual_way(self) -> None:
        session = opened()
        first, second = call(session), call(session)
        data = result("x", first) + result("y", second)

        assert session.only_reply(data) is None
        assert session.only_reply(data[:20]) is None
        session.receive_data(data[:20])
        assert session.only_reply(data[20:]) is None
        session.receive_data(data[20:])

        assert len(session.events_received()) == 2

    def test_a_oneway_request_has_no_answer(self) -> None:
        session = opened()
        sequence = call(session, flags=FLAG_ONEWAY)

        with pytest.raises(RemoteProtocolError, match="not waiting"):
            session.receive_data(result(5, sequence))

    def test_a_ping_is_answered_like_a_request(self) -> None:
        session = opened()
        sequence = session.send_ping()
        frame = decode_one(b"".join(session.data_to_send()))
        assert (frame.kind, bytes(frame.payload)) == (MessageType.PING, b"ping")

        session.receive_data(b"".join(encode_frame(6, 2, 0, sequence, b"pong")))

        (answer,) = session.events_received()
        assert isinstance(answer, Frame)
        assert answer.kind == MessageType.PING

    @pytest.mark.parametrize(
        "session", [ClientSession(SessionSettings()), connecting()]
    )
    def test_before_the_admission_nothing_can_be_asked(
        self, session: ClientSession
    ) -> None:
        with pytest.raises(LocalProtocolError, match="not open"):
            call(session)
        with pytest.raises(LocalProtocolError, match="not open"):
            session.send_ping()

    def test_a_request_that_cannot_be_encoded_changes_nothing(self) -> None:
        session = opened(settings=SessionSettings(max_message_size=200))

        with pytest.raises(SerializeError):
            session.send_call(SERPENT, "thing", "add", (object(),), {})
        with pytest.raises(MessageTooLargeError):
            session.send_call(SERPENT, "thing", "add", ("x" * 200,), {})
        with pytest.raises(ProtocolError):
            call(session, annotations={"TOOLONG": b""})

        assert session.data_to_send() == []
        assert session.sequence == 0
        assert session.state is ClientState.OPEN
        assert call(session) == 1

    def test_requests_are_compressed_if_wanted(self) -> None:
        session = opened(settings=SessionSettings(compress=True))

        session.send_call(SERPENT, "thing", "echo", ("x" * 1000,), {})

        assert len(b"".join(session.data_to_send())) < 200

    def test_an_answer_that_is_too_large_ends_the_conversation(self) -> None:
        session = opened(settings=SessionSettings(max_message_size=200))
        sequence = call(session)

        with pytest.raises(MessageTooLargeError):
            session.receive_data(result("x" * 300, sequence))

        assert session.state is ClientState.CLOSED

    def test_a_connected_conversation_begins_with_a_call(self) -> None:
        session = ClientSession(SessionSettings(), connected=True)

        assert call(session) == 1
        session.receive_data(result(3, 1))

        assert len(session.events_received()) == 1

    def test_what_is_missing_is_known_in_the_middle_of_a_message(self) -> None:
        session = opened()
        sequence = call(session)
        data = result("x" * 1000, sequence)
        assert session.missing == 0

        session.receive_data(data[:100])
        assert session.missing == len(data) - 100
        session.receive_data(data[100:])
        assert session.missing == 0


@pytest.mark.parametrize(
    ("received", "text"),
    [
        (b"", "before it answered"),
        (result("x", 1)[:-1], "in the middle of a message"),
        (b"PYRO", "in the middle of a message"),
    ],
)
def test_the_servers_end_is_an_error_that_says_what_was_missing(
    received: bytes, text: str
) -> None:
    session = opened()
    call(session)
    session.receive_data(received)

    with pytest.raises(ConnectionClosedError, match=text):
        session.receive_eof()

    assert session.state is ClientState.CLOSED


def test_the_servers_end_during_the_handshake_is_told_as_such() -> None:
    with pytest.raises(
        ConnectionClosedError, match="instead of answering the handshake"
    ):
        connecting().receive_eof()
