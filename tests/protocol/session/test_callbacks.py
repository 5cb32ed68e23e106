from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Pair
from protocol.golden import decode_one
from pyro_protocol.dispatch import Call
from pyro_protocol.errors import (
    CallCancelledError,
    ConnectionClosedError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    SUPPORTED_CAPABILITIES,
    CallCancelled,
    RefusedRequest,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_ONEWAY,
    Frame,
    MessageType,
    encode_frame,
)

NATIVE, SERPENT, MARSHAL = (
    serializers[name] for name in ("native", "serpent", "marshal")
)
CORRELATION = bytes(range(1, 17))


def message(kind: int, sequence: int, payload: bytes = b"", **fields: Any) -> bytes:
    values = {"serializer_id": SERPENT.id, "flags": 0} | fields
    return b"".join(encode_frame(kind, sequence=sequence, payload=payload, **values))


def invoke(sequence: int, flags: int = 0, serializer: Any = SERPENT) -> bytes:
    payload = serializer.dumps_call("listener", "notify", (sequence,), {})
    return message(
        MessageType.INVOKE, sequence, payload, serializer_id=serializer.id, flags=flags
    )


def result(sequence: int, value: object = None) -> bytes:
    return message(MessageType.RESULT, sequence, SERPENT.dumps(value))


def call_back(pair: Pair, *args: object, **options: Any) -> int:
    serializer = options.pop("serializer", SERPENT)
    return pair.server.send_call(serializer, "listener", "notify", args, {}, **options)


def call(pair: Pair, *args: object) -> int:
    return pair.client.send_call(SERPENT, "thing", "add", args, {})


def only_callback(pair: Pair) -> Frame:
    (frame,) = pair.to_client()
    assert isinstance(frame, Frame)
    assert frame.kind == MessageType.INVOKE
    return frame


def value_at_server(pair: Pair, serializer: Any = SERPENT) -> Any:
    (frame,) = pair.to_server()
    assert frame.kind == MessageType.RESULT
    return read_reply(frame, serializer.id)


def assert_works(pair: Pair) -> None:
    """Have each end call the other."""
    call_back(pair, "there?")
    pair.client.send_result(only_callback(pair), "here")
    assert value_at_server(pair) == "here"
    call(pair, "and there?")
    (request,) = pair.to_server()
    pair.server.send_result(request, "here too")
    (answer,) = pair.to_client()
    assert read_reply(answer, SERPENT.id) == "here too"


class TestMessages:
    def test_a_callback_and_its_answer_are_written_as_calls_are(self) -> None:
        pair = Pair(["callbacks"])
        call_back(pair, 5)

        sent = b"".join(pair.server.data_to_send())

        assert sent.hex() == (
            "5059524f 01f6 04 01 0000 0001 00000037 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + b"# serpent utf-8 python3.2\n('listener','notify',(5,),{})".hex()
        )
        pair.client.receive_data(sent)
        (callback,) = pair.client.events_received()
        assert isinstance(callback, Frame)
        pair.client.send_result(callback, 6)
        assert b"".join(pair.client.data_to_send()).hex() == (
            "5059524f 01f6 05 01 0000 0001 0000001b 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + b"# serpent utf-8 python3.2\n6".hex()
        )

    @pytest.mark.parametrize("name", ["native", "serpent", "json", "msgpack"])
    def test_they_may_use_any_serializer_that_the_client_accepts(
        self, name: str
    ) -> None:
        pair = Pair(["native", "callbacks"])
        serializer = serializers[name]
        call_back(pair, "one", 2, serializer=serializer)

        callback = only_callback(pair)
        read = pair.client.read_call(callback)
        pair.client.send_result(callback, ["done", *read.args])

        assert (read.object_id, read.method) == ("listener", "notify")
        assert value_at_server(pair, serializer) == ["done", "one", 2]

    def test_a_oneway_callback_has_no_answer(self) -> None:
        pair = Pair(client_settings=SessionSettings(max_in_flight=1))
        call_back(pair, "waits")
        for value in range(5):
            call_back(pair, value, flags=FLAG_ONEWAY)

        first, *others = pair.to_client()

        assert pair.server.free_slots == 0
        assert [pair.client.read_call(one).args for one in others] == [
            (value,) for value in range(5)
        ]
        pair.client.send_exception(others[0], ValueError("nobody wants to know"))
        assert pair.to_server() == []
        pair.client.send_result(first, "done")
        assert value_at_server(pair) == "done"

    def test_a_batch_is_one_callback(self) -> None:
        pair = Pair(["callbacks"])
        calls: list[Any] = [("notify", (1,), {}), ("notify", (2,), {})]
        pair.server.send_call(
            SERPENT, "listener", "<batch>", calls, None, flags=FLAG_BATCH
        )

        callback = only_callback(pair)
        read = pair.client.read_call(callback)
        assert isinstance(read, Call)
        assert read.batch
        assert list(read.args) == calls
        pair.client.send_result(callback, ["first", "second"])

        (answer,) = pair.to_server()
        assert answer.flags == FLAG_BATCH
        assert read_reply(answer, SERPENT.id) == ["first", "second"]

    def test_annotations_and_correlation_ids_travel_both_ways(self) -> None:
        pair = Pair(["callbacks"])
        call_back(pair, annotations={"ABCD": b"there"}, correlation_id=CORRELATION)

        callback = only_callback(pair)
        assert bytes(callback.annotations["ABCD"]) == b"there"
        assert callback.correlation_id == CORRELATION
        pair.client.send_result(callback, None, {"ABCD": b"back"}, CORRELATION)

        (answer,) = pair.to_server()
        assert bytes(answer.annotations["ABCD"]) == b"back"
        assert answer.correlation_id == CORRELATION

    def test_they_work_byte_by_byte(self) -> None:
        pair = Pair()
        call_back(pair, "cut")
        (callback,) = pair.to_client(piece=1)
        pair.client.send_result(callback, "whole")

        (answer,) = pair.to_server(piece=1)

        assert read_reply(answer, SERPENT.id) == "whole"

    def test_the_short_way_to_an_answer_does_not_take_a_callback_for_one(self) -> None:
        pair = Pair()
        call(pair)
        data = invoke(1)

        assert pair.client.only_reply(data) is None
        pair.client.receive_data(data)

        (callback,) = pair.client.events_received()
        assert isinstance(callback, Frame)
        assert callback.kind == MessageType.INVOKE
        assert pair.client.only_reply(result(1)) is not None

    def test_the_short_way_to_a_request_does_not_take_an_answer_for_one(self) -> None:
        pair = Pair()
        call_back(pair)
        data = result(1, "done")

        assert pair.server.only_request(data) is None
        pair.server.receive_data(data)

        assert value_at_server(pair) == "done"


class TestOrder:
    def test_a_callback_may_call_the_server_again(self) -> None:
        pair = Pair(["multiplex", "callbacks"])
        open_requests = []
        open_callbacks = []
        for depth in range(10):
            call(pair, depth)
            open_requests += pair.to_server()
            call_back(pair, depth)
            open_callbacks.append(only_callback(pair))

        for depth in reversed(range(10)):
            pair.client.send_result(open_callbacks[depth], depth)
            assert value_at_server(pair) == depth
            pair.server.send_result(open_requests[depth], depth)
            (answer,) = pair.to_client()
            assert read_reply(answer, SERPENT.id) == depth

    def test_answers_and_callbacks_of_the_same_number_may_cross(self) -> None:
        pair = Pair(["multiplex", "callbacks"])
        assert call(pair, "to the server") == 1
        assert call_back(pair, "to the client") == 1
        (request,) = pair.to_server()
        callback = only_callback(pair)
        pair.server.send_result(request, "from the server")
        pair.client.send_result(callback, "from the client")
        call(pair)
        call_back(pair)

        at_server = pair.to_server()
        at_client = pair.to_client()

        kinds = [(frame.kind, frame.sequence) for frame in at_server]
        assert kinds == [(MessageType.RESULT, 1), (MessageType.INVOKE, 2)]
        assert [(frame.kind, frame.sequence) for frame in at_client] == kinds
        assert read_reply(at_server[0], SERPENT.id) == "from the client"
        assert read_reply(at_client[0], SERPENT.id) == "from the server"

    def test_they_are_answered_in_any_order(self) -> None:
        pair = Pair(["callbacks"])
        numbers = [call_back(pair, value) for value in range(3)]
        callbacks = pair.to_client()
        for callback in reversed(callbacks):
            pair.client.send_result(callback, callback.sequence)

        answers = [read_reply(answer, SERPENT.id) for answer in pair.to_server()]

        assert answers == numbers[::-1]

    def test_their_numbers_wrap_around_past_those_in_flight(self) -> None:
        pair = Pair()
        pair.server.sequence = 0xFFFE
        assert [call_back(pair) for _ in range(2)] == [0xFFFF, 0]
        pair.server.sequence = 0xFFFE

        assert call_back(pair) == 1
        assert pair.client.sequence == 0
        assert len(pair.to_client()) == 3


class TestWindows:
    def test_each_direction_has_its_own(self) -> None:
        pair = Pair(
            client_settings=SessionSettings(max_in_flight=2),
            server_settings=SessionSettings(max_in_flight=1),
        )
        assert (pair.client.free_slots, pair.server.free_slots) == (1, 2)

        call(pair)
        assert (pair.client.free_slots, pair.server.free_slots) == (0, 2)
        call_back(pair)
        call_back(pair)
        assert (pair.client.free_slots, pair.server.free_slots) == (0, 0)
        assert len(pair.to_server()) == 1
        assert len(pair.to_client()) == 2

    def test_it_holds_without_multiplex(self) -> None:
        pair = Pair(["callbacks"], client_settings=SessionSettings(max_in_flight=1))
        call_back(pair)

        with pytest.raises(LocalProtocolError, match="1 calls are in flight"):
            call_back(pair)

        pair.client.send_result(only_callback(pair), None)
        assert value_at_server(pair) is None
        assert pair.server.free_slots == 1

    def test_one_beyond_it_ends_the_conversation(self) -> None:
        pair = Pair(client_settings=SessionSettings(max_in_flight=2))
        beside = Pair()

        with pytest.raises(RemoteProtocolError, match="more than 2 requests"):
            pair.client.receive_data(invoke(1) + invoke(2) + invoke(3))

        assert pair.client.state is ClientState.CLOSED
        assert len(pair.client.events_received()) == 2
        assert_works(beside)


class TestMisuse:
    def test_a_number_in_flight_must_not_be_used_again(self) -> None:
        pair = Pair()

        with pytest.raises(RemoteProtocolError, match="request 1 is in flight already"):
            pair.client.receive_data(invoke(1) + invoke(1))

        assert pair.client.state is ClientState.CLOSED

    def test_a_second_answer_ends_the_conversation(self) -> None:
        pair, beside = Pair(), Pair()
        number = call_back(pair)

        pair.server.receive_data(result(number) + result(number) + invoke(1))

        (answer,) = pair.server.events_received()
        assert isinstance(answer, Frame)
        assert answer.sequence == number
        assert pair.server.closing
        assert pair.server.error is not None
        assert "request 1, which is not waiting" in pair.server.error
        assert_works(beside)

    def test_an_answer_to_a_oneway_callback_ends_the_conversation(self) -> None:
        pair = Pair()
        number = call_back(pair, flags=FLAG_ONEWAY)

        pair.server.receive_data(result(number))

        assert pair.server.closing

    def test_a_callback_cannot_be_answered_twice(self) -> None:
        pair = Pair()
        call_back(pair)
        callback = only_callback(pair)
        pair.client.send_result(callback, "first")

        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.client.send_result(callback, "second")
        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.client.send_exception(callback, ValueError("second"))

        assert value_at_server(pair) == "first"

    def test_a_result_that_cannot_be_sent_leaves_room_for_an_exception(self) -> None:
        pair = Pair()
        call_back(pair)
        callback = only_callback(pair)
        with pytest.raises(SerializeError):
            pair.client.send_result(callback, object())

        pair.client.send_exception(callback, ValueError("instead"))

        with pytest.raises(ValueError, match="instead"):
            value_at_server(pair)

    @pytest.mark.parametrize(
        ("serializer_id", "reason"),
        [(99, "unknown serializer id 99"), (MARSHAL.id, "'marshal' is not accepted")],
    )
    def test_one_in_a_serializer_that_is_not_accepted_is_refused_alone(
        self, serializer_id: int, reason: str
    ) -> None:
        pair = Pair()
        number = call_back(pair)
        pair.server.data_to_send()
        pair.client.receive_data(
            message(MessageType.INVOKE, number, b"junk", serializer_id=serializer_id)
        )
        (callback,) = pair.client.events_received()
        assert isinstance(callback, Frame)

        with pytest.raises(RemoteProtocolError, match=reason) as caught:
            pair.client.read_call(callback)
        pair.client.send_exception(callback, caught.value)

        (answer,) = pair.to_server()
        with pytest.raises(ProtocolError, match=reason):
            read_reply(answer, answer.serializer_id)
        assert_works(pair)

    def test_the_native_format_without_agreement_is_refused_in_serpent(self) -> None:
        pair = Pair(["callbacks"])
        number = call_back(pair)
        pair.server.data_to_send()
        pair.client.receive_data(invoke(number, serializer=NATIVE))
        (callback,) = pair.client.events_received()
        assert isinstance(callback, Frame)

        with pytest.raises(RemoteProtocolError, match="was not agreed on") as caught:
            pair.client.read_call(callback)
        pair.client.send_exception(callback, caught.value)

        answer = decode_one(b"".join(pair.client.data_to_send()))
        assert answer.serializer_id == SERPENT.id

    @pytest.mark.parametrize("compressed", [True, False])
    def test_one_that_cannot_be_read_is_refused_alone(self, compressed: bool) -> None:
        pair = Pair()
        number = call_back(pair)
        pair.server.data_to_send()
        malformed = bytearray(message(MessageType.INVOKE, number, b"junk" * 10))
        malformed[9] = 2 if compressed else 0

        pair.client.receive_data(bytes(malformed))

        (callback,) = pair.client.events_received()
        assert isinstance(callback, Frame)
        assert isinstance(callback, RefusedRequest) == compressed
        with pytest.raises((ProtocolError, SerializeError)) as caught:
            pair.client.read_call(callback)
        pair.client.send_exception(callback, caught.value)
        with pytest.raises((ProtocolError, SerializeError)):
            value_at_server(pair)
        assert_works(pair)


class TestCancelling:
    def test_the_message_has_the_number_of_the_callback(self) -> None:
        pair = Pair(["callbacks", "cancel"])
        pair.server.sequence = 0x1233
        number = call_back(pair)
        only_callback(pair)

        assert pair.server.send_cancel(number)

        assert b"".join(pair.server.data_to_send()).hex() == (
            "5059524f 01f6 07 00 0000 1234 00000000 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
        )

    def test_a_callback_is_cancelled_and_not_the_call_of_the_same_number(self) -> None:
        pair = Pair(["native", "multiplex", "callbacks", "cancel"])
        assert call(pair) == call_back(pair, serializer=NATIVE) == 1
        (request,) = pair.to_server()
        callback = only_callback(pair)

        pair.server.send_cancel(1)

        assert pair.client_signals() == [CallCancelled(1)]
        assert pair.server.signals_received() == []
        pair.client.send_exception(callback, CallCancelledError("cancelled"))
        with pytest.raises(CallCancelledError):
            value_at_server(pair, NATIVE)
        pair.server.send_result(request, "not cancelled")
        (answer,) = pair.to_client()
        assert read_reply(answer, SERPENT.id) == "not cancelled"

    def test_one_that_has_crossed_the_answer_is_ignored(self) -> None:
        pair = Pair()
        number = call_back(pair)
        pair.client.send_result(only_callback(pair), "done")

        assert pair.server.send_cancel(number)

        assert pair.client_signals() == []
        assert value_at_server(pair) == "done"
        assert not pair.server.send_cancel(number)
        assert_works(pair)

    @pytest.mark.parametrize("number", [0, 1, 65535])
    def test_one_for_a_callback_that_never_was_is_ignored(self, number: int) -> None:
        pair = Pair()
        call(pair)

        pair.client.receive_data(
            message(MessageType.CANCEL, number, serializer_id=0)
            + invoke(7, FLAG_ONEWAY)
            + message(MessageType.CANCEL, 7, serializer_id=0)
        )

        assert pair.client.signals_received() == []
        assert pair.client.state is ClientState.OPEN


class TestTheEnd:
    def test_a_server_that_is_closing_calls_nobody_back(self) -> None:
        pair = Pair()
        call_back(pair)
        pair.server.receive_eof()
        pair.server.data_to_send()

        with pytest.raises(LocalProtocolError, match="not open"):
            call_back(pair)

        assert pair.server.free_slots == 0
        assert pair.server.data_to_send() == []

    def test_a_client_whose_server_has_gone_can_still_finish_its_callbacks(
        self,
    ) -> None:
        pair = Pair()
        call_back(pair)
        callback = only_callback(pair)
        with pytest.raises(ConnectionClosedError):
            pair.client.receive_eof()

        pair.client.send_result(callback, "to nobody")

        with pytest.raises(LocalProtocolError, match="not open"):
            call(pair)

    def test_without_the_capability_the_server_has_nothing_to_call(self) -> None:
        pair = Pair(SUPPORTED_CAPABILITIES - {"callbacks"})

        with pytest.raises(LocalProtocolError, match="not open"):
            call_back(pair)

        assert pair.server.free_slots == 0
        assert pair.server.data_to_send() == []
