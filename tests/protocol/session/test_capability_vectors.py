"""Golden messages of the capabilities, which docs/protocol.md shows as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from protocol.conversation import Pair
from protocol.golden import Message, messages_of
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    CallCancelled,
    PongReceived,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE = serializers["native"]
VECTORS = {message.name: message for message in messages_of("capabilities")}


def with_call() -> Pair:
    """Return a pair whose client has made a call, with a second to go."""
    pair = Pair()
    pair.client.send_call(NATIVE, "obj", "add", (2, 3), {}, timeout=1.0)
    return pair


def with_stream() -> Pair:
    """Return a pair that knows of stream 1, without credit."""
    pair = Pair()
    pair.client.accept_stream(1, NATIVE.id)
    pair.server.open_stream(NATIVE)
    return pair


def with_credit() -> Pair:
    pair = with_stream()
    pair.client.grant(1, 2, 100)
    return pair


def arrived(pair: Pair) -> Pair:
    """Carry what the client has to send."""
    pair.to_server()
    pair.server.signals_received()
    return pair


def call() -> Pair:
    return with_call()


def cancel() -> Pair:
    pair = arrived(with_call())
    pair.client.send_cancel(1)
    return pair


def callback() -> Pair:
    pair = Pair()
    pair.server.send_call(NATIVE, "cb", "tell", ("hi",), {})
    return pair


def answer_to_callback() -> Pair:
    pair = callback()
    (request,) = pair.to_client()
    pair.client.send_result(request, None)
    return pair


def ping() -> Pair:
    pair = Pair()
    pair.client.send_ping()
    return pair


def pong() -> Pair:
    return arrived(ping())


def credit() -> Pair:
    return with_credit()


def items() -> Pair:
    pair = arrived(with_credit())
    pair.server.send_item(1, 5)
    pair.server.send_item(1, 6)
    return pair


def want() -> Pair:
    pair = arrived(with_credit())
    pair.server.send_item(1, bytes(200))
    return pair


def end() -> Pair:
    pair = arrived(with_credit())
    pair.server.end_stream(1)
    return pair


def close() -> Pair:
    pair = arrived(with_credit())
    pair.client.close_stream(1)
    return pair


MAKERS: list[Callable[[], Pair]] = [
    call,
    cancel,
    callback,
    answer_to_callback,
    ping,
    pong,
    credit,
    items,
    want,
    end,
    close,
]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_our_messages_have_the_golden_bytes(maker: Callable[[], Pair]) -> None:
    pair = maker()
    message = VECTORS[maker.__name__]
    session: Any = pair.client if message.from_client else pair.server

    assert b"".join(session.data_to_send()).hex() == message.data.hex()


def test_every_golden_message_is_made_by_somebody() -> None:
    assert set(VECTORS) == {maker.__name__ for maker in MAKERS}


SIGNALS = {
    "cancel": CallCancelled(1),
    "pong": PongReceived(1),
    "credit": StreamCredited(1),
    "items": StreamItems(1, (b"\x05", b"\x06")),
    "want": StreamWants(1, 206, 106),
    "end": StreamEnded(1, b"\xc0", failed=False),
    "close": StreamClosed(1),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_golden_messages_are_understood(name: str) -> None:
    maker = next(one for one in MAKERS if one.__name__ == name)
    pair = maker()
    pair.client.data_to_send()
    pair.server.data_to_send()
    message: Message = VECTORS[name]
    receiver: Any = pair.server if message.from_client else pair.client

    receiver.receive_data(message.data)

    assert receiver.signals_received() == [SIGNALS[name]]
