from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import PATIENCE, Peer, RunningHost, ScriptedServer, new_config
from pyro_protocol import URI, current_context, expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    MessageTooLargeError,
    RemoteProtocolError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import StreamReference
from pyro_protocol.transport import AsyncChannel
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

SHORT = 0.15
CORRELATION = uuid.UUID(int=5)


@expose
class Thing:
    def __init__(self) -> None:
        self.noted: list[object] = []

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        raise ValueError("boom", 42)

    def note(self, value: object) -> None:
        self.noted.append(value)

    def items(self) -> Iterator[int]:
        yield 1

    def seen(self) -> list[object]:
        current_context.response_annotations["RSPX"] = b"response"
        annotations = current_context.annotations
        return [
            str(current_context.correlation_id),
            {name: bytes(value) for name, value in annotations.items()},
        ]


@pytest.fixture(scope="module")
def thing() -> Thing:
    return Thing()


@pytest.fixture(scope="module")
def running(thing: Thing) -> Iterator[RunningHost]:
    with RunningHost({"thing": thing}) as running:
        yield running


@pytest.fixture
def uri(running: RunningHost) -> URI:
    return running.uri()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in an event loop, in which nothing may go wrong unnoticed."""
    problems: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, problem: problems.append(problem)
        )
        call_state.set(None)
        async with asyncio.timeout(PATIENCE):
            await main()

    asyncio.run(watched())
    assert problems == []


@contextlib.asynccontextmanager
async def connected(uri: URI, **options: Any) -> AsyncIterator[AsyncChannel]:
    async with await AsyncChannel.connect(uri, **options) as channel:
        yield channel


def silent(_peer: Peer, over: threading.Event) -> None:
    over.wait(PATIENCE)


def admitting(
    then: Callable[[Peer, threading.Event], object],
) -> Callable[[Peer, threading.Event], None]:
    def script(peer: Peer, over: threading.Event) -> None:
        peer.admit()
        then(peer, over)

    return script


async def outcome_of(call: Awaitable[object]) -> BaseException:
    try:
        await call
    except BaseException as error:  # noqa: BLE001 - to be looked at
        return error
    raise AssertionError("it did not fail")


class TestConnecting:
    def test_the_handshake_tells_what_the_object_offers(self, uri: URI) -> None:
        async def main() -> None:
            async with connected(uri) as channel:
                assert channel.accepted is not None
                assert "add" in channel.accepted.methods
                assert channel.native
                assert channel.serializer.name == "native"
                assert not channel.closed
            assert channel.closed

        run(main)

    def test_without_native_serpent_is_used(self) -> None:
        async def main() -> None:
            with ScriptedServer(admitting(silent)) as server:
                async with connected(server.uri) as channel:
                    assert not channel.native
                    assert channel.serializer.name == "serpent"

        run(main)

    def test_native_can_be_demanded(self, uri: URI) -> None:
        async def main() -> None:
            async with connected(uri, serializer="native") as channel:
                assert channel.serializer.name == "native"
            with (
                ScriptedServer(admitting(silent)) as server,
                pytest.raises(LocalProtocolError, match="SERIALIZER=auto"),
            ):
                await AsyncChannel.connect(server.uri, serializer="native")

        run(main)

    def test_the_serializer_can_come_from_the_configuration(self, uri: URI) -> None:
        async def main() -> None:
            async with connected(uri, config=new_config(SERIALIZER="json")) as channel:
                assert channel.serializer.name == "json"
            with pytest.raises(ValueError, match="'yaml'; known: auto, serpent"):
                await AsyncChannel.connect(uri, serializer="yaml")

        run(main)

    @pytest.mark.parametrize("where", ["127.0.0.1:1", "..:1", "./u:/no/such/socket"])
    def test_nobody_listening_is_an_error_that_says_nothing_was_sent(
        self, where: str
    ) -> None:
        async def main() -> None:
            error = await outcome_of(AsyncChannel.connect(URI(f"PYRO:thing@{where}")))

            assert isinstance(error, CommunicationError)
            assert f"cannot connect to {where}" in str(error)
            assert error.outcome == "not_sent"

        run(main)

    def test_a_refusal_is_told_in_the_servers_words(self, running: RunningHost) -> None:
        async def main() -> None:
            error = await outcome_of(AsyncChannel.connect(running.uri("no")))

            assert isinstance(error, CommunicationError)
            assert "rejected: unknown object 'no'" in str(error)
            assert error.outcome == "not_sent"

        run(main)

    @pytest.mark.parametrize(
        ("answer", "kind", "text"),
        [
            (b"", ConnectionClosedError, "instead of answering the handshake"),
            (b"PYRO\x01\xf6", ConnectionClosedError, "in the middle of a message"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", RemoteProtocolError, "invalid data"),
            (b"PYRO\x00\x30", RemoteProtocolError, "invalid protocol version: 48"),
            (
                b"".join(
                    encode_frame(
                        MessageType.CONNECTOK,
                        1,
                        0,
                        0,
                        b"{'handshake':{'__class__':'__main__.Evil'},'meta':{}}",
                    )
                ),
                RemoteProtocolError,
                "__main__.Evil",
            ),
        ],
    )
    def test_what_is_no_answer_to_the_handshake_is_an_error(
        self, answer: bytes, kind: type[CommunicationError], text: str
    ) -> None:
        def script(peer: Peer, _over: threading.Event) -> None:
            peer.receive()
            peer.send(answer)

        async def main() -> None:
            with ScriptedServer(script) as server:
                error = await outcome_of(AsyncChannel.connect(server.uri))

            assert type(error) is kind
            assert text in str(error)
            assert error.outcome == "not_sent"

        run(main)

    def test_a_server_that_does_not_answer_is_given_up(self) -> None:
        async def main() -> None:
            with ScriptedServer(silent) as server:
                error = await outcome_of(
                    AsyncChannel.connect(server.uri, timeout=SHORT)
                )

            assert type(error) is TimeoutError
            assert error.outcome == "not_sent"

        run(main)

    def test_connecting_can_be_cancelled(self) -> None:
        async def main() -> None:
            arrived = threading.Event()

            def script(peer: Peer, over: threading.Event) -> None:
                peer.receive()
                arrived.set()
                assert peer.read_to_end() == b""

            with ScriptedServer(script) as server:
                task = asyncio.create_task(AsyncChannel.connect(server.uri))
                assert await asyncio.to_thread(arrived.wait, PATIENCE)
                task.cancel()
                assert isinstance(await outcome_of(task), asyncio.CancelledError)

        run(main)

    def test_the_ip_version_that_is_preferred_is_used(self, uri: URI) -> None:
        async def main() -> None:
            with pytest.raises(CommunicationError):
                await AsyncChannel.connect(uri, config=new_config(PREFER_IP_VERSION=6))

        run(main)


class TestCalls:
    @pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "native"])
    def test_every_serializer_works(self, uri: URI, serializer: str) -> None:
        async def main() -> None:
            async with connected(uri, serializer=serializer) as channel:
                assert await channel.call("thing", "add", (1,), {"b": 2}) == 3
                assert await channel.call("thing", "echo", ("é",)) == "é"
                json = serializers["json"]
                assert await channel.call(
                    "thing", "echo", ((1,),), serializer=json
                ) == [1]

        run(main)

    def test_a_remote_exception_is_raised_and_the_connection_stays(
        self, uri: URI
    ) -> None:
        async def main() -> None:
            async with connected(uri) as channel:
                with pytest.raises(ValueError, match="boom") as error:
                    await channel.call("thing", "fail")
                assert "in fail" in error.value.__notes__[0]
                assert await channel.call("thing", "add", (1, 2)) == 3

        run(main)

    def test_a_oneway_call_does_not_wait_and_is_sent_before_closing(
        self, running: RunningHost, uri: URI, thing: Thing
    ) -> None:
        async def main() -> None:
            async with connected(uri) as channel:
                assert (
                    await channel.call("thing", "note", ("x",), flags=FLAG_ONEWAY)
                    is None
                )

        run(main)
        running.wait_until(lambda: thing.noted == ["x"])

    def test_an_iterator_is_a_reference_to_a_stream(self, uri: URI) -> None:
        async def main() -> None:
            async with connected(uri) as channel:
                stream = await channel.call("thing", "items")
                assert isinstance(stream, StreamReference)
                fetch = ("Pyro.Daemon", "get_next_stream_item", (stream.stream_id,))
                assert await channel.call(*fetch) == 1
                # A coroutine cannot raise StopIteration.
                with pytest.raises(RuntimeError) as error:
                    await channel.call(*fetch)
                assert isinstance(error.value.__cause__, StopIteration)

        run(main)

    def test_arguments_that_cannot_be_sent_leave_the_connection_open(
        self, uri: URI
    ) -> None:
        async def main() -> None:
            async with connected(
                uri, config=new_config(MAX_MESSAGE_SIZE=5000)
            ) as channel:
                with pytest.raises(SerializeError):
                    await channel.call("thing", "echo", (object.__new__,))
                with pytest.raises(MessageTooLargeError) as error:
                    await channel.call("thing", "echo", ("x" * 6000,))
                assert error.value.outcome == "not_sent"
                assert await channel.call("thing", "add", (1, 2)) == 3

        run(main)

    def test_large_values_go_both_ways(self, uri: URI) -> None:
        async def main() -> None:
            value = bytes(range(256)) * (32 << 12)
            async with connected(uri) as channel:
                assert await channel.call("thing", "echo", (value,)) == value

        run(main)

    def test_tasks_share_a_connection_and_get_their_own_answers(self, uri: URI) -> None:
        async def main() -> None:
            async with connected(uri) as channel:
                results = await asyncio.gather(
                    *(
                        channel.call("thing", "add", (number, 1000))
                        for number in range(200)
                    )
                )
            assert results == [number + 1000 for number in range(200)]

        run(main)

    def test_requests_are_sent_before_the_earlier_ones_are_answered(self) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            requests = [peer.receive() for _ in range(3)]
            for request in reversed(requests):
                peer.send(peer.answer(request, request.sequence))

        async def main() -> None:
            with ScriptedServer(admitting(answer)) as server:
                async with connected(server.uri) as channel:
                    results = await asyncio.gather(
                        *(channel.call("thing", "echo", ("x",)) for _ in range(3))
                    )
            assert results == [1, 2, 3]

        run(main)

    def test_many_large_requests_wait_for_a_slow_server(self) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            for _ in range(20):
                request = peer.receive()
                peer.send(peer.answer(request, request.sequence))

        async def main() -> None:
            with ScriptedServer(admitting(answer)) as server:
                async with connected(server.uri) as channel:
                    value = "x" * (1 << 20)
                    results = await asyncio.gather(
                        *(channel.call("thing", "echo", (value,)) for _ in range(20))
                    )
            assert results == list(range(1, 21))

        run(main)

    def test_a_cancelled_call_does_not_disturb_the_others(self) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            first, second = peer.receive(), peer.receive()
            peer.send(peer.answer(first, "first") + peer.answer(second, "second"))
            third = peer.receive()
            peer.send(peer.answer(third, "third"))

        async def main() -> None:
            with ScriptedServer(admitting(answer)) as server:
                async with connected(server.uri) as channel:
                    first = asyncio.create_task(channel.call("thing", "echo", (1,)))
                    await asyncio.sleep(0)
                    first.cancel()
                    assert isinstance(await outcome_of(first), asyncio.CancelledError)
                    assert await channel.call("thing", "echo", (2,)) == "second"
                    assert await channel.call("thing", "echo", (3,)) == "third"

        run(main)


class TestContext:
    def test_what_the_context_holds_goes_with_the_call_and_the_answer_comes_back(
        self, uri: URI
    ) -> None:
        async def main() -> None:
            async with connected(uri, serializer="msgpack") as channel:
                current_context.correlation_id = CORRELATION
                current_context.annotations = {"ABCD": b"x"}

                seen = await channel.call("thing", "seen")

                assert seen == [str(CORRELATION), {"ABCD": b"x"}]
                assert (
                    bytes(current_context.response_annotations["RSPX"]) == b"response"
                )
                await channel.call("thing", "add", (1, 2))
                assert current_context.response_annotations == {}

        run(main)

    def test_each_task_sends_its_own(self, uri: URI) -> None:
        async def task(channel: AsyncChannel, number: int) -> object:
            current_context.correlation_id = uuid.UUID(int=number)
            return (await channel.call("thing", "seen"))[0]

        async def main() -> None:
            current_context.correlation_id = CORRELATION
            async with connected(uri) as channel:
                seen = await asyncio.gather(
                    *(task(channel, number) for number in range(9))
                )
            assert seen == [str(uuid.UUID(int=number)) for number in range(9)]
            assert current_context.correlation_id == CORRELATION

        run(main)

    def test_what_nested_calls_bring_is_not_for_the_client_being_served(
        self, uri: URI
    ) -> None:
        async def main() -> None:
            state = CallState(ClientConnection(), annotations={"REQX": b"request"})
            call_state.set(state)
            async with connected(uri) as channel:
                _correlation, annotations = await channel.call("thing", "seen")

            assert annotations == {}
            assert state.response_annotations is None

        run(main)


class TestFailures:
    @staticmethod
    def failing(
        answer: Callable[[Peer, threading.Event], object],
    ) -> CommunicationError:
        errors: list[BaseException] = []

        async def main() -> None:
            with ScriptedServer(admitting(answer)) as server:
                channel = await AsyncChannel.connect(server.uri)
                calls = [channel.call("thing", "echo", ("x",)) for _ in range(2)]
                errors.extend(await asyncio.gather(*map(outcome_of, calls)))
                again = await outcome_of(channel.call("thing", "echo", ("x",)))
                await channel.aclose()
                assert channel.closed
                assert isinstance(again, ConnectionClosedError)
                assert again.outcome == "not_sent"

        run(main)
        first, second = errors
        assert isinstance(first, CommunicationError)
        assert isinstance(second, CommunicationError)
        # The same error raised in two tasks would mix their tracebacks.
        assert first is not second
        assert type(first) is type(second)
        assert first.outcome == "unknown"
        return first

    @staticmethod
    def both(peer: Peer) -> bytes:
        request, _other = peer.receive(), peer.receive()
        return peer.answer(request, "x" * 1000)

    def test_a_server_that_leaves_fails_every_call(self) -> None:
        error = self.failing(lambda peer, _over: self.both(peer))

        assert type(error) is ConnectionClosedError

    def test_a_partial_answer_fails_every_call(self) -> None:
        error = self.failing(lambda peer, _over: peer.send(self.both(peer)[:-1]))

        assert type(error) is ConnectionClosedError
        assert "in the middle of a message" in str(error)

    def test_an_answer_to_another_request_fails_every_call(self) -> None:
        def answer(peer: Peer, over: threading.Event) -> None:
            self.both(peer)
            peer.send(peer.answer(Frame(MessageType.INVOKE, 1, 0, 99, b""), "x"))
            over.wait(PATIENCE)

        error = self.failing(answer)

        assert type(error) is RemoteProtocolError
        assert "request 99" in str(error)

    def test_garbage_fails_every_call(self) -> None:
        def answer(peer: Peer, over: threading.Event) -> None:
            self.both(peer)
            peer.send(b"garbage")
            over.wait(PATIENCE)

        assert "invalid data" in str(self.failing(answer))

    def test_closing_here_fails_every_call(self) -> None:
        async def main() -> None:
            with ScriptedServer(admitting(silent)) as server:
                channel = await AsyncChannel.connect(server.uri)
                call = asyncio.create_task(channel.call("thing", "echo", ("x",)))
                await asyncio.sleep(0)
                channel.close()
                channel.close()
                assert isinstance(await outcome_of(call), ConnectionClosedError)
                await channel.aclose()
                await channel.aclose()

        run(main)

    def test_a_call_that_waits_for_room_is_told_that_it_was_not_sent(self) -> None:
        async def main() -> None:
            with ScriptedServer(admitting(silent)) as server:
                channel = await AsyncChannel.connect(server.uri)
                large = asyncio.create_task(
                    channel.call("thing", "echo", ("x" * (32 << 20),))
                )
                await asyncio.sleep(0)
                small = asyncio.create_task(channel.call("thing", "echo", ("x",)))
                await asyncio.sleep(0)
                channel.close()
                for call, outcome in ((large, "unknown"), (small, "not_sent")):
                    error = await outcome_of(call)
                    assert isinstance(error, ConnectionClosedError)
                    assert error.outcome == outcome

        run(main)
