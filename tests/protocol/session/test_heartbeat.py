from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conversation import Pair
from pyro_protocol.errors import LocalProtocolError, RemoteProtocolError
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    SUPPORTED_CAPABILITIES,
    ClientSession,
    Heartbeat,
    PongReceived,
    ServerSession,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.client import ClientState
from pyro_protocol.wire import Frame, MessageType, encode_frame

SERPENT = serializers["serpent"]


def ping(payload: bytes, sequence: int = 1, **fields: Any) -> bytes:
    return b"".join(encode_frame(MessageType.PING, 0, 0, sequence, payload, **fields))


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    heartbeat = Heartbeat(interval=10, timeout=3, now=100)

    assert heartbeat.due == 110
    assert not heartbeat.should_ping(109.9)
    assert heartbeat.should_ping(110)
    heartbeat.pinged(111)

    assert heartbeat.due == 114
    assert not heartbeat.should_ping(113)
    assert not heartbeat.is_dead(113.9)
    assert heartbeat.is_dead(114)


def test_whatever_arrives_is_a_sign_of_life() -> None:
    heartbeat = Heartbeat(interval=10, timeout=3, now=100)
    heartbeat.received(105)
    assert not heartbeat.should_ping(110)
    heartbeat.pinged(115)

    heartbeat.received(116)

    assert not heartbeat.is_dead(130)
    assert heartbeat.due == 126
    assert heartbeat.should_ping(126)


def test_a_peer_that_was_never_asked_is_not_dead() -> None:
    heartbeat = Heartbeat(interval=10, timeout=3, now=100)

    assert not heartbeat.is_dead(1000)
    assert heartbeat.should_ping(1000)


@pytest.mark.parametrize(("interval", "timeout"), [(0, 3), (10, 0), (-1, 3)])
def test_it_needs_some_time(interval: float, timeout: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Heartbeat(interval, timeout, now=0)


def test_it_never_gives_up_before_it_has_asked_and_waited() -> None:
    heartbeat = Heartbeat(interval=10, timeout=3, now=0)
    # The driver was held up, and looks again late.
    assert heartbeat.should_ping(50)
    heartbeat.pinged(50)

    assert not heartbeat.is_dead(52.9)
    assert not heartbeat.should_ping(52.9)
    assert heartbeat.is_dead(53)


class Watcher:
    """One end and its heartbeat, driven by a clock that the test turns."""

    def __init__(self, session: ClientSession | ServerSession) -> None:
        self.session = session
        self.heartbeat = Heartbeat(interval=10, timeout=3, now=0)
        self.dead = False

    def look(self, now: float) -> bytes:
        """Do what is due, and return what is to be sent."""
        if self.heartbeat.is_dead(now):
            self.dead = True
        elif self.heartbeat.should_ping(now):
            self.session.send_ping()
            self.heartbeat.pinged(now)
        return b"".join(self.session.data_to_send())

    def hear(self, data: bytes, now: float) -> None:
        self.session.receive_data(data)
        self.heartbeat.received(now)


@given(st.lists(st.floats(0, 2.9), min_size=1, max_size=50))
def test_a_peer_that_answers_in_time_is_never_given_up(delays: list[float]) -> None:
    pair = Pair(["heartbeat"])
    watcher = Watcher(pair.client)
    now = 0.0
    for delay in delays:
        now = watcher.heartbeat.due
        pair.server.receive_data(watcher.look(now))
        assert watcher.heartbeat.due == now + 3
        now += delay
        assert watcher.look(now) == b""
        watcher.hear(b"".join(pair.server.data_to_send()), now)

    assert not watcher.dead
    assert len(pair.client.signals_received()) == len(delays)


@given(
    st.lists(st.floats(0.01, 9.9), max_size=20),
    st.lists(st.floats(0.01, 2), min_size=30, max_size=30),
)
def test_a_peer_that_falls_silent_is_asked_once_and_given_up_in_time(
    gaps: list[float], steps: list[float]
) -> None:
    pair = Pair(["heartbeat"])
    watcher = Watcher(pair.server)
    now = 0.0
    for gap in gaps:
        now += gap
        assert watcher.look(now) == b""
        watcher.hear(b"", now)
    heard = now
    sent = []
    for step in [*steps, 20.0, 20.0]:
        now += step
        if data := watcher.look(now):
            sent.append((now, data))
        if watcher.dead:
            break

    ((asked, data),) = sent
    assert asked >= heard + 10
    assert data.endswith(b"ping")
    assert watcher.dead
    assert now >= asked + 3


def test_both_ends_may_watch_each_other() -> None:
    pair = Pair(["heartbeat"])
    ends = [Watcher(pair.client), Watcher(pair.server)]
    for now in range(100):
        sent = [end.look(now) for end in ends]
        for end, data in zip(ends, reversed(sent), strict=True):
            if data:
                end.hear(data, now)

    assert not any(end.dead for end in ends)
    assert len(pair.client.signals_received()) >= 4
    assert len(pair.server.signals_received()) >= 4


class TestOnTheWire:
    def test_the_messages(self) -> None:
        pair = Pair(["heartbeat"])
        pair.server.send_ping()

        asked = b"".join(pair.server.data_to_send())

        head = "5059524f 01f6 06 00 0000 0001 00000004 00000000".replace(" ", "")
        rest = "00" * 16 + "00004dc5"
        assert asked.hex() == head + rest + b"ping".hex()
        pair.client.receive_data(asked)
        answered = b"".join(pair.client.data_to_send())
        assert answered.hex() == head + rest + b"pong".hex()

    def test_pings_of_both_sides_may_cross(self) -> None:
        pair = Pair(["heartbeat"])
        assert pair.client.send_ping() == pair.server.send_ping() == 1
        from_client = b"".join(pair.client.data_to_send())
        from_server = b"".join(pair.server.data_to_send())

        pair.client.receive_data(from_server)
        pair.server.receive_data(from_client)

        assert pair.client_signals() == [PongReceived(1)]
        assert pair.server_signals() == [PongReceived(1)]

    def test_the_answer_does_not_wait_for_calls(self) -> None:
        settings = SessionSettings(max_in_flight=1)
        pair = Pair(client_settings=settings, server_settings=settings)
        for session in (pair.client, pair.server):
            session.send_call(SERPENT, "thing", "add", (), {})
        (request,) = pair.to_server()
        (callback,) = pair.to_client()
        assert pair.client.free_slots == pair.server.free_slots == 0

        pair.client.send_ping()
        pair.server.send_ping()

        assert pair.server_signals() == []
        assert pair.client_signals() == [PongReceived(1)]
        assert pair.server_signals() == [PongReceived(1)]
        pair.server.send_result(request, "done")
        pair.client.send_result(callback, "done")
        (answer,) = pair.to_client()
        assert read_reply(answer, SERPENT.id) == "done"
        assert len(pair.to_server()) == 1

    def test_numbers_wrap_around(self) -> None:
        pair = Pair(["heartbeat"])
        numbers = []
        for _ in range(0x1_0000 + 1):
            numbers.append(pair.client.send_ping())
            pair.server.receive_data(b"".join(pair.client.data_to_send()))
            pair.client.receive_data(b"".join(pair.server.data_to_send()))

        assert numbers[-3:] == [0xFFFF, 0, 1]
        assert pair.client.signals_received()[-1] == PongReceived(1)

    def test_a_ping_takes_none_of_the_numbers_of_calls(self) -> None:
        pair = Pair(["heartbeat"])
        pair.client.sequence = 7
        pair.client.send_ping()

        assert pair.client.send_call(SERPENT, "thing", "add", (), {}) == 8

    def test_it_can_be_asked_again_only_after_the_answer(self) -> None:
        pair = Pair(["heartbeat"])
        pair.server.send_ping()
        assert pair.client_signals() == []
        assert pair.server.send_ping() == 1
        assert pair.server.data_to_send() == []

        assert pair.server_signals() == [PongReceived(1)]

        assert pair.server.send_ping() == 2

    def test_a_peer_may_ask_again_as_soon_as_it_is_answered(self) -> None:
        pair = Pair(["heartbeat"])
        for number in range(3):
            pair.server.receive_data(ping(b"ping", number))
            assert len(pair.server.data_to_send()) > 0

        assert not pair.server.closing

    @pytest.mark.parametrize(
        "data",
        [
            ping(b"pong", 1) * 2,
            ping(b"pong", 0),
            ping(b"pong", 2),
            ping(b"ping", 1) + ping(b"ping", 2),
            ping(b""),
            ping(b"PING"),
            ping(b"pong\0"),
            ping(b"ping" * 1000),
        ],
    )
    def test_what_breaks_the_rules_ends_only_its_own_conversation(
        self, data: bytes
    ) -> None:
        pair, beside = Pair(["heartbeat"]), Pair(["heartbeat"])
        for one in (pair, beside):
            one.client.send_ping()
            one.server.send_ping()
            one.client.data_to_send()
            one.server.data_to_send()

        pair.server.receive_data(data)
        with pytest.raises(RemoteProtocolError, match="ping"):
            pair.client.receive_data(data)

        assert pair.server.closing
        assert "ping" in str(pair.server.error)
        assert pair.client.state is ClientState.CLOSED
        assert beside.client.state is ClientState.OPEN
        beside.server.receive_data(ping(b"pong"))
        assert beside.server.signals_received() == [PongReceived(1)]
        assert not beside.server.closing

    def test_the_program_is_not_told_of_pings(self) -> None:
        pair = Pair(["heartbeat"])

        pair.server.receive_data(ping(b"ping"))

        assert pair.server.events_received() == []
        assert pair.server.signals_received() == []

    def test_it_works_byte_by_byte(self) -> None:
        pair = Pair()
        pair.client.send_ping()
        assert pair.to_server(piece=1) == []

        assert pair.to_client(piece=1) == []

        assert pair.client.signals_received() == [PongReceived(1)]

    def test_the_short_ways_leave_pings_to_the_long_way(self) -> None:
        pair = Pair()
        pair.client.send_ping()
        pair.client.send_call(SERPENT, "thing", "add", (), {})

        assert pair.server.only_request(ping(b"ping")) is None
        assert pair.client.only_reply(ping(b"pong")) is None

        pair.client.receive_data(ping(b"pong"))
        assert pair.client.signals_received() == [PongReceived(1)]

    def test_nobody_asks_when_the_conversation_is_over(self) -> None:
        pair = Pair(["heartbeat"])
        with pytest.raises(RemoteProtocolError):
            pair.client.receive_data(ping(b"junk"))

        with pytest.raises(LocalProtocolError, match="not open"):
            pair.client.send_ping()


class TestWithoutTheCapability:
    def test_the_ping_is_that_of_pyro5(self) -> None:
        pair = Pair(SUPPORTED_CAPABILITIES - {"heartbeat"})
        pair.client.send_call(SERPENT, "thing", "add", (), {})
        pair.client.data_to_send()

        assert pair.client.send_ping() == 2

        assert b"".join(pair.client.data_to_send()).hex() == (
            "5059524f 01f6 06 02 0000 0002 00000004 00000000".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + b"ping".hex()
        )

    @pytest.mark.parametrize("payload", [b"", b"ping", b"pong", b"anything"])
    def test_the_payload_has_no_meaning(self, payload: bytes) -> None:
        pair = Pair(SUPPORTED_CAPABILITIES - {"heartbeat"})
        number = pair.client.send_ping()
        pair.client.data_to_send()

        pair.server.receive_data(ping(payload, number))
        (asked,) = pair.server.events_received()
        assert isinstance(asked, Frame)
        pair.client.receive_data(ping(payload, number))

        (answer,) = pair.client.events_received()
        assert isinstance(answer, Frame)
        assert (answer.kind, answer.sequence) == (MessageType.PING, number)
        assert not pair.server.closing

    def test_several_may_be_under_way(self) -> None:
        pair = Pair(["multiplex"])
        numbers = [pair.client.send_ping() for _ in range(3)]

        for asked in pair.to_server():
            pair.server.send_pong(asked)

        assert [answer.sequence for answer in pair.to_client()] == numbers == [1, 2, 3]

    def test_the_server_cannot_ask(self) -> None:
        pair = Pair(SUPPORTED_CAPABILITIES - {"heartbeat"})

        with pytest.raises(LocalProtocolError, match="'heartbeat' is not in force"):
            pair.server.send_ping()
        with pytest.raises(RemoteProtocolError, match="which is not waiting"):
            pair.client.receive_data(ping(b"ping"))

        assert pair.server.data_to_send() == []
        assert pair.client.state is ClientState.CLOSED
