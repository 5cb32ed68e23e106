from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Pair
from protocol.golden import decode_one
from pyro_protocol.errors import LocalProtocolError, RemoteProtocolError
from pyro_protocol.serializers import serializers
from pyro_protocol.session import PongReceived, SessionSettings
from pyro_protocol.wire import MessageType, encode_frame


def ping(payload: bytes, sequence: int = 1, **fields: Any) -> bytes:
    return b"".join(encode_frame(MessageType.PING, 0, 0, sequence, payload, **fields))


def test_each_side_asks_and_is_answered_by_the_other_session() -> None:
    pair = Pair(["native", "heartbeat"])

    assert pair.client.send_ping() == 1
    assert pair.server_signals() == []
    assert pair.client_signals() == [PongReceived(1)]
    assert pair.server.send_ping() == 1
    assert pair.client_signals() == []
    assert pair.server_signals() == [PongReceived(1)]
    assert pair.client.send_ping() == 2


def test_pings_and_calls_have_their_own_numbers() -> None:
    pair = Pair(["native", "heartbeat"])
    pair.client.send_ping()
    assert pair.client.send_call(serializers["native"], "thing", "add", (), {}) == 1

    (request,) = pair.to_server()
    pair.server.send_result(request, 5)
    (answer,) = pair.to_client()

    assert answer.kind == MessageType.RESULT
    assert pair.client.signals_received() == [PongReceived(1)]


def test_one_ping_at_a_time_is_under_way() -> None:
    pair = Pair(["native", "heartbeat"])

    assert pair.client.send_ping() == pair.client.send_ping() == 1

    assert len(b"".join(pair.client.data_to_send())) == len(ping(b"ping"))


def test_the_answer_repeats_number_and_correlation_id() -> None:
    pair = Pair(["native", "heartbeat"])
    pair.server.receive_data(ping(b"ping", 7, correlation_id=bytes(range(16))))

    frame = decode_one(b"".join(pair.server.data_to_send()))

    assert (frame.kind, frame.sequence, frame.payload) == (6, 7, b"pong")
    assert frame.correlation_id == bytes(range(16))
    assert pair.server.data_to_send() == []


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (ping(b"ping") * 2, "a second ping"),
        (ping(b"pong"), "neither a ping nor the answer"),
        (ping(b""), "neither a ping nor the answer"),
        (ping(b"pingping"), "neither a ping nor the answer"),
        (ping(b"ping", annotations=dict.fromkeys(["AAAA", "BBBB"], b"")), "chunks"),
    ],
)
def test_what_nobody_may_send_ends_the_connection(data: bytes, error: str) -> None:
    settings = SessionSettings(max_annotations=1)
    pair = Pair(
        ["native", "heartbeat"], client_settings=settings, server_settings=settings
    )

    pair.server.receive_data(data)

    assert pair.server.closing
    assert error in str(pair.server.error)
    with pytest.raises(RemoteProtocolError, match=error):
        pair.client.receive_data(data)


def test_an_answer_with_another_number_ends_the_connection() -> None:
    pair = Pair(["native", "heartbeat"])
    pair.client.send_ping()

    with pytest.raises(RemoteProtocolError, match="PING 2 is neither"):
        pair.client.receive_data(ping(b"pong", 2))


def test_without_the_capability_the_program_deals_with_pings() -> None:
    pair = Pair(["native", "multiplex"])
    with pytest.raises(LocalProtocolError, match="'heartbeat' is not in force"):
        pair.server.send_ping()
    sequence = pair.client.send_ping()

    (request,) = pair.to_server()
    assert request.kind == MessageType.PING
    pair.server.send_pong(request)

    (answer,) = pair.to_client()
    assert (answer.kind, answer.sequence) == (MessageType.PING, sequence)
