"""Large buffers through every host: what arrives, and that nothing is mixed up."""

from __future__ import annotations

import gc
import random
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.native_types import BUFFER, BUFFER_DATA
from pyro_protocol.wire import SplitPayload
from pyro_server import Daemon, expose
from pyro_server.hosts import thread
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_protocol.wire import Payload

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

    def size(self, value: bytes) -> int:
        return len(value)

    async def size_later(self, value: bytes) -> int:
        return len(value)

    def fail(self, value: bytes) -> None:
        raise ValueError(len(value))

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


def connections_of(daemon: Daemon) -> list[Any]:
    return list(daemon.transportServer.connections)  # type: ignore[union-attr] # not the host of one socket


def begin_echo(channel: BlockingChannel, value: bytes | bytearray) -> bytes:
    """Return the message of a call that is not sent yet."""
    payload = channel.serializer.encode_call("store", "echo", (value,), {})
    return begin_call(channel, payload)


def begin_call(channel: BlockingChannel, payload: Payload) -> bytes:
    parts = channel._session.request(channel.serializer.id, payload, 0, {}, None)
    return b"".join(parts)


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("part", [0, 1, 100_000, SIZE - 1])
def test_large_bytes_may_come_in_parts(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    part: int,
    kind: type[bytes | bytearray],
) -> None:
    daemon = start()
    channel = connect(daemon.register(Store(), "store"), timeout=None)
    value = kind(DATA)
    for _ in range(2):
        assert channel.call("store", "size", (value,), {}) == SIZE
    message = begin_echo(channel, value)
    first = len(message) - SIZE + part

    channel.sock.sendall(message[:first])
    eventually(lambda: any(one.session.is_large for one in connections_of(daemon)))
    channel.sock.sendall(message[first:])

    frame = channel._next_reply(None)
    answer = channel.read(frame, channel.serializer.id)
    assert answer == DATA
    assert type(answer) is kind
    assert channel.call("store", "echo", (5,), {}) == 5
    assert channel.call("store", "size", (DATA,), {}) == SIZE


def test_large_bytes_that_break_off_disturb_nobody(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()
    uri = daemon.register(Store(), "store")
    channel, other = connect(uri, timeout=None), connect(uri, timeout=None)
    for _ in range(2):
        assert channel.call("store", "size", (DATA,), {}) == SIZE

    channel.sock.sendall(begin_echo(channel, DATA)[:-1])
    channel.close()

    eventually(lambda: len(connections_of(daemon)) == 1)
    assert other.call("store", "size", (DATA,), {}) == SIZE


def test_whatever_becomes_of_a_call_with_large_bytes_the_next_one_works(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Store(), "store"), timeout=None)
    for _ in range(3):
        assert channel.call("store", "size_later", (DATA,), {}) == SIZE
        with pytest.raises(ValueError, match=str(SIZE)):
            channel.call("store", "fail", (DATA,), {})
        with pytest.raises(AttributeError, match="missing"):
            channel.call("store", "missing", (DATA,), {})
        with pytest.raises(Exception, match="unknown object"):
            channel.call("stored", "size", (DATA,), {})
        with pytest.raises(TypeError, match="argument"):
            channel.call("store", "size", (DATA, 5), {})
        assert channel.call("store", "size", (), {"value": DATA}) == SIZE


def test_why_a_call_with_large_bytes_cannot_be_read_is_told(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Store(), "store"), timeout=None)
    for _ in range(2):
        assert channel.call("store", "size", (DATA,), {}) == SIZE
    large, odd = msgpack.ExtType(BUFFER, BUFFER_DATA.pack(0)), msgpack.ExtType(99, b"")
    # As long as that of the call before, which is what the server expects.
    head = msgpack.packb(["store", "s", [large, odd], {}])
    for _ in range(2):
        channel.sock.sendall(begin_call(channel, SplitPayload(head, (DATA,))))
        frame = channel._next_reply(None)
        with pytest.raises(SerializeError, match="unknown native extension type 99"):
            channel.read(frame, channel.serializer.id)
        assert channel.call("store", "size", (DATA,), {}) == SIZE


@pytest.mark.parametrize("size", [1, 100, 60_000])
def test_bytes_that_stand_apart_need_not_be_large(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel], size: int
) -> None:
    channel = connect(start().register(Store(), "store"), timeout=None)
    head = msgpack.packb(
        ["store", "size", [msgpack.ExtType(BUFFER, BUFFER_DATA.pack(0))], {}]
    )
    for _ in range(2):
        for value in (DATA, DATA, DATA[:size], DATA):
            message = begin_call(channel, SplitPayload(head, (value,)))
            channel.sock.sendall(message)
            frame = channel._next_reply(None)
            assert channel.read(frame, channel.serializer.id) == len(value)


def test_large_bytes_that_the_short_way_does_not_take_are_not_lost(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    monkeypatch: pytest.MonkeyPatch,
    servertype: str,
) -> None:
    refused: list[Any] = []

    def plain_calls(connection: Any, hold: list[Any]) -> Iterator[Any]:
        inner: Any = short_way(connection, hold)
        outcome = next(inner)
        while True:
            message: Any = yield outcome
            if type(message) is tuple:
                refused.append(message)
                outcome = None
            else:
                outcome = inner.send(message)

    short_way: Any = thread.plain_calls  # type: ignore[attr-defined] # of another package
    monkeypatch.setattr(thread, "plain_calls", plain_calls)
    channel = connect(start().register(Store(), "store"), timeout=None)
    for kind in (bytes, bytearray):
        for _ in range(3):
            assert channel.call("store", "echo", (kind(DATA),), {}) == DATA
            assert channel.call("store", "echo", (5,), {}) == 5
            assert channel.call("store", "size", (kind(DATA),), {}) == SIZE
            assert channel.call("store", "size", (kind(DATA),), {}) == SIZE
    if servertype == "thread":
        assert refused


def test_a_connection_keeps_nothing_of_a_large_call(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    channel = connect(start().register(Store(), "store"), timeout=None)
    assert channel.call("store", "size", (DATA,), {}) == SIZE
    tracemalloc.start()
    try:
        before = traced()
        for _ in range(3):
            assert channel.call("store", "size", (DATA,), {}) == SIZE
        eventually(lambda: traced() - before < SIZE / 2)
    finally:
        tracemalloc.stop()


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
    channel = connect(uri, timeout=None)
    for _ in range(3):
        assert channel.call("store", "size", (DATA[: SIZE // 3],), {}) == SIZE // 3
    with pytest.raises(Exception, match="message too large"):
        channel.call("store", "size", (DATA,), {})
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
    eventually(
        lambda: any(one.outbox and one.watched for one in connections_of(daemon))
    )

    quick.call("store", "overwrite", (), {})

    frame = slow._next_reply(None)
    assert slow.read(frame, slow.serializer.id) == HELD
