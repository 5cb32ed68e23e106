from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.conversation import Pair
from protocol.golden import decode_all, decode_one
from pyro_protocol.errors import (
    CallCancelledError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    SUPPORTED_CAPABILITIES,
    Agreement,
    CallCancelled,
    ClientSession,
    ConnectRequest,
    PongReceived,
    RefusedRequest,
    ServerSession,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_ONEWAY,
    Frame,
    MessageType,
    encode_frame,
)

Session = ClientSession | ServerSession

NATIVE, SERPENT = serializers["native"], serializers["serpent"]
METADATA = {"methods": {"add"}, "oneway": set[str](), "attrs": set[str]()}
ALL = SUPPORTED_CAPABILITIES
NUMBERS = 0x1_0000

# Message types with the capabilities that each needs, by the end that receives it.
STREAM_KINDS = {
    kind: {"chunks"}
    for kind in (
        MessageType.ITEMS,
        MessageType.END,
        MessageType.CREDIT,
        MessageType.CLOSE,
        MessageType.WANT,
    )
}
NEEDED_BY_A_SERVER = STREAM_KINDS | {
    MessageType.CANCEL: {"cancel"},
    MessageType.RESULT: {"callbacks"},
}
NEEDED_BY_A_CLIENT = STREAM_KINDS | {
    MessageType.CANCEL: {"cancel", "callbacks"},
    MessageType.INVOKE: {"callbacks"},
}
OF_THE_HANDSHAKE = [
    MessageType.CONNECT,
    MessageType.CONNECTOK,
    MessageType.CONNECTFAIL,
]


def message(kind: int, sequence: int = 0, payload: bytes = b"", **fields: Any) -> bytes:
    values = {"serializer_id": 0, "flags": 0} | fields
    return b"".join(encode_frame(kind, sequence=sequence, payload=payload, **values))


def invoke(sequence: int, flags: int = 0) -> bytes:
    payload = SERPENT.dumps_call("thing", "add", (sequence,), {})
    return message(MessageType.INVOKE, sequence, payload, serializer_id=1, flags=flags)


def result(sequence: int, value: object = None) -> bytes:
    return message(
        MessageType.RESULT, sequence, SERPENT.dumps(value), serializer_id=SERPENT.id
    )


def carry(source: Session, target: Session) -> None:
    target.receive_data(b"".join(source.data_to_send()))


def opened(
    *names: str, settings: SessionSettings | None = None
) -> tuple[ClientSession, ServerSession]:
    """Return both ends of a conversation in which capabilities are in force."""
    pair = Pair(names, server_settings=settings)
    return pair.client, pair.server


def call(
    session: Session, value: object = None, flags: int = 0, serializer: Any = SERPENT
) -> int:
    return session.send_call(serializer, "thing", "add", (value,), {}, flags)


def frames(session: Session) -> list[Frame]:
    taken: list[Frame] = []
    for event in session.events_received():
        assert isinstance(event, Frame)
        taken.append(event)
    return taken


def sequences(session: Session) -> list[int]:
    return [frame.sequence for frame in frames(session)]


def assert_in_order(client: ClientSession, server: ServerSession) -> None:
    """Make a call, and have it answered."""
    number = call(client, "still here")
    carry(client, server)
    (request,) = frames(server)
    server.send_result(request, "yes")
    carry(server, client)
    (answer,) = frames(client)
    assert answer.sequence == number
    assert read_reply(answer, SERPENT.id) == "yes"


class TestAgreement:
    @pytest.mark.parametrize("name", sorted(ALL))
    def test_a_capability_is_in_force_if_both_name_it(self, name: str) -> None:
        assert [end.capabilities for end in opened(name)] == [{name}, {name}]

    def test_each_side_learns_the_limits_of_the_other(self) -> None:
        limits = SessionSettings(max_in_flight=7, max_streams=3)
        client, server = opened(*ALL, settings=limits)

        assert client.agreement == Agreement(
            ALL, {"multiplex": 7, "callbacks": 7, "chunks": 3}
        )
        assert server.agreement == Agreement(
            ALL, {"multiplex": 1000, "callbacks": 1000, "chunks": 1000}
        )
        assert client.free_slots == 7
        assert server.free_slots == 1000

    def test_a_server_answers_with_what_is_in_force_and_its_own_limits(self) -> None:
        client = ClientSession(SessionSettings(), capabilities=["multiplex", "cancel"])
        server = ServerSession(
            SessionSettings(max_in_flight=7), capabilities=["multiplex", "native"]
        )
        client.send_connect(SERPENT, "thing", "hello")
        carry(client, server)
        (request,) = server.events_received()
        assert isinstance(request, ConnectRequest)
        assert request.capabilities == {"multiplex"}
        server.send_accept(request, "hello", METADATA)

        answer = decode_one(b"".join(server.data_to_send()))

        assert bytes(answer.annotations["CAPS"]) == (
            b'{"version":1,"capabilities":{"multiplex":{"version":1,"window":7}}}'
        )

    def test_a_window_that_a_server_names_wrongly_is_no_agreement(self) -> None:
        for window in (b"0", b"65536", b"-1", b"1.0", b"true", b'"5"', b"null"):
            client = ClientSession(SessionSettings(), capabilities=ALL)
            client.send_connect(SERPENT, "thing", "hello")
            caps = (
                b'{"version":1,"capabilities":{"multiplex":{"version":1,"window":'
                + window
                + b'},"cancel":{"version":1}}}'
            )
            payload = SERPENT.dumps({"handshake": "hello", "meta": METADATA})
            client.receive_data(
                message(
                    MessageType.CONNECTOK,
                    payload=payload,
                    serializer_id=1,
                    annotations={"CAPS": caps},
                )
            )
            assert client.capabilities == {"cancel"}, window

    def test_on_a_socket_that_the_program_connected_nothing_is_in_force(self) -> None:
        client = ClientSession(SessionSettings(), capabilities=ALL, connected=True)
        server = ServerSession(SessionSettings(), capabilities=ALL, connected=True)

        assert client.capabilities == server.capabilities == set()
        assert server.free_slots == 0
        assert_in_order(client, server)

    def test_nothing_is_in_force_before_the_admission(self) -> None:
        client = ClientSession(SessionSettings(), capabilities=ALL)
        server = ServerSession(SessionSettings(), capabilities=ALL)
        client.send_connect(SERPENT, "thing", "hello")
        carry(client, server)

        assert client.capabilities == server.capabilities == set()
        assert client.free_slots == server.free_slots == 0
        for end in (client, server):
            with pytest.raises(LocalProtocolError, match="not open"):
                call(end)
            with pytest.raises(LocalProtocolError, match="'cancel' is not in force"):
                end.send_cancel(1)

    @pytest.mark.parametrize(
        ("kind", "missing"),
        [
            (kind, name)
            for kind, needed in NEEDED_BY_A_SERVER.items()
            for name in sorted(needed)
        ],
    )
    def test_a_client_must_not_use_what_is_not_in_force(
        self, kind: MessageType, missing: str
    ) -> None:
        _client, server = opened(*ALL - {missing})
        beside = opened(*ALL)

        server.receive_data(message(kind, 1, bytes(12)))

        assert server.closing
        assert server.error is not None
        assert f"invalid msg type {kind.value} received" in server.error
        assert server.events_received() == []
        assert server.signals_received() == []
        assert_in_order(*beside)

    @pytest.mark.parametrize(
        ("kind", "missing"),
        [
            (kind, name)
            for kind, needed in NEEDED_BY_A_CLIENT.items()
            for name in sorted(needed)
        ],
    )
    def test_a_server_must_not_use_what_is_not_in_force(
        self, kind: MessageType, missing: str
    ) -> None:
        client, _server = opened(*ALL - {missing})
        beside = opened(*ALL)

        with pytest.raises(RemoteProtocolError, match=f"type {kind.value} received"):
            client.receive_data(message(kind, 1, bytes(12)))

        assert client.state is ClientState.CLOSED
        assert client.events_received() == []
        assert client.signals_received() == []
        assert_in_order(*beside)

    @pytest.mark.parametrize("kind", OF_THE_HANDSHAKE)
    def test_there_is_no_second_handshake(self, kind: MessageType) -> None:
        client, server = opened(*ALL)

        server.receive_data(message(kind))
        with pytest.raises(RemoteProtocolError, match="invalid msg type"):
            client.receive_data(message(kind))

        assert server.closing
        assert client.state is ClientState.CLOSED

    @pytest.mark.parametrize("kind", [0, 13, 255])
    def test_a_type_that_does_not_exist_ends_the_conversation(self, kind: int) -> None:
        client, server = opened(*ALL)

        server.receive_data(message(kind))
        with pytest.raises(RemoteProtocolError, match="invalid msg type"):
            client.receive_data(message(kind))

        assert server.closing
        assert client.state is ClientState.CLOSED


class TestMultiplex:
    def test_a_call_and_its_answer_look_as_they_do_in_pyro5(self) -> None:
        client, server = opened("multiplex")
        call(client, 5)

        sent = b"".join(client.data_to_send())

        payload = b"# serpent utf-8 python3.2\n('thing','add',(5,),{})"
        assert sent.hex() == (
            "5059524f 01f6 04 01 0000 0001 00000031 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + payload.hex()
        )
        server.receive_data(sent)
        server.send_result(frames(server)[0], 6)
        answer = b"# serpent utf-8 python3.2\n6"
        assert b"".join(server.data_to_send()).hex() == (
            "5059524f 01f6 05 01 0000 0001 0000001b 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + answer.hex()
        )

    def test_it_works_byte_by_byte(self) -> None:
        client, server = opened(*ALL)
        for value in range(3):
            call(client, value)
        for byte in b"".join(client.data_to_send()):
            server.receive_data(bytes([byte]))
        for request in reversed(frames(server)):
            server.send_result(request, server.read_call(request).args[0])

        for byte in b"".join(server.data_to_send()):
            client.receive_data(bytes([byte]))

        assert [read_reply(one, SERPENT.id) for one in frames(client)] == [2, 1, 0]

    def test_the_short_ways_count_as_the_long_ones_do(self) -> None:
        client, server = opened("multiplex", settings=SessionSettings(max_in_flight=2))
        requests = [server.only_request(invoke(number)) for number in (1, 2)]
        assert None not in requests

        assert server.only_request(invoke(2)) is None
        assert server.only_request(invoke(3)) is None
        assert server.only_request(invoke(3, FLAG_ONEWAY)) is not None

        call(client)
        assert client.only_reply(result(1)) is not None
        with pytest.raises(RemoteProtocolError, match="request 1, which is not"):
            client.only_reply(result(1))
        assert client.state is ClientState.CLOSED

    def test_a_client_that_keeps_to_the_window_cannot_exceed_it(self) -> None:
        client, server = opened("multiplex", settings=SessionSettings(max_in_flight=2))
        call(client)
        assert client.free_slots == 1
        call(client)
        assert client.free_slots == 0
        sent = client.sequence

        with pytest.raises(LocalProtocolError, match="2 calls are in flight"):
            call(client)

        assert client.sequence == sent
        carry(client, server)
        first, _second = frames(server)
        server.send_result(first, None)
        carry(server, client)
        assert client.free_slots == 1
        call(client)
        carry(client, server)
        assert not server.closing

    def test_a_call_that_could_not_be_written_takes_no_place(self) -> None:
        client, _server = opened("multiplex", settings=SessionSettings(max_in_flight=1))

        with pytest.raises(SerializeError):
            call(client, object())
        with pytest.raises(ProtocolError):
            client.send_call(
                SERPENT, "thing", "add", (), {}, annotations={"TOO LONG": b""}
            )

        assert client.free_slots == 1
        assert client.data_to_send() == []
        assert call(client) == 1

    def test_oneway_requests_do_not_count(self) -> None:
        client, server = opened("multiplex", settings=SessionSettings(max_in_flight=1))
        call(client)

        for _ in range(10):
            call(client, flags=FLAG_ONEWAY)
        carry(client, server)

        requests = frames(server)
        assert len(requests) == 11
        assert len({request.sequence for request in requests}) == 11
        assert not server.closing
        server.send_exception(requests[1], ValueError("nobody wants to know"))
        assert server.data_to_send() == []
        assert client.free_slots == 0

    def test_a_request_beyond_the_window_ends_the_conversation(self) -> None:
        _client, server = opened("multiplex", settings=SessionSettings(max_in_flight=2))
        beside = opened("multiplex", settings=SessionSettings(max_in_flight=2))

        server.receive_data(invoke(1) + invoke(2) + invoke(3) + invoke(4))

        assert sequences(server) == [1, 2]
        assert server.closing
        assert server.error == "more than 2 requests are in flight"
        assert_in_order(*beside)

    def test_requests_that_came_before_the_admission_count(self) -> None:
        client = ClientSession(SessionSettings(), capabilities=["multiplex"])
        server = ServerSession(
            SessionSettings(max_in_flight=1), capabilities=["multiplex"]
        )
        client.send_connect(SERPENT, "thing", "hello")
        carry(client, server)
        server.receive_data(invoke(1) + invoke(2))
        (request,) = server.events_received()
        assert isinstance(request, ConnectRequest)

        server.send_accept(request, "hello", METADATA)

        assert sequences(server) == [1]
        assert server.error == "more than 1 requests are in flight"

    def test_a_number_that_is_in_flight_must_not_be_used_again(self) -> None:
        _client, server = opened("multiplex")
        server.receive_data(invoke(1))
        (request,) = frames(server)

        server.receive_data(invoke(1))

        assert server.closing
        assert server.error == "request 1 is in flight already"
        assert frames(server) == []
        # What was asked for before can still be answered.
        server.send_result(request, "done")
        assert decode_one(b"".join(server.data_to_send())).sequence == 1

    def test_a_number_can_be_used_again_once_it_was_answered(self) -> None:
        _client, server = opened("multiplex", settings=SessionSettings(max_in_flight=1))

        for _ in range(3):
            server.receive_data(invoke(1))
            (request,) = frames(server)
            server.send_result(request, None)

        assert not server.closing

    def test_a_malformed_request_is_in_flight_until_it_is_refused(self) -> None:
        client, server = opened("multiplex", settings=SessionSettings(max_in_flight=1))
        number = call(client)
        client.data_to_send()
        annotations = b"ABCD\xff\xff\xff\xff"
        malformed = bytearray(message(MessageType.INVOKE, number, annotations))
        # The last bytes are taken for annotations whose length is wrong.
        malformed[12:20] = bytes([0, 0, 0, 0, 0, 0, 0, 8])

        server.receive_data(bytes(malformed))

        (request,) = frames(server)
        assert isinstance(request, RefusedRequest)
        assert not server.closing
        with pytest.raises(ProtocolError) as caught:
            server.read_call(request)
        server.send_exception(request, caught.value)
        carry(server, client)
        (answer,) = frames(client)
        with pytest.raises(ProtocolError):
            read_reply(answer, SERPENT.id)
        assert_in_order(client, server)

    def test_malformed_requests_beyond_the_window_end_the_conversation(self) -> None:
        _client, server = opened("multiplex", settings=SessionSettings(max_in_flight=1))
        malformed = bytearray(message(MessageType.INVOKE, 2, bytes(8)))
        malformed[12:20] = bytes([0, 0, 0, 0, 0, 0, 0, 8])

        server.receive_data(invoke(1) + bytes(malformed))

        assert sequences(server) == [1]
        assert server.closing

    @pytest.mark.parametrize("number", [0, 2, 65535])
    def test_an_answer_to_no_request_ends_the_conversation(self, number: int) -> None:
        client, _server = opened("multiplex")
        beside = opened("multiplex")
        call(client)

        with pytest.raises(RemoteProtocolError, match=f"{number}, which is not"):
            client.receive_data(result(number))

        assert client.state is ClientState.CLOSED
        assert client.events_received() == []
        assert_in_order(*beside)

    def test_a_second_answer_ends_the_conversation(self) -> None:
        client, _server = opened("multiplex")
        call(client)

        with pytest.raises(RemoteProtocolError, match="which is not waiting"):
            client.receive_data(result(1) + result(1))

        assert sequences(client) == [1]
        assert client.state is ClientState.CLOSED

    def test_an_answer_to_a_oneway_request_ends_the_conversation(self) -> None:
        client, _server = opened("multiplex")
        number = call(client, flags=FLAG_ONEWAY)

        with pytest.raises(RemoteProtocolError, match="which is not waiting"):
            client.receive_data(result(number))

    def test_a_conversation_that_has_ended_takes_nothing_in(self) -> None:
        client, server = opened(*ALL)
        call(client)
        call(client)
        with pytest.raises(RemoteProtocolError):
            client.receive_data(result(9))
        server.receive_data(message(MessageType.CONNECT))

        with pytest.raises(ProtocolError):
            client.receive_data(result(1))
        assert client.only_reply(result(1)) is None
        server.receive_data(invoke(1))
        assert server.only_request(invoke(1)) is None

        assert client.events_received() == []
        assert server.events_received() == []
        assert client.free_slots == server.free_slots == 0


class TestSequenceNumbers:
    def test_they_wrap_around(self) -> None:
        client, server = opened("multiplex")
        client.sequence = NUMBERS - 2

        assert [call(client) for _ in range(3)] == [NUMBERS - 1, 0, 1]

        carry(client, server)
        for request in frames(server):
            server.send_result(request, None)
        carry(server, client)
        assert sequences(client) == [NUMBERS - 1, 0, 1]

    def test_one_that_is_in_flight_is_left_out_when_they_come_round(self) -> None:
        client, server = opened("multiplex")
        slow = [call(client), call(client)]
        for _ in range(NUMBERS - 2):
            client.send_request(1, b"", FLAG_ONEWAY)
        client.data_to_send()
        assert client.sequence == 0

        assert call(client, flags=FLAG_ONEWAY) == 3
        client.sequence = 0
        assert call(client) == 3

        assert slow == [1, 2]
        carry(client, server)
        assert not server.closing

    def test_a_plain_ping_leaves_out_what_is_in_flight(self) -> None:
        client, server = opened("multiplex")
        slow = call(client)
        client.sequence = slow - 1

        ping = client.send_ping()

        assert ping != slow
        carry(client, server)
        request, asked = frames(server)
        server.send_pong(asked)
        server.send_result(request, "done")
        carry(server, client)
        assert sequences(client) == [ping, slow]

    def test_the_largest_window_leaves_a_number_for_oneway_requests(self) -> None:
        most = NUMBERS - 1
        client, server = opened(
            "multiplex", settings=SessionSettings(max_in_flight=most)
        )
        numbers = {client.send_request(1, b"") for _ in range(most)}
        assert len(numbers) == most
        assert client.free_slots == 0
        with pytest.raises(LocalProtocolError, match="65535 calls are in flight"):
            client.send_request(1, b"")

        left = client.send_request(1, b"", FLAG_ONEWAY)

        assert left not in numbers
        carry(client, server)
        requests = frames(server)
        assert len(requests) == NUMBERS
        assert not server.closing
        server.receive_data(invoke(left))
        assert server.error == "more than 65535 requests are in flight"

    def test_without_a_window_one_number_is_left(self) -> None:
        client, _server = opened("cancel")
        assert client.free_slots == NUMBERS - 1
        for _ in range(NUMBERS - 1):
            client.send_request(1, b"")

        assert client.free_slots == 0
        with pytest.raises(LocalProtocolError, match="65535 calls are in flight"):
            client.send_request(1, b"")


class TestCancel:
    def test_the_message(self) -> None:
        client, _server = opened("cancel")
        number = call(client)
        client.data_to_send()

        assert client.send_cancel(number)

        assert b"".join(client.data_to_send()).hex() == (
            "5059524f 01f6 07 00 0000 0001 00000000 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
        )

    def test_a_cancelled_call_may_still_be_answered_with_its_result(self) -> None:
        client, server = opened("cancel")
        number = call(client)
        client.send_cancel(number)
        carry(client, server)
        (request,) = frames(server)

        server.send_result(request, "done all the same")

        carry(server, client)
        (answer,) = frames(client)
        assert read_reply(answer, SERPENT.id) == "done all the same"

    def test_what_a_method_returns_later_is_not_sent_as_a_second_answer(self) -> None:
        client, server = opened("cancel")
        client.send_cancel(call(client))
        carry(client, server)
        (request,) = frames(server)
        server.send_exception(request, CallCancelledError("cancelled"))

        with pytest.raises(LocalProtocolError, match="answered already"):
            server.send_result(request, "too late")

        carry(server, client)
        assert len(frames(client)) == 1

    def test_it_is_told_before_the_request_itself_is_taken(self) -> None:
        client, server = opened("cancel")
        number = call(client)
        client.send_cancel(number)

        carry(client, server)

        assert server.signals_received() == [CallCancelled(number)]
        assert sequences(server) == [number]

    def test_one_that_has_crossed_the_answer_is_ignored(self) -> None:
        client, server = opened("cancel")
        number = call(client)
        carry(client, server)
        (request,) = frames(server)
        server.send_result(request, "done")

        assert client.send_cancel(number)
        carry(client, server)
        carry(server, client)

        assert server.signals_received() == []
        assert not server.closing
        assert sequences(client) == [number]
        assert_in_order(client, server)

    def test_a_oneway_request_cannot_be_cancelled(self) -> None:
        client, server = opened("cancel")
        number = call(client, flags=FLAG_ONEWAY)

        assert not client.send_cancel(number)
        server.receive_data(
            invoke(number, FLAG_ONEWAY) + message(MessageType.CANCEL, number)
        )

        assert server.signals_received() == []
        assert not server.closing

    @pytest.mark.parametrize("number", [0, 1, 5, 65535])
    def test_one_for_a_call_that_never_was_is_ignored(self, number: int) -> None:
        client, server = opened("cancel")

        server.receive_data(message(MessageType.CANCEL, number))

        assert server.signals_received() == []
        assert_in_order(client, server)

    def test_a_call_can_be_cancelled_more_than_once(self) -> None:
        client, server = opened("cancel")
        number = call(client)
        client.send_cancel(number)
        client.send_cancel(number)

        carry(client, server)

        assert set(server.signals_received()) == {CallCancelled(number)}
        (request,) = frames(server)
        server.send_exception(request, CallCancelledError("cancelled"))
        carry(server, client)
        assert sequences(client) == [number]

    def test_it_does_not_free_the_place_before_the_answer(self) -> None:
        client, server = opened(
            "multiplex", "cancel", settings=SessionSettings(max_in_flight=1)
        )
        number = call(client)
        client.send_cancel(number)

        assert client.free_slots == 0
        with pytest.raises(LocalProtocolError, match="1 calls are in flight"):
            call(client)
        carry(client, server)
        server.receive_data(invoke(number + 1))
        assert server.closing

    def test_the_same_number_cancelled_and_used_again_is_not_cancelled_twice(
        self,
    ) -> None:
        client, server = opened("cancel")
        number = call(client)
        carry(client, server)
        (request,) = frames(server)
        client.send_cancel(number)
        server.send_result(request, "crossed")
        carry(server, client)
        assert sequences(client) == [number]
        client.sequence = number - 1

        assert call(client) == number
        carry(client, server)

        assert server.signals_received() == []
        assert sequences(server) == [number]

    def test_a_request_of_a_malformed_payload_can_be_cancelled_like_others(
        self,
    ) -> None:
        _client, server = opened("cancel")
        server.receive_data(
            message(MessageType.INVOKE, 1, b"junk", serializer_id=1)
            + message(
                MessageType.INVOKE, 2, b"junk", serializer_id=1, flags=FLAG_COMPRESSED
            )
        )

        server.receive_data(
            message(MessageType.CANCEL, 1) + message(MessageType.CANCEL, 2)
        )

        assert server.signals_received() == [CallCancelled(1), CallCancelled(2)]
        for request in frames(server):
            with pytest.raises((ProtocolError, SerializeError)):
                server.read_call(request)
            server.send_exception(request, CallCancelledError("cancelled"))
        assert len(decode_all(b"".join(server.data_to_send()))) == 2


class Side:
    """One end, and what its program believes."""

    def __init__(self, session: Session, window: int) -> None:
        self.session = session
        # How many calls the other end takes from this one.
        self.window = window
        # By sequence number, what each call made here is to be answered with.
        self.waiting: dict[int, int] = {}
        self.answered: list[int] = []
        # Calls made here, by what they are called with.
        self.made: set[int] = set()
        # Requests taken here that are not answered yet, and those to be cancelled.
        self.requests: list[Frame] = []
        self.cancelled: set[int] = set()
        self.told: set[int] = set()
        self.ping: int | None = None
        self.pongs = 0
        # Bytes on their way from here.
        self.wire = bytearray()


class ManyCalls(RuleBasedStateMachine):
    """Two ends, which do all they may, and bytes that arrive in any pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = count(1)
        self.oneway: set[int] = set()
        self.oneway_taken: list[int] = []

    @initialize(window=st.integers(1, 4), near=st.integers(NUMBERS - 4, NUMBERS - 1))
    def connect(self, window: int, near: int) -> None:
        client, server = opened(*ALL, settings=SessionSettings(max_in_flight=window))
        client.sequence = near
        server.sequence = near
        self.sides = [Side(client, window), Side(server, 1000)]

    @rule(who=st.integers(0, 1))
    def call(self, who: int) -> None:
        side = self.sides[who]
        token = next(self.tokens)
        if len(side.waiting) == side.window:
            assert side.session.free_slots == 0
            with pytest.raises(LocalProtocolError, match="in flight"):
                call(side.session, token, serializer=NATIVE)
            return
        number = call(side.session, token, serializer=NATIVE)
        assert number not in side.waiting
        assert 0 <= number < NUMBERS
        side.waiting[number] = token
        side.made.add(token)

    @rule(who=st.integers(0, 1))
    def call_oneway(self, who: int) -> None:
        side = self.sides[who]
        token = next(self.tokens)
        assert call(side.session, token, FLAG_ONEWAY, NATIVE) not in side.waiting
        self.oneway.add(token)

    @rule(who=st.integers(0, 1), choice=st.randoms(use_true_random=False))
    def come_round(self, who: int, choice: Any) -> None:
        """Let the numbers come round to one that is in flight."""
        side = self.sides[who]
        if side.waiting:
            reached = choice.choice(sorted(side.waiting))
            side.session.sequence = (reached - 1) % NUMBERS

    @rule(who=st.integers(0, 1), number=st.integers(0, 3) | st.just(NUMBERS - 1))
    def cancel(self, who: int, number: int) -> None:
        side = self.sides[who]
        if side.waiting and number < 3:
            number = sorted(side.waiting)[number % len(side.waiting)]
        assert side.session.send_cancel(number) == (number in side.waiting)

    @rule(who=st.integers(0, 1))
    def ask(self, who: int) -> None:
        side = self.sides[who]
        number = side.session.send_ping()
        assert side.ping in (None, number)
        side.ping = number

    @rule(
        who=st.integers(0, 1),
        which=st.integers(0, 10),
        how=st.sampled_from(["result", "annotated", "exception"]),
    )
    def answer(self, who: int, which: int, how: str) -> None:
        side = self.sides[who]
        if not side.requests:
            return
        request = side.requests.pop(which % len(side.requests))
        session = side.session
        (token,) = session.read_call(request).args
        if request.sequence in side.cancelled:
            side.cancelled.remove(request.sequence)
            session.send_exception(request, CallCancelledError(str(token)))
        elif how == "exception":
            session.send_exception(request, ValueError(str(token)))
        else:
            extra = {"ABCD": b"x"} if how == "annotated" else {}
            session.send_result(request, token, extra)

    @rule(who=st.integers(0, 1), size=st.integers(1, 300), short=st.booleans())
    def deliver(self, who: int, size: int, short: bool) -> None:
        source, target = self.sides[who], self.sides[1 - who]
        source.wire += b"".join(source.session.data_to_send())
        data = bytes(source.wire[:size])
        del source.wire[:size]
        session = target.session
        frame = None
        if short and isinstance(session, ServerSession):
            frame = session.only_request(data)
        elif short and isinstance(session, ClientSession):
            frame = session.only_reply(data)
        if frame is None:
            session.receive_data(data)
        self.take(target, frame)

    @rule(who=st.integers(0, 1))
    def deliver_one_message(self, who: int) -> None:
        source = self.sides[who]
        source.wire += b"".join(source.session.data_to_send())
        if len(source.wire) >= 40:
            size = (
                40
                + int.from_bytes(source.wire[12:16])
                + int.from_bytes(source.wire[16:20])
            )
            self.deliver(who, size, short=True)

    def take(self, side: Side, first: Frame | None) -> None:
        """Have a program deal with what has arrived."""
        for signal in side.session.signals_received():
            if isinstance(signal, CallCancelled):
                side.told.add(signal.sequence)
            else:
                assert signal == PongReceived(side.ping or 0)
                side.ping = None
                side.pongs += 1
        taken = frames(side.session)
        for frame in taken if first is None else [first, *taken]:
            if frame.kind == MessageType.INVOKE:
                self.take_request(side, frame)
            else:
                self.take_answer(side, frame)
        running = {request.sequence for request in side.requests}
        assert side.told <= running
        side.cancelled |= side.told
        side.told.clear()

    def take_request(self, side: Side, frame: Frame) -> None:
        (token,) = side.session.read_call(frame).args
        if frame.flags & FLAG_ONEWAY:
            self.oneway_taken.append(token)
        else:
            side.requests.append(frame)

    def take_answer(self, side: Side, frame: Frame) -> None:
        token = side.waiting.pop(frame.sequence)
        try:
            value = read_reply(frame, NATIVE.id)
        except (ValueError, CallCancelledError) as error:
            value = int(str(error))
        assert value == token
        side.answered.append(token)

    @invariant()
    def both_ends_agree(self) -> None:
        for side, other in zip(
            getattr(self, "sides", []),
            getattr(self, "sides", [])[::-1],
            strict=True,
        ):
            assert len(side.waiting) <= side.window
            assert side.session.free_slots == side.window - len(side.waiting)
            numbers = [request.sequence for request in other.requests]
            assert len(numbers) == len(set(numbers)) <= side.window
            assert set(numbers) <= set(side.waiting)

    def teardown(self) -> None:
        sides = getattr(self, "sides", [])
        if not sides:
            return
        for _ in range(3):
            for who, side in enumerate(sides):
                self.deliver(who, 1 << 20, short=False)
                assert not side.wire
            for who, side in enumerate(sides):
                while side.requests:
                    self.answer(who, 0, "result")
        for side in sides:
            assert sorted(side.answered) == sorted(side.made)
            assert side.waiting == {}
            assert side.ping is None
            assert side.session.error is None
        assert sorted(self.oneway_taken) == sorted(self.oneway)


ManyCalls.TestCase.settings = hypothesis_settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    report_multiple_bugs=False,
)
TestEveryCallHasOneAnswer = ManyCalls.TestCase
