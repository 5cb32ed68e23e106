from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Pair
from protocol.golden import decode_one
from pyro_protocol.errors import (
    CallCancelledError,
    ConnectionClosedError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    CallCancelled,
    ServerSession,
    SessionSettings,
    read_reply,
)
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType, encode_frame

NATIVE = serializers["native"]
SERPENT = serializers["serpent"]


def call(session: Any, *args: object, **options: Any) -> int:
    sequence: int = session.send_call(NATIVE, "thing", "add", args, {}, **options)
    return sequence


def value_of(frame: Frame) -> Any:
    return read_reply(frame, NATIVE.id)


class TestManyCallsInFlight:
    def test_answers_come_in_any_order(self) -> None:
        pair = Pair(["native", "multiplex"])
        numbers = [call(pair.client, index) for index in range(3)]
        requests = pair.to_server()

        for request in reversed(requests):
            (index,) = pair.server.read_call(request).args
            pair.server.send_result(request, index * 10)

        assert [(one.sequence, value_of(one)) for one in pair.to_client()] == [
            (numbers[2], 20),
            (numbers[1], 10),
            (numbers[0], 0),
        ]

    def test_the_server_bounds_how_many_there_are(self) -> None:
        pair = Pair(
            ["native", "multiplex"], server_settings=SessionSettings(max_in_flight=2)
        )
        assert pair.client.free_slots == 2
        call(pair.client)
        call(pair.client)
        assert pair.client.free_slots == 0

        with pytest.raises(LocalProtocolError, match="2 calls are in flight"):
            call(pair.client)
        call(pair.client, flags=FLAG_ONEWAY)

        first, _second, oneway = pair.to_server()
        assert oneway.flags & FLAG_ONEWAY
        pair.server.send_result(first, None)
        pair.to_client()
        assert pair.client.free_slots == 1
        call(pair.client)
        assert len(pair.to_server()) == 1

    def test_a_client_that_ignores_the_bound_loses_its_connection(self) -> None:
        pair = Pair(
            ["native", "multiplex"], server_settings=SessionSettings(max_in_flight=2)
        )
        pair.client._window = 3
        for _ in range(3):
            call(pair.client)

        assert len(pair.to_server()) == 2
        assert pair.server.closing
        assert pair.server.error == "more than 2 requests are in flight"

    def test_a_number_in_flight_is_not_used_again(self) -> None:
        pair = Pair(["native", "multiplex"])
        first, second = call(pair.client), call(pair.client)
        pair.client.sequence = first - 1

        assert call(pair.client) == second + 1

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_client_that_uses_one_again_loses_its_connection(
        self, whole: bool
    ) -> None:
        pair = Pair(["native", "multiplex"])
        payload = NATIVE.dumps_call("thing", "add", (), {})
        data = b"".join(encode_frame(MessageType.INVOKE, NATIVE.id, 0, 7, payload))
        pair.server.receive_data(data)
        pair.server.events_received()

        if whole:
            assert pair.server.only_request(data) is None
        pair.server.receive_data(data)

        assert pair.server.events_received() == []
        assert pair.server.error == "request 7 is in flight already"

    def test_numbers_go_round_past_those_in_flight(self) -> None:
        pair = Pair(["native", "multiplex"])
        pair.client.sequence = 0xFFFE
        assert call(pair.client) == 0xFFFF
        pair.client.sequence = 0xFFFE

        assert call(pair.client) == 0

    def test_a_request_is_answered_once(self) -> None:
        pair = Pair(["native", "multiplex"])
        call(pair.client)
        (request,) = pair.to_server()
        pair.server.send_result(request, 1)

        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.server.send_result(request, 2)
        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.server.send_result(request, 2, {"ABCD": b"x"})
        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.server.send_exception(request, ValueError("no"))

        assert len(pair.to_client()) == 1

    def test_a_result_that_cannot_be_sent_leaves_room_for_an_exception(self) -> None:
        pair = Pair(["native", "multiplex"])
        call(pair.client)
        (request,) = pair.to_server()

        with pytest.raises(ProtocolError):
            pair.server.send_result(request, object())
        pair.server.send_exception(request, ValueError("no"))

        (answer,) = pair.to_client()
        with pytest.raises(ValueError, match="no"):
            value_of(answer)

    def test_the_short_ways_count_as_well(self) -> None:
        pair = Pair()
        sequence = call(pair.client, 1)
        (data,) = pair.client.data_to_send()
        request = pair.server.only_request(bytes(data))
        assert request is not None
        pair.server.send_result(request, 2)
        (data,) = pair.server.data_to_send()

        answer = pair.client.only_reply(bytes(data))

        assert answer is not None
        assert (answer.sequence, value_of(answer)) == (sequence, 2)
        assert pair.client.only_reply(b"") is None
        with pytest.raises(RemoteProtocolError, match="not waiting"):
            pair.client.only_reply(bytes(data))

    def test_a_client_without_an_open_conversation_has_no_slots(self) -> None:
        pair = Pair(["native"])
        assert pair.client.free_slots == 0xFFFF
        assert pair.server.free_slots == 0

        with pytest.raises(ConnectionClosedError):
            pair.client.receive_eof()

        assert pair.client.free_slots == 0


class TestCallbacks:
    def test_the_server_calls_its_client_in_the_midst_of_a_call(self) -> None:
        pair = Pair(["native", "callbacks"])
        outer = call(pair.client, "outer")
        (request,) = pair.to_server()

        inner = call(pair.server, "inner")
        (callback,) = pair.to_client()
        assert (callback.kind, callback.sequence) == (MessageType.INVOKE, inner)
        assert pair.client.read_call(callback).args == ["inner"]
        pair.client.send_result(callback, "from the client")
        (answer,) = pair.to_server()
        assert (answer.kind, answer.sequence) == (MessageType.RESULT, inner)
        assert value_of(answer) == "from the client"

        pair.server.send_result(request, "done")
        (result,) = pair.to_client()
        assert (result.sequence, value_of(result)) == (outer, "done")

    def test_both_directions_have_their_own_numbers(self) -> None:
        pair = Pair()

        assert call(pair.client) == call(pair.server) == 1
        (request,) = pair.to_server()
        (callback,) = pair.to_client()
        pair.server.send_result(request, "to the client")
        pair.client.send_result(callback, "to the server")

        assert value_of(*pair.to_client()) == "to the client"
        assert value_of(*pair.to_server()) == "to the server"

    def test_exceptions_of_callbacks_reach_the_server(self) -> None:
        pair = Pair()
        call(pair.server)
        (callback,) = pair.to_client()
        pair.client.send_exception(callback, KeyError("missing"))

        with pytest.raises(KeyError, match="missing"):
            value_of(*pair.to_server())

    def test_a_compressed_answer_is_read_like_any_other(self) -> None:
        pair = Pair(client_settings=SessionSettings(compress=True))
        call(pair.server)
        (callback,) = pair.to_client()
        pair.client.send_result(callback, "x" * 10_000)

        assert value_of(*pair.to_server()) == "x" * 10_000

    def test_the_client_bounds_how_many_there_are(self) -> None:
        pair = Pair(client_settings=SessionSettings(max_in_flight=1))
        assert pair.server.free_slots == 1
        call(pair.server)
        with pytest.raises(LocalProtocolError, match="1 calls are in flight"):
            call(pair.server)
        assert len(pair.to_client()) == 1

        pair.server._window = 2
        call(pair.server)
        with pytest.raises(RemoteProtocolError, match="more than 1 requests"):
            pair.to_client()

    def test_a_callback_with_bad_annotations_is_refused_alone(self) -> None:
        pair = Pair(client_settings=SessionSettings(max_annotations=1))
        call(pair.server, annotations={"ABCD": b"x", "EFGH": b"y"})
        call(pair.server, "good")

        bad, good = pair.to_client()

        with pytest.raises(RemoteProtocolError, match="more than 1 chunk"):
            pair.client.read_call(bad)
        assert pair.client.read_call(good).args == ["good"]

    def test_the_client_reads_only_what_it_accepts(self) -> None:
        settings = SessionSettings(accepted_serializers=frozenset({SERPENT.id}))
        pair = Pair(client_settings=settings)
        call(pair.server)

        (callback,) = pair.to_client()

        with pytest.raises(RemoteProtocolError, match="SERIALIZERS_ACCEPTED"):
            pair.client.read_call(callback)

    def test_an_answer_nobody_waits_for_ends_the_connection(self) -> None:
        pair = Pair()
        payload = NATIVE.dumps(5)

        pair.server.receive_data(b"".join(encode_frame(5, NATIVE.id, 0, 9, payload)))

        assert pair.server.closing
        assert "request 9, which is not waiting" in str(pair.server.error)

    def test_a_broken_answer_ends_the_connection(self) -> None:
        pair = Pair(server_settings=SessionSettings(max_annotations=1))
        call(pair.server)
        (callback,) = pair.to_client()
        pair.client.send_result(callback, 1, {"ABCD": b"x", "EFGH": b"y"})

        assert pair.to_server() == []
        assert pair.server.closing

    def test_without_the_capability_nobody_is_called_back(self) -> None:
        pair = Pair(["native", "multiplex", "cancel"])

        with pytest.raises(LocalProtocolError, match="not open"):
            call(pair.server)
        with pytest.raises(RemoteProtocolError, match="invalid msg type 4"):
            pair.client.receive_data(b"".join(encode_frame(4, 1, 0, 1, b"")))


class TestCancelling:
    def test_the_peer_is_told_and_answers_all_the_same(self) -> None:
        pair = Pair(["native", "cancel"])
        sequence = call(pair.client)
        (request,) = pair.to_server()

        assert pair.client.send_cancel(sequence)

        assert pair.server_signals() == [CallCancelled(sequence)]
        pair.server.send_exception(request, CallCancelledError("cancelled"))
        with pytest.raises(CallCancelledError):
            value_of(*pair.to_client())

    def test_it_may_come_too_late(self) -> None:
        pair = Pair(["native", "cancel"])
        sequence = call(pair.client)
        (request,) = pair.to_server()
        pair.server.send_result(request, 5)

        assert pair.client.send_cancel(sequence)

        assert pair.server_signals() == []
        assert value_of(*pair.to_client()) == 5
        assert not pair.client.send_cancel(sequence)
        assert pair.client.data_to_send() == []

    def test_a_oneway_call_cannot_be_cancelled(self) -> None:
        pair = Pair(["native", "cancel"])
        sequence = call(pair.client, flags=FLAG_ONEWAY)

        assert not pair.client.send_cancel(sequence)

    def test_callbacks_can_be_cancelled_too(self) -> None:
        pair = Pair(["native", "cancel", "callbacks"])
        sequence = call(pair.server)
        pair.to_client()

        assert pair.server.send_cancel(sequence)

        assert pair.client_signals() == [CallCancelled(sequence)]

    def test_its_message_is_empty(self) -> None:
        pair = Pair(["native", "cancel"])
        sequence = call(pair.client)
        pair.client.data_to_send()
        pair.client.send_cancel(sequence)

        frame = decode_one(b"".join(pair.client.data_to_send()))

        assert frame == Frame(MessageType.CANCEL, 0, 0, sequence, b"")

    def test_a_client_without_callbacks_is_not_told_to_cancel(self) -> None:
        pair = Pair(["native", "cancel"])
        with pytest.raises(RemoteProtocolError, match="invalid msg type 7"):
            pair.client.receive_data(b"".join(encode_frame(7, 0, 0, 1, b"")))

    def test_without_the_capability_nothing_is_cancelled(self) -> None:
        pair = Pair(["native", "multiplex"])
        sequence = call(pair.client)
        with pytest.raises(LocalProtocolError, match="'cancel' is not in force"):
            pair.client.send_cancel(sequence)
        pair.to_server()

        pair.server.receive_data(b"".join(encode_frame(7, 0, 0, sequence, b"")))

        assert pair.server.closing


@pytest.mark.parametrize("kind", range(7, 13))
def test_a_message_of_a_capability_not_in_force_ends_the_connection(
    kind: int,
) -> None:
    pair = Pair(["native"])
    data = b"".join(encode_frame(kind, 0, 0, 1, bytes(4)))

    pair.server.receive_data(data)
    assert isinstance(pair.server, ServerSession)
    assert pair.server.closing
    assert f"invalid msg type {kind}" in str(pair.server.error)
    with pytest.raises(RemoteProtocolError, match=f"invalid msg type {kind}"):
        pair.client.receive_data(data)
