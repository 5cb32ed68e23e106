"""Returned iterators: fetched item by item, over one connection or several."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import ProtocolError, PyroError
from pyro_protocol.wire import FLAG_ONEWAY
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_protocol.session import StreamReference
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon


class Closable:
    """An iterator that tells when it is closed, also before the first item."""

    def __init__(self, closed: threading.Semaphore) -> None:
        self._closed = closed

    def __iter__(self) -> Closable:
        return self

    def __next__(self) -> int:
        return 1

    def close(self) -> None:
        self._closed.release()


@expose
class Source:
    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)

    def count(self, most: int) -> Iterator[int]:
        try:
            yield from range(most)
        finally:
            self.ended.release()

    def stumble(self) -> Iterator[int]:
        yield 1
        raise LookupError("stumbled")

    def closable(self) -> Any:
        return Closable(self.ended)

    def squares(self) -> Any:
        return map(pow, [1, 2, 3], [2, 2, 2])

    def view(self) -> Any:
        return list({"a": 1}.keys())

    @property
    def letters(self) -> Iterator[str]:
        return iter("abc")


@pytest.fixture
def source() -> Source:
    return Source()


def fetch(channel: BlockingChannel, stream: StreamReference) -> Any:
    return channel.call("Pyro.Daemon", "get_next_stream_item", (stream.stream_id,))


def fetch_all(channel: BlockingChannel, stream: StreamReference) -> list[Any]:
    items = []
    while True:
        try:
            items.append(fetch(channel, stream))
        except StopIteration:
            return items


def test_an_iterator_is_fetched_item_by_item(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    daemon = start()
    channel = connect(daemon.register(source, "source"))
    assert fetch_all(channel, channel.call("source", "count", (4,))) == [0, 1, 2, 3]
    assert fetch_all(channel, channel.call("source", "squares")) == [1, 4, 9]
    letters = channel.call("source", "__getattr__", ("letters",), None)
    assert fetch_all(channel, letters) == ["a", "b", "c"]
    assert len(daemon.streaming_responses) == 0
    assert source.ended.acquire(blocking=False)


def test_streams_of_one_connection_do_not_mix(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    channel = connect(start().register(source, "source"))
    one, two = (channel.call("source", "count", (3,)) for _ in range(2))
    mixed = [fetch(channel, stream) for stream in (one, two, one, one, two)]
    assert mixed == [0, 0, 1, 2, 1]


def test_an_error_ends_the_stream(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    channel = connect(start().register(source, "source"))
    stream = channel.call("source", "stumble")
    assert fetch(channel, stream) == 1
    with pytest.raises(LookupError, match="stumbled"):
        fetch(channel, stream)
    with pytest.raises(PyroError, match="item stream terminated"):
        fetch(channel, stream)


def test_a_stream_that_is_closed_early_cleans_up(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    daemon = start()
    channel = connect(daemon.register(source, "source"))
    stream = channel.call("source", "count", (100,))
    assert fetch(channel, stream) == 0
    end = ("Pyro.Daemon", "close_stream", (stream.stream_id,))
    channel.call(*end, flags=FLAG_ONEWAY)
    assert source.ended.acquire(timeout=DEADLINE)
    assert channel.call(*end) is None
    assert len(daemon.streaming_responses) == 0


def test_a_stream_goes_on_over_another_connection(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    daemon = start()
    uri = daemon.register(source, "source")
    first = connect(uri)
    stream = first.call("source", "count", (4,))
    assert [fetch(first, stream) for _ in range(2)] == [0, 1]
    first.close()
    eventually(lambda: not daemon.transportServer.connections)  # type: ignore[union-attr] # not the host of one socket
    assert fetch_all(connect(uri), stream) == [2, 3]


def test_without_lingering_a_stream_ends_with_its_connection(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    settings.ITER_STREAM_LINGER = 0.0
    uri = start().register(source, "source")
    first = connect(uri)
    stream = first.call("source", "count", (4,))
    assert fetch(first, stream) == 0
    first.close()
    assert source.ended.acquire(timeout=DEADLINE)
    with pytest.raises(PyroError, match="item stream terminated"):
        fetch(connect(uri), stream)


@pytest.mark.parametrize("item", ["ITER_STREAM_LINGER", "ITER_STREAM_LIFETIME"])
def test_a_stream_ends_when_its_time_is_over(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    monkeypatch: pytest.MonkeyPatch,
    source: Source,
    item: str,
) -> None:
    monkeypatch.setattr("pyro_server.hosts.loop.LONGEST_WAIT", 0.01)
    setattr(settings, item, 0.01)
    channel = connect(start().register(source, "source"))
    channel.call("source", "closable")
    if item == "ITER_STREAM_LINGER":
        channel.close()
    assert source.ended.acquire(timeout=DEADLINE)


def test_only_so_many_streams_may_be_open(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    settings.MAX_STREAMS = 3
    uri = start().register(source, "source")
    channel = connect(uri)
    streams = [channel.call("source", "count", (5,)) for _ in range(3)]
    with pytest.raises(PyroError, match="too many open streams"):
        channel.call("source", "count", (5,))
    assert fetch_all(channel, streams[0]) == list(range(5))
    assert fetch_all(channel, channel.call("source", "count", (2,))) == [0, 1]
    # The bound is each client's own.
    assert fetch_all(connect(uri), connect(uri).call("source", "count", (1,))) == [0]


def test_streaming_can_be_switched_off(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    source: Source,
) -> None:
    settings.ITER_STREAMING = False
    channel = connect(start().register(source, "source"))
    with pytest.raises(ProtocolError, match="ITER_STREAMING"):
        channel.call("source", "count", (5,))
    assert channel.call("source", "view") == ["a"]
