"""Streams: iterating over what a remote generator produces."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, StreamIterator
from pyro_protocol.config import Configuration
from pyro_protocol.errors import (
    ConnectionClosedError,
    ProtocolError,
    PyroError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_ONEWAY, FLAG_STREAM, MessageType
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until_ended(bench: Workbench) -> None:
    assert bench.stream_ends.acquire(timeout=DEADLINE), "the generator goes on"


@pytest.mark.parametrize("serializer", [None, "serpent", "json", "msgpack"])
def test_a_generator_is_iterated_over(proxy: Proxy, serializer: str | None) -> None:
    proxy._pyroSerializer = serializer
    stream = proxy.count(5)
    assert isinstance(stream, StreamIterator)
    assert iter(stream) is stream
    assert list(stream) == [0, 1, 2, 3, 4]


def test_an_empty_generator_is_an_empty_stream(proxy: Proxy) -> None:
    assert list(proxy.count(0)) == []


def test_an_ended_stream_stays_ended_and_asks_no_more(
    proxy: Proxy, host: HostThread
) -> None:
    stream = proxy.count(1)
    assert list(stream) == [0]
    before = proxy._pyroSeq
    assert list(stream) == []
    stream.close()
    assert proxy._pyroSeq == before
    assert host.call(lambda: len(host.host.streams)) == 0


def test_an_exception_ends_the_stream_and_keeps_its_class(proxy: Proxy) -> None:
    stream = proxy.stumble()
    assert next(stream) == 1
    with pytest.raises(KeyError, match="stumbled") as caught:
        next(stream)
    assert "stumble" in "".join(caught.value._pyroTraceback)  # type: ignore[attr-defined] # documented
    assert list(stream) == []


def test_breaking_off_ends_the_remote_generator(proxy: Proxy, bench: Workbench) -> None:
    for number in proxy.count(1000):
        if number == 3:
            break
    wait_until_ended(bench)
    assert proxy.add(1, 2) == 3


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda stream: stream.close(), id="close"),
        pytest.param(lambda stream: stream.__exit__(None, None, None), id="with"),
    ],
)
def test_closing_ends_the_remote_generator(
    proxy: Proxy, bench: Workbench, end: Callable[[StreamIterator], None]
) -> None:
    stream = proxy.count(1000)
    assert next(stream) == 0
    end(stream)
    wait_until_ended(bench)
    end(stream)
    assert list(stream) == []


def test_a_stream_is_closed_by_its_with_block(proxy: Proxy, bench: Workbench) -> None:
    with proxy.count(1000) as stream:
        assert next(stream) == 0
    wait_until_ended(bench)


def test_other_calls_may_come_in_between(proxy: Proxy) -> None:
    one, two = proxy.count(3), proxy.count(3)
    items = []
    for first, second in zip(one, two, strict=True):
        items += [first, proxy.add(second, 10)]
    assert items == [0, 10, 1, 11, 2, 12]


def test_a_stream_goes_on_after_the_proxy_has_connected_again(proxy: Proxy) -> None:
    stream = proxy.count(4)
    assert [next(stream), next(stream)] == [0, 1]
    proxy._pyroRelease()
    with pytest.raises(ConnectionClosedError, match="not connected"):
        next(stream)
    proxy._pyroReconnect(1)
    assert list(stream) == [2, 3]


def test_after_the_linger_time_a_stream_is_gone() -> None:
    config = Configuration(use_environment=False)
    config.ITER_STREAM_LINGER = 0
    with HostThread(config=config) as host:
        bench = Workbench()
        host.register(bench, "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            stream = proxy.count(4)
            assert next(stream) == 0
            proxy._pyroRelease()
            wait_until_ended(bench)
            proxy._pyroReconnect(1)
            with pytest.raises(PyroError, match="item stream terminated"):
                next(stream)
            assert list(stream) == []


def test_closing_after_a_release_is_harmless(proxy: Proxy) -> None:
    stream = proxy.count(4)
    next(stream)
    proxy._pyroRelease()
    stream.close()
    assert list(stream) == []
    assert proxy._pyroConnection is None


def test_a_server_that_does_not_stream_is_a_protocol_error() -> None:
    config = Configuration(use_environment=False)
    config.ITER_STREAMING = False
    with HostThread(config=config) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(ProtocolError, match="iterator"):
                proxy.count(3)
            assert proxy.add(1, 2) == 3


def test_streams_beyond_the_servers_limit_are_refused() -> None:
    config = Configuration(use_environment=False)
    config.MAX_STREAMS = 2
    with HostThread(config=config) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            kept = [proxy.count(3), proxy.count(3)]
            with pytest.raises(PyroError, match="max=2"):
                proxy.count(3)
            kept.pop().close()
            assert list(proxy.count(3)) == [0, 1, 2]
            assert list(kept[0]) == [0, 1, 2]


def test_threads_share_the_items_of_a_stream(proxy: Proxy) -> None:
    stream = proxy.count(200)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: list(stream), range(4), timeout=DEADLINE))
    assert sorted(item for part in parts for item in part) == list(range(200))


# What is sent

STREAM_ID = "3f2b6c1e-0000-4000-8000-000000000000"


def start_stream(peer: Peer) -> None:
    peer.admit(methods=["count"])
    peer.send(
        MessageType.RESULT,
        peer.receive(),
        b"for those who know no streams",
        flags=FLAG_EXCEPTION | FLAG_STREAM,
        annotations={"STRM": STREAM_ID.encode()},
    )


def expect(peer: Peer, method: str, flags: int = 0) -> Any:
    request = peer.receive()
    assert request.flags == flags
    object_id, name, args, _kwargs = peer.call_of(request)
    assert (object_id, name, list(args)) == ("Pyro.Daemon", method, [STREAM_ID])
    return request


def test_items_are_asked_of_the_daemon_and_the_payload_is_ignored() -> None:
    def script(peer: Peer) -> None:
        start_stream(peer)
        peer.answer(expect(peer, "get_next_stream_item"), "one")
        stop = expect(peer, "get_next_stream_item")
        peer.answer(stop, StopIteration(), flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        assert list(proxy.count(1)) == ["one"]


def test_closing_is_a_oneway_call() -> None:
    def script(peer: Peer) -> None:
        start_stream(peer)
        expect(peer, "close_stream", FLAG_ONEWAY)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        proxy.count(1).close()


def test_a_stream_id_that_is_no_text_is_a_protocol_error() -> None:
    def script(peer: Peer) -> None:
        peer.admit(methods=["count"])
        peer.send(
            MessageType.RESULT,
            peer.receive(),
            b"",
            flags=FLAG_EXCEPTION | FLAG_STREAM,
            annotations={"STRM": b"\xff\xfe"},
        )
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(ProtocolError, match="stream id"),
    ):
        proxy.count(1)


def test_an_item_that_cannot_be_decoded_does_not_end_the_stream() -> None:
    def script(peer: Peer) -> None:
        start_stream(peer)
        peer.answer(expect(peer, "get_next_stream_item"), {"__class__": "garden.Gnome"})
        peer.answer(expect(peer, "get_next_stream_item"), "two")
        expect(peer, "close_stream", FLAG_ONEWAY)

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri) as proxy,
        proxy.count(2) as stream,
    ):
        with pytest.raises(SerializeError, match=r"garden\.Gnome"):
            next(stream)
        assert next(stream) == "two"


def test_an_item_that_comes_too_late_is_a_timeout_error_and_no_end() -> None:
    def keep_silent(peer: Peer) -> None:
        start_stream(peer)
        expect(peer, "get_next_stream_item")
        peer.wait_for_end()

    def go_on(peer: Peer) -> None:
        peer.admit(methods=["count"])
        peer.answer(expect(peer, "get_next_stream_item"), "late")
        expect(peer, "close_stream", FLAG_ONEWAY)

    with ScriptedServer(keep_silent, go_on) as server, Proxy(server.uri) as proxy:
        stream = proxy.count(2)
        proxy._pyroTimeout = 0.1
        with pytest.raises(TimeoutError):
            next(stream)
        proxy._pyroTimeout = None
        proxy._pyroReconnect(1)
        assert next(stream) == "late"
        stream.close()


# Streams that nobody refers to any more


def test_dropping_a_stream_does_not_wait_for_another_threads_call(
    proxy: Proxy, bench: Workbench
) -> None:
    stream = proxy.count(1000)
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(proxy.slow)
        assert bench.started.acquire(timeout=DEADLINE)
        # Would wait for the other call, which waits for what comes after.
        del stream
        assert not bench.stream_ends.acquire(blocking=False)
        bench.release.set()
        assert waiting.result(DEADLINE) == "finally"
    # It is closed by the next call that is made.
    assert proxy.add(1, 2) == 3
    wait_until_ended(bench)


def test_a_stream_collected_in_the_midst_of_a_call_does_not_block_it(
    proxy: Proxy, bench: Workbench
) -> None:
    stream = proxy.count(1000)
    next(stream)
    cycle: list[object] = [stream]
    cycle.append(cycle)
    del stream
    channel = proxy._pyroConnection
    assert channel is not None

    def collect() -> None:
        # As the collector would, if it ran while this thread makes a call.
        with channel._lock:
            gc.collect()

    del cycle
    # A daemon, so that a failure is not a test run that never ends.
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert proxy.add(1, 2) == 3
    wait_until_ended(bench)
