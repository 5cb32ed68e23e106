from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conversation import Pair
from pyro_protocol.errors import ProtocolError
from pyro_protocol.serializers import serializers
from pyro_protocol.session import SUPPORTED_CAPABILITIES
from pyro_protocol.session.peer import accepted_kinds
from pyro_protocol.wire import encode_frame

CLIENT = frozenset({5, 6})
SERVER = frozenset({4, 6})
STREAMS = {8, 9, 10, 11, 12}


@pytest.mark.parametrize(
    ("names", "by_client", "by_server"),
    [
        (set(), set(), set()),
        ({"native", "multiplex", "deadline", "heartbeat"}, set(), set()),
        ({"cancel"}, set(), {7}),
        ({"callbacks"}, {4}, {5}),
        ({"callbacks", "cancel"}, {4, 7}, {5, 7}),
        ({"chunks"}, STREAMS, STREAMS),
    ],
)
def test_a_capability_brings_its_message_types(
    names: set[str], by_client: set[int], by_server: set[int]
) -> None:
    assert accepted_kinds(CLIENT, frozenset(names)) == CLIENT | by_client
    assert accepted_kinds(SERVER, frozenset(names)) == SERVER | by_server


def test_both_ends_know_what_is_in_force() -> None:
    pair = Pair()

    assert pair.client.capabilities == SUPPORTED_CAPABILITIES
    assert pair.server.capabilities == SUPPORTED_CAPABILITIES
    assert pair.client.agreement == pair.server.agreement
    assert pair.client.native
    assert pair.server.native


def test_what_is_in_force_is_what_both_have() -> None:
    pair = Pair(["native", "cancel"])

    assert pair.client.capabilities == {"native", "cancel"}
    assert pair.server.capabilities == {"native", "cancel"}


def test_a_message_may_arrive_in_any_pieces() -> None:
    for piece in (1, 7, 64):
        pair = Pair()
        pair.client.send_ping()
        sequence = pair.client.send_call(
            pair.client.serializers[78], "thing", "add", (b"x" * 1000,), {}, timeout=3
        )

        (request,) = pair.to_server(piece)

        assert request.sequence == sequence
        assert pair.server.remaining(request) == 3


MESSAGES = st.tuples(
    st.integers(4, 12),
    st.sampled_from([0, 1, 78]),
    st.integers(0, 0x7F),
    st.integers(0, 3),
    st.lists(st.integers(0, 3), max_size=4).map(
        lambda numbers: b"".join(one.to_bytes(4, "big") for one in numbers)
    )
    | st.sampled_from([b"ping", b"pong"])
    | st.binary(max_size=20),
    st.dictionaries(st.sampled_from(["CHNK", "DLIN", "BUFS"]), st.binary(max_size=8)),
)


@given(st.lists(MESSAGES, max_size=12))
def test_whatever_a_peer_sends_costs_it_no_more_than_its_connection(
    messages: list[tuple[int, int, int, int, bytes, dict[str, bytes]]],
) -> None:
    pair = Pair()
    native = serializers["native"]
    for session in (pair.client, pair.server):
        for _ in range(2):
            session.open_stream(native)
            session.send_call(native, "thing", "add", (), {})
        session.send_ping()
    data = b"".join(b"".join(encode_frame(*message)) for message in messages)

    pair.server.receive_data(data)
    with suppress(ProtocolError):
        pair.client.receive_data(data)

    for session in (pair.client, pair.server):
        session.events_received()
        session.signals_received()
        assert len(b"".join(session.data_to_send())) < 5000
