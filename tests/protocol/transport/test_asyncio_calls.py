"""Connections on which many calls are in flight, against a server moved by hand."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import PATIENCE, Peer, RunningHost, ScriptedServer, new_config
from pyro_protocol import expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.errors import (
    ConnectionClosedError,
    RemoteProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    SUPPORTED_CAPABILITIES,
    CallCancelled,
    ServerSession,
    SessionSettings,
    StreamClosed,
    StreamCredited,
)
from pyro_protocol.session.capabilities import (
    CALLBACKS,
    CHUNKS,
    MULTIPLEX,
    NATIVE,
)
from pyro_protocol.transport import AsyncCallingChannel
from pyro_protocol.wire import FLAG_STREAM, JOIN_BELOW, Frame, MessageType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from pyro_protocol.transport.asyncio_calls import ChunkedItems

SHORT = 0.1
_NATIVE = serializers["native"]


class Server:
    """The server's end of one connection: what arrives, and what is answered."""

    def __init__(
        self,
        peer: Peer,
        capabilities: Iterable[str],
        settings: SessionSettings,
    ) -> None:
        self._sock = peer.sock
        self.session = ServerSession(settings, capabilities=capabilities)
        self._events: list[Any] = []
        self._signals: list[Any] = []
        request = self.next_event()
        metadata: dict[str, list[str]] = {"methods": [], "oneway": [], "attrs": []}
        self.session.send_accept(request, "hello", metadata)
        self.flush()

    def _receive(self) -> None:
        data = self._sock.recv(1 << 16)
        if not data:
            raise ConnectionError("the client has gone")
        self.session.receive_data(data)
        self._signals += self.session.signals_received()
        self._events += self.session.events_received()
        # What the session answers by itself, such as pings.
        self.flush()

    def flush(self) -> None:
        """Send what is queued."""
        for data in self.session.data_to_send():
            self._sock.sendall(data)

    def next_event(self) -> Any:
        """Wait for a request."""
        while not self._events:
            self._receive()
        return self._events.pop(0)

    def next_signal(self, kind: type) -> Any:
        """Wait for a signal of a kind."""
        while not any(isinstance(one, kind) for one in self._signals):
            self._receive()
        found = next(one for one in self._signals if isinstance(one, kind))
        self._signals.remove(found)
        return found

    def answer(self, request: Frame, value: object) -> None:
        """Answer a call."""
        self.session.send_result(request, value)
        self.flush()

    def wait_for_end(self) -> None:
        """Take in whatever comes until the client has gone."""
        while True:
            self._receive()


def converse(
    script: Callable[[Server], object],
    scenario: Callable[[AsyncCallingChannel], Awaitable[None]],
    capabilities: Iterable[str] = SUPPORTED_CAPABILITIES,
    settings: SessionSettings | None = None,
    **items: Any,
) -> None:
    """Have a channel talk to a server that follows a script, and leaves after it."""

    async def main() -> None:
        config = new_config(**items)
        channel = await AsyncCallingChannel.open(
            server.uri, serializer="auto", timeout=PATIENCE, config=config
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario(channel)
        finally:
            await channel.aclose()

    def serve(peer: Peer, _over: threading.Event) -> None:
        script(Server(peer, capabilities, settings or SessionSettings()))

    with ScriptedServer(serve) as server:
        asyncio.run(main())


async def ask(
    channel: AsyncCallingChannel, method: str, seconds: float | None = None
) -> Frame:
    frame = await channel.request(
        "thing", method, ((), {}), 0, channel.serializer, seconds
    )
    assert frame is not None
    return frame


async def open_stream(channel: AsyncCallingChannel, **options: Any) -> ChunkedItems:
    items = channel.items_of(await ask(channel, "stream"), **options)
    assert items is not None
    return items


def start_stream(server: Server) -> int:
    """Answer a call with a stream, and return its number."""
    request = server.next_event()
    number = server.session.open_stream(_NATIVE)
    server.answer(request, StreamStarted("stream-1", number))
    return number


def test_it_offers_all_but_to_be_called() -> None:
    async def scenario(channel: AsyncCallingChannel) -> None:
        assert channel.capabilities == SUPPORTED_CAPABILITIES - {CALLBACKS}
        assert channel.multiplexed
        assert channel.native
        assert channel.idle

    converse(Server.wait_for_end, scenario)


def test_answers_come_in_any_order() -> None:
    def script(server: Server) -> None:
        requests = [server.next_event() for _ in range(3)]
        for number, request in reversed(list(enumerate(requests))):
            server.answer(request, number)
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        calls = [asyncio.ensure_future(ask(channel, "number")) for _ in range(3)]
        await asyncio.sleep(0)
        assert channel.calls_in_flight == 3
        assert not channel.idle
        answers = [_NATIVE.loads((await one).payload) for one in calls]
        assert answers == [0, 1, 2]
        assert channel.idle

    converse(script, scenario)


@pytest.mark.parametrize("correlation", [None, bytes(range(16))])
def test_a_small_call_that_is_written_already_takes_the_short_way(
    correlation: bytes | None,
) -> None:
    def script(server: Server) -> None:
        request = server.next_event()
        assert request.correlation_id == correlation
        assert _NATIVE.loads_call(request.payload)[:2] == ("thing", "add")
        server.session.send_result(request, 3, correlation_id=request.correlation_id)
        server.flush()
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        # Another test may have left a context behind.
        call_state.set(CallState(correlation=correlation) if correlation else None)
        waiting = channel.quick_request(_NATIVE.dumps_call("thing", "add", (1, 2), {}))
        assert waiting is not None
        answer = await waiting
        assert answer.correlation_id == correlation
        assert _NATIVE.loads(answer.payload) == 3

    converse(script, scenario)


def test_what_is_unusual_does_not_take_the_short_way() -> None:
    async def scenario(channel: AsyncCallingChannel) -> None:
        payload = _NATIVE.dumps_call("thing", "add", (1, 2), {})
        assert channel.quick_request(bytes(JOIN_BELOW)) is None
        state = CallState()
        call_state.set(state)
        state.own_annotations = {"ABCD": b"x"}
        assert channel.quick_request(payload) is None
        state.own_annotations = None
        state.time_limit = PATIENCE
        assert channel.quick_request(payload) is None
        state.time_limit = None
        assert channel.quick_request(payload) is not None
        # The peer takes one at a time.
        assert channel.quick_request(payload) is None

    with_window_of_one = SessionSettings(max_in_flight=1)
    converse(Server.wait_for_end, scenario, settings=with_window_of_one)


def test_a_late_call_is_cancelled_and_its_answer_dropped() -> None:
    def script(server: Server) -> None:
        request = server.next_event()
        assert server.next_signal(CallCancelled).sequence == request.sequence
        server.answer(request, "late")
        server.answer(server.next_event(), "in time")
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        with pytest.raises(TimeoutError, match="was not answered within"):
            await ask(channel, "slow", SHORT)
        assert channel.usable
        assert _NATIVE.loads((await ask(channel, "quick")).payload) == "in time"

    converse(script, scenario)


def test_a_stream_that_comes_too_late_is_ended() -> None:
    closed = threading.Event()

    def script(server: Server) -> None:
        request = server.next_event()
        server.next_signal(CallCancelled)
        number = server.session.open_stream(_NATIVE)
        server.answer(request, StreamStarted("stream-1", number))
        assert server.next_signal(StreamClosed).number == number
        closed.set()

    async def scenario(channel: AsyncCallingChannel) -> None:
        with pytest.raises(TimeoutError):
            await ask(channel, "stream", SHORT)
        assert await asyncio.to_thread(closed.wait, PATIENCE)

    converse(script, scenario)


def test_where_calls_wait_for_each_other_a_late_one_ends_the_connection() -> None:
    async def scenario(channel: AsyncCallingChannel) -> None:
        assert not channel.multiplexed
        with pytest.raises(TimeoutError):
            await ask(channel, "slow", SHORT)
        assert not channel.usable
        await channel._ended.wait()

    def script(server: Server) -> None:
        server.next_event()
        server.wait_for_end()

    converse(script, scenario, {NATIVE})


def test_items_come_as_far_as_was_granted() -> None:
    def script(server: Server) -> None:
        number = start_stream(server)
        server.next_signal(StreamCredited)
        assert server.session.items_granted(number) == 3
        for item in range(3):
            assert server.session.send_item(number, item)
        server.flush()
        while not server.session.can_produce(number):
            server.next_signal(StreamCredited)
        server.session.end_stream(number, "result")
        server.flush()
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        items = await open_stream(channel, read_ahead=3)
        assert not channel.idle
        assert [await items.next(None) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(StopAsyncIteration):
            await items.next(None)
        assert items.result == "result"
        assert channel.idle

    converse(script, scenario)


def test_no_more_is_granted_than_is_configured() -> None:
    def script(server: Server) -> None:
        number = start_stream(server)
        server.next_signal(StreamCredited)
        assert server.session.items_granted(number) == 2
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        items = await open_stream(channel, read_ahead=3)
        with pytest.raises(TimeoutError, match="no item of a stream"):
            await items.next(SHORT)

    converse(script, scenario, STREAM_READ_AHEAD=2)


def test_a_stream_that_is_closed_is_ended_there() -> None:
    closed = threading.Event()

    def script(server: Server) -> None:
        number = start_stream(server)
        assert server.next_signal(StreamClosed).number == number
        closed.set()

    async def scenario(channel: AsyncCallingChannel) -> None:
        items = await open_stream(channel)
        items.close()
        assert channel.idle
        assert await asyncio.to_thread(closed.wait, PATIENCE)

    converse(script, scenario)


def test_what_is_no_stream_of_chunks_has_no_items() -> None:
    def script(server: Server) -> None:
        server.answer(server.next_event(), "value")
        server.answer(server.next_event(), StreamStarted("stream-1"))
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        assert channel.items_of(await ask(channel, "value")) is None
        answer = await ask(channel, "stream")
        assert answer.flags & FLAG_STREAM
        assert channel.items_of(answer) is None

    converse(script, scenario, SUPPORTED_CAPABILITIES - {CHUNKS})


def test_a_connection_that_is_lost_fails_its_streams() -> None:
    async def scenario(channel: AsyncCallingChannel) -> None:
        items = await open_stream(channel)
        with pytest.raises(ConnectionClosedError):
            await items.next(None)
        assert channel.left_behind

    converse(start_stream, scenario)


def test_a_stream_whose_connection_ended_with_its_answer_fails_as_well() -> None:
    async def scenario(channel: AsyncCallingChannel) -> None:
        answer = await ask(channel, "stream")
        channel.close()
        items = channel.items_of(answer)
        assert items is not None
        with pytest.raises(ConnectionClosedError):
            await items.next(None)

    converse(start_stream, scenario)


def test_a_silent_server_is_given_up() -> None:
    over = threading.Event()

    def script(server: Server) -> None:
        server.next_event()
        assert over.wait(PATIENCE)

    async def scenario(channel: AsyncCallingChannel) -> None:
        with pytest.raises(ConnectionClosedError, match="no sign of life"):
            await ask(channel, "slow")
        over.set()

    converse(script, scenario, HEARTBEAT_INTERVAL=SHORT, HEARTBEAT_TIMEOUT=SHORT)


def test_a_server_that_answers_pings_has_time_for_its_call() -> None:
    def script(server: Server) -> None:
        request = server.next_event()
        pings = 0
        while pings < 3:
            server._receive()
            pings += 1
        server.answer(request, "done")
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        assert _NATIVE.loads((await ask(channel, "slow")).payload) == "done"

    converse(script, scenario, HEARTBEAT_INTERVAL=SHORT, HEARTBEAT_TIMEOUT=PATIENCE)


def test_a_server_may_not_call() -> None:
    def script(server: Server) -> None:
        request = server.next_event()
        server._sock.sendall(
            b"".join(
                server.session._encode(
                    MessageType.INVOKE, _NATIVE.id, 0, request.sequence, b"call"
                )
            )
        )
        server.wait_for_end()

    async def scenario(channel: AsyncCallingChannel) -> None:
        with pytest.raises(RemoteProtocolError):
            await ask(channel, "anything")

    converse(script, scenario)


def test_a_server_that_can_do_no_more_than_pyro5s_is_called_as_well() -> None:
    @expose
    class Thing:
        def add(self, one: int, other: int) -> int:
            return one + other

    async def main() -> None:
        channel = await AsyncCallingChannel.open(running.uri(), config=new_config())
        assert MULTIPLEX not in channel.capabilities
        assert await channel.call("thing", "add", (1, 2), {}) == 3
        await channel.aclose()

    with RunningHost({"thing": Thing()}) as running:
        asyncio.run(main())


def test_the_end_of_the_event_loop_ends_the_connection() -> None:
    gone = threading.Event()

    def script(peer: Peer, _over: threading.Event) -> None:
        try:
            server = Server(peer, SUPPORTED_CAPABILITIES, SessionSettings())
            server.wait_for_end()
        finally:
            gone.set()

    async def main() -> AsyncCallingChannel:
        return await AsyncCallingChannel.open(scripted.uri, config=new_config())

    with ScriptedServer(script) as scripted:
        channel = asyncio.run(main())
        assert channel.closed
        assert gone.wait(PATIENCE)
