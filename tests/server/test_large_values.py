"""Large buffers through every host: what arrives, and that nothing is mixed up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from pyro_server import Daemon, expose
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import Configuration
    from pyro_protocol.transport import BlockingChannel

SIZE = 3_000_000
DATA = random.Random(1).randbytes(SIZE)
# More than the sockets between two processes ever hold.
HELD = DATA * 10


@expose
class Store:
    def __init__(self) -> None:
        self.held = bytearray(HELD)

    def echo(self, value: Any) -> Any:
        return value

    def kinds(self, *values: Any) -> list[str]:
        return [type(value).__name__ for value in values]

    def fill(self, value: bytearray) -> bytearray:
        value[:4] = b"mine"
        return value

    def hold(self) -> bytearray:
        return self.held

    def overwrite(self) -> None:
        self.held[:] = bytes(len(self.held))


@pytest.mark.parametrize("timeout", [None, DEADLINE])
def test_large_values_arrive_as_what_they_were(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    timeout: float | None,
) -> None:
    uri = start().register(Store(), "store")
    channel = connect(uri, timeout=timeout)
    values = [DATA, bytearray(DATA), {"a": [DATA, 5]}, (DATA, b"small"), "x" * SIZE]
    # More buffers than are written together.
    values.append([DATA[start : start + 70_000] for start in range(50)])
    for value in values:
        answer = channel.call("store", "echo", (value,), {})

        assert answer == value
        assert type(answer) is type(value)
    kinds = channel.call("store", "kinds", (DATA, bytearray(DATA), DATA), {})
    assert kinds == ["bytes", "bytearray", "bytes"]


def test_calls_of_any_size_may_follow_a_large_one(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Store(), "store"))
    # What is received at once after a large message is as much as stood before its
    # large object: less, and more, than these messages have.
    for size in (0, 1, *range(5, 60, 3), 1000, 40_000, 70_000):
        for value in (DATA, b"s" * size, DATA[:70_000], "t" * size, "t" * size):
            answer = channel.call("store", "echo", (value,), {})

            assert answer == value
            assert type(answer) is type(value)


def test_an_array_of_bytes_that_arrived_belongs_to_the_method(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Store(), "store"))
    mine = bytearray(DATA)

    answer = channel.call("store", "fill", (mine,), {})

    assert answer == b"mine" + DATA[4:]
    assert mine == DATA


def test_compression_takes_large_values_too(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
) -> None:
    settings.COMPRESSION = True
    channel = connect(start().register(Store(), "store"), config=settings)
    value = [bytes(SIZE), bytearray(SIZE)]

    assert channel.call("store", "echo", (value,), {}) == value


def test_the_size_limit_holds_for_buffers_that_stand_apart(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
) -> None:
    settings.MAX_MESSAGE_SIZE = SIZE // 2
    daemon = start()
    uri = daemon.register(Store(), "store")

    with pytest.raises(Exception, match="message too large"):
        connect(uri).call("store", "echo", (DATA,), {})
    with pytest.raises(Exception, match="message too large"):
        connect(uri).call("store", "hold", (), {})
    assert connect(uri).call("store", "echo", (5,), {}) == 5


def test_a_slow_reader_gets_what_was_returned_whatever_happens_to_it_since(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()
    uri = daemon.register(Store(), "store")
    slow, quick = connect(uri), connect(uri)
    payload = slow.serializer.dumps_call("store", "hold", (), {})
    for buffer in slow._session.request(slow.serializer.id, payload, 0, {}, None):
        slow.sock.sendall(buffer)
    connections = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
    eventually(lambda: any(one.outbox and one.watched for one in connections))

    quick.call("store", "overwrite", (), {})

    frame = slow._next_reply(None)
    assert slow.read(frame, slow.serializer.id) == HELD
