from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from protocol.conversation import Server
from protocol.hosts import (
    PATIENCE,
    Peer,
    RunningHost,
    ScriptedServer,
    new_config,
    serve_in_memory,
)
from pyro_protocol import URI, current_context, expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import StreamReference
from pyro_protocol.transport import BlockingChannel
from pyro_protocol.transport.blocking_channel import choose_serializer
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A time-out that is certain to come, and soon.
SHORT = 0.15
CORRELATION = uuid.UUID(int=5)


@expose
class Thing:
    def __init__(self) -> None:
        self.noted = threading.Event()
        self._level = 7

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        raise ValueError("boom", 42)

    def note(self) -> None:
        self.noted.set()

    def items(self) -> Iterator[int]:
        yield 1

    def seen(self, _text: str = "") -> list[object]:
        current_context.response_annotations["RSPX"] = b"response"
        annotations = current_context.annotations
        return [
            str(current_context.correlation_id),
            {name: bytes(value) for name, value in annotations.items()},
        ]

    async def never(self) -> None:
        await asyncio.get_running_loop().create_future()

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value


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


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    token = call_state.set(None)
    yield
    call_state.reset(token)


@contextlib.contextmanager
def connected(uri: URI, **options: Any) -> Iterator[BlockingChannel]:
    channel = BlockingChannel.connect(uri, **options)
    try:
        yield channel
    finally:
        channel.close()


def silent(_peer: Peer, over: threading.Event) -> None:
    over.wait(PATIENCE)


def free_uri() -> URI:
    """Where nobody listens, and nobody will while it is not given to somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return URI(f"PYRO:thing@127.0.0.1:{sock.getsockname()[1]}")


class TestConnecting:
    def test_the_handshake_tells_what_the_object_offers(self, uri: URI) -> None:
        with connected(uri) as channel:
            assert channel.accepted is not None
            assert channel.accepted.handshake == "hello"
            assert channel.accepted.attributes == {"level"}
            assert "add" in channel.accepted.methods
            assert channel.uri == uri
            assert not channel.closed
            assert channel.getpeercert() is None

    def test_with_a_server_of_ours_native_is_agreed_on(self, uri: URI) -> None:
        with connected(uri) as channel:
            assert channel.native
            assert channel.serializer.name == "native"

    def test_without_native_serpent_is_used(self) -> None:
        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            over.wait(PATIENCE)

        with ScriptedServer(script) as server, connected(server.uri) as channel:
            assert not channel.native
            assert channel.serializer.name == "serpent"

    def test_native_can_be_demanded(self, uri: URI) -> None:
        with connected(uri, serializer="native") as channel:
            assert channel.serializer.name == "native"

        with (
            ScriptedServer(lambda peer, _over: peer.admit()) as server,
            pytest.raises(LocalProtocolError, match="SERIALIZER=auto"),
        ):
            BlockingChannel.connect(server.uri, serializer="native")

    def test_the_serializer_can_come_from_the_configuration(self, uri: URI) -> None:
        with connected(uri, config=new_config(SERIALIZER="json")) as channel:
            assert channel.serializer.name == "json"

    def test_an_unknown_serializer_is_named_with_those_there_are(
        self, uri: URI
    ) -> None:
        with pytest.raises(ValueError, match="'yaml'; known: auto, serpent"):
            BlockingChannel.connect(uri, serializer="yaml")
        assert choose_serializer("auto", native=True).name == "native"

    def test_the_handshake_value_and_the_object_are_sent(self) -> None:
        seen: list[Any] = []

        def script(peer: Peer, _over: threading.Event) -> None:
            frame = peer.admit()
            seen.append(serializers["serpent"].loads(frame.payload))

        with ScriptedServer(script) as server:
            BlockingChannel.connect(server.uri, handshake={"user": "me"}).close()

        assert seen == [{"handshake": {"user": "me"}, "object": "thing"}]

    def test_a_sequence_number_can_be_continued(self, uri: URI) -> None:
        with connected(uri, sequence=0xFFFF) as channel:
            assert channel.call("thing", "add", (1, 2)) == 3
            assert channel.sequence == 0

    def test_nobody_listening_is_an_error_that_says_nothing_was_sent(self) -> None:
        uri = free_uri()

        with pytest.raises(
            CommunicationError, match=f"cannot connect to {uri.location}"
        ) as error:
            BlockingChannel.connect(uri)

        assert error.value.outcome == "not_sent"

    @pytest.mark.parametrize("host", ["..", "x" * 70])
    def test_an_impossible_host_is_the_same_error(self, host: str) -> None:
        with pytest.raises(CommunicationError, match="cannot connect"):
            BlockingChannel.connect(URI(f"PYRO:thing@{host}:1"))

    def test_a_refusal_is_told_in_the_servers_words(self, running: RunningHost) -> None:
        with pytest.raises(
            CommunicationError, match="rejected: unknown object 'no'"
        ) as error:
            BlockingChannel.connect(running.uri("no"))

        assert error.value.outcome == "not_sent"

    @pytest.mark.parametrize(
        ("answer", "kind", "text"),
        [
            (b"", ConnectionClosedError, "instead of answering the handshake"),
            (b"PYRO\x01\xf6", ConnectionClosedError, "in the middle of a message"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", RemoteProtocolError, "invalid data"),
            (b"PYRO\x00\x30", RemoteProtocolError, "invalid protocol version: 48"),
            (
                b"".join(encode_frame(MessageType.RESULT, 1, 0, 0, b"")),
                RemoteProtocolError,
                "invalid msg type 5",
            ),
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
                ProtocolError,
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

        with ScriptedServer(script) as server, pytest.raises(kind, match=text) as error:
            BlockingChannel.connect(server.uri)

        assert error.value.outcome == "not_sent"

    def test_a_server_that_does_not_answer_is_given_up(self) -> None:
        with ScriptedServer(silent) as server:
            with pytest.raises(TimeoutError) as error:
                BlockingChannel.connect(server.uri, timeout=SHORT)

            assert error.value.outcome == "not_sent"

    def test_the_server_can_be_refused_by_its_handshake_value(self, uri: URI) -> None:
        channels: list[BlockingChannel] = []

        def validate(channel: BlockingChannel, value: object) -> None:
            assert value == "hello"
            channels.append(channel)
            raise PermissionError("not that one")

        with pytest.raises(PermissionError, match="not that one"):
            BlockingChannel.connect(uri, validate=validate)

        assert channels[0].closed
        with pytest.raises(ConnectionClosedError):
            channels[0].call("thing", "add", (1, 2))

    def test_the_ip_version_that_is_preferred_is_used(self, uri: URI) -> None:
        with pytest.raises(CommunicationError):
            BlockingChannel.connect(uri, config=new_config(PREFER_IP_VERSION=6))


class TestCallsWithAText:
    """They are the same as any other calls, in a shorter way where that is possible."""

    @pytest.mark.parametrize("serializer", ["auto", "native", "serpent", "json"])
    @pytest.mark.parametrize("timeout", [None, PATIENCE])
    def test_texts_arrive_as_they_are(
        self, uri: URI, serializer: str, timeout: float | None
    ) -> None:
        with connected(uri, serializer=serializer, timeout=timeout) as channel:
            for text in ("", "a", "é" * 31, "x" * 200, "y" * 1025, "z" * 100_000):
                for _ in range(2):
                    assert channel.call_with_text("thing", "echo", text) == text

    def test_what_is_no_text_is_sent_all_the_same(self, uri: URI) -> None:
        with connected(uri) as channel:
            for value in (None, 5, ["a"], b"bytes"):
                assert channel.call_with_text("thing", "echo", value) == value

    def test_a_text_that_cannot_travel_leaves_the_connection_usable(
        self, uri: URI
    ) -> None:
        with connected(uri) as channel:
            with pytest.raises(SerializeError):
                channel.call_with_text("thing", "echo", "\ud800")
            assert channel.call_with_text("thing", "echo", "b") == "b"

    def test_the_error_of_a_method_is_raised(self, uri: URI) -> None:
        with connected(uri) as channel:
            with pytest.raises(TypeError, match="argument"):
                channel.call_with_text("thing", "fail", "a")
            with pytest.raises(AttributeError, match="missing"):
                channel.call_with_text("thing", "missing", "a")
            assert channel.call("thing", "add", (1, 2)) == 3

    def test_the_context_goes_along(self, uri: URI) -> None:
        with connected(uri) as channel:
            channel.call_with_text("thing", "echo", "a")
            current_context.correlation_id = CORRELATION
            current_context.annotations = {"TEST": b"text"}
            seen = channel.call_with_text("thing", "seen", "a")
            assert seen == [str(CORRELATION), {"TEST": b"text"}]
            assert current_context.response_annotations == {"RSPX": b"response"}

    def test_they_take_their_turn_in_the_sequence_numbers(self, uri: URI) -> None:
        with connected(uri, sequence=0xFFFE) as channel:
            for sequence in (0xFFFF, 0, 1):
                assert channel.call_with_text("thing", "echo", "a") == "a"
                assert channel.sequence == sequence

    def test_on_a_closed_channel_nothing_is_sent(self, uri: URI) -> None:
        with connected(uri) as channel:
            channel.close()
            with pytest.raises(ConnectionClosedError) as error:
                channel.call_with_text("thing", "echo", "a")
            assert error.value.outcome == "not_sent"


class TestCalls:
    @pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "native"])
    def test_every_serializer_works(self, uri: URI, serializer: str) -> None:
        with connected(uri, serializer=serializer) as channel:
            assert channel.call("thing", "add", (1,), {"b": 2}) == 3
            assert channel.call("thing", "echo", ("é",)) == "é"
            assert channel.call("thing", "__setattr__", ("level", 8)) is None
            assert channel.call("thing", "__getattr__", ("level",)) == 8
            assert channel.call("Pyro.Daemon", "ping") is None

    def test_one_call_can_have_a_serializer_of_its_own(self, uri: URI) -> None:
        with connected(uri) as channel:
            assert channel.call("thing", "echo", ((1,),)) == (1,)
            json = serializers["json"]
            assert channel.call("thing", "echo", ((1,),), serializer=json) == [1]

    def test_a_remote_exception_is_raised_and_the_connection_stays(
        self, uri: URI
    ) -> None:
        with connected(uri) as channel:
            with pytest.raises(ValueError, match="boom") as error:
                channel.call("thing", "fail")
            assert "in fail" in error.value.__notes__[0]

            assert channel.call("thing", "add", (1, 2)) == 3

    def test_a_oneway_call_does_not_wait(self, uri: URI, thing: Thing) -> None:
        with connected(uri) as channel:
            assert channel.call("thing", "note", flags=FLAG_ONEWAY) is None
            assert thing.noted.wait(PATIENCE)

            assert channel.call("thing", "add", (1, 2)) == 3

    def test_a_batch_is_a_call_with_a_flag(self, uri: URI) -> None:
        with connected(uri) as channel:
            calls: list[object] = [("add", (1, 2), {}), ("fail", (), {})]

            first, second = channel.call("thing", "<batch>", calls, flags=FLAG_BATCH)

            assert first == 3
            assert second.exception.args == ("boom", 42)

    def test_an_iterator_is_a_reference_to_a_stream(self, uri: URI) -> None:
        with connected(uri) as channel:
            stream = channel.call("thing", "items")
            assert isinstance(stream, StreamReference)

            def item() -> object:
                return channel.call(
                    "Pyro.Daemon", "get_next_stream_item", (stream.stream_id,)
                )

            assert item() == 1
            with pytest.raises(StopIteration):
                item()

    def test_arguments_that_cannot_be_sent_leave_the_connection_open(
        self, uri: URI
    ) -> None:
        with connected(uri, config=new_config(MAX_MESSAGE_SIZE=5000)) as channel:
            with pytest.raises(SerializeError):
                channel.call("thing", "echo", (object.__new__,))
            with pytest.raises(MessageTooLargeError) as error:
                channel.call("thing", "echo", ("x" * 6000,))
            assert error.value.outcome == "not_sent"

            assert channel.call("thing", "add", (1, 2)) == 3

    @pytest.mark.parametrize("timeout", [None, PATIENCE])
    def test_large_values_go_both_ways(self, uri: URI, timeout: float | None) -> None:
        value = bytes(range(256)) * (32 << 12)
        assert len(value) == 32 << 20

        with connected(uri, timeout=timeout) as channel:
            assert channel.call("thing", "echo", (value,)) == value

    def test_compressed_values_go_both_ways(self) -> None:
        config = new_config(COMPRESSION=True)
        with (
            RunningHost({"thing": Thing()}, config=config) as running,
            connected(running.uri(), config=config) as channel,
        ):
            assert channel.call("thing", "echo", ("x" * 100_000,)) == "x" * 100_000

    def test_a_ping_is_answered(self, uri: URI) -> None:
        with connected(uri) as channel:
            channel.ping()
            channel.ping()

            assert channel.call("thing", "add", (1, 2)) == 3

    def test_threads_take_turns(self, uri: URI) -> None:
        results: dict[int, list[object]] = {}
        with connected(uri) as channel:

            def work(number: int) -> None:
                results[number] = [
                    channel.call("thing", "add", (number, index)) for index in range(50)
                ]

            threads = [
                threading.Thread(target=work, args=(number,)) for number in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)

        assert results == {
            number: [number + index for index in range(50)] for number in range(8)
        }

    def test_a_call_can_be_posted_when_the_connection_is_free(
        self, uri: URI, thing: Thing
    ) -> None:
        thing.noted.clear()
        with connected(uri) as channel:
            assert channel.post("thing", "note", ())
            assert thing.noted.wait(PATIENCE)

            with channel._lock:
                assert not channel.post("thing", "note", ())
        assert not channel.post("thing", "note", ())

    def test_posting_does_not_wait_for_a_server_that_does_not_read(self) -> None:
        mine, peer = socket.socketpair()
        with mine, peer:
            channel = BlockingChannel.on_socket(mine, URI("PYRO:thing@h:1"))
            mine.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while mine.send(bytes(65536)):
                    pass
            mine.settimeout(None)

            assert not channel.post("thing", "note", ())


class TestContext:
    def test_what_the_context_holds_goes_with_the_call_and_the_answer_comes_back(
        self, uri: URI
    ) -> None:
        with connected(uri, serializer="msgpack") as channel:
            current_context.correlation_id = CORRELATION
            current_context.annotations = {"ABCD": b"x"}

            seen = channel.call("thing", "seen")

            assert seen == [str(CORRELATION), {"ABCD": b"x"}]
            assert bytes(current_context.response_annotations["RSPX"]) == b"response"

            channel.call("thing", "add", (1, 2))
            assert current_context.response_annotations == {}

    def test_the_annotations_of_one_exchange_are_added(self, uri: URI) -> None:
        with connected(uri, serializer="msgpack") as channel:
            codec = channel.serializer
            payload = codec.dumps_call("thing", "seen", (), {})

            for own in ({}, {"OWNX": b"y"}):
                current_context.annotations = own
                frame = channel.exchange(codec.id, payload, 0, {"ABCD": b"x"})
                assert frame is not None
                assert codec.loads(frame.payload)[1] == {"ABCD": b"x", **own}

    def test_a_request_being_served_does_not_leak_into_nested_calls(
        self, uri: URI
    ) -> None:
        state = CallState(ClientConnection(), annotations={"REQX": b"request"})
        call_state.set(state)
        with connected(uri, serializer="msgpack") as channel:
            correlation, annotations = channel.call("thing", "seen")

        assert annotations == {}
        assert correlation != "None"
        # What the nested call brought is not for the client being served.
        assert state.response_annotations is None

    def test_the_correlation_id_of_a_request_goes_with_nested_calls(
        self, uri: URI
    ) -> None:
        call_state.set(CallState(ClientConnection(), correlation=CORRELATION.bytes))
        with connected(uri, serializer="msgpack") as channel:
            assert channel.call("thing", "seen")[0] == str(CORRELATION)


class TestFailures:
    """What becomes of a call when the server does not do its part."""

    @staticmethod
    def failing(
        answer: Callable[[Peer, threading.Event], object], timeout: float | None = None
    ) -> CommunicationError:
        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            answer(peer, over)

        with ScriptedServer(script) as server, connected(server.uri) as channel:
            channel.timeout = timeout
            with pytest.raises(CommunicationError) as error:
                channel.call("thing", "echo", ("x",))
            assert channel.closed
            with pytest.raises(ConnectionClosedError) as again:
                channel.call("thing", "echo", ("x",))
            assert again.value.outcome == "not_sent"
            with pytest.raises(ConnectionClosedError):
                channel.ping()
        assert error.value.outcome == "unknown"
        return error.value

    def test_a_server_that_leaves_closes_the_connection(self) -> None:
        error = self.failing(lambda peer, _over: peer.receive())

        assert type(error) is ConnectionClosedError

    def test_a_partial_answer_closes_the_connection(self) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            peer.send(peer.answer(peer.receive(), "x" * 1000)[:-1])

        error = self.failing(answer)

        assert type(error) is ConnectionClosedError
        assert "in the middle of a message" in str(error)

    @pytest.mark.parametrize("sequence", [0, 2, 0xFFFF])
    def test_an_answer_to_another_request_closes_the_connection(
        self, sequence: int
    ) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            peer.send(peer.answer(peer.receive(), "x", sequence=sequence))

        error = self.failing(answer)

        assert type(error) is RemoteProtocolError
        assert f"request {sequence}" in str(error)

    def test_garbage_closes_the_connection(self) -> None:
        def answer(peer: Peer, _over: threading.Event) -> None:
            peer.receive()
            peer.send(b"garbage")

        assert "invalid data" in str(self.failing(answer))

    def test_no_answer_in_time_closes_the_connection(self) -> None:
        error = self.failing(silent, timeout=SHORT)

        assert type(error) is TimeoutError

    def test_the_time_is_for_the_whole_answer(self) -> None:
        def answer(peer: Peer, over: threading.Event) -> None:
            data = peer.answer(peer.receive(), "x" * 100_000)
            for index in range(len(data)):
                peer.send(data[index : index + 1])
                if over.wait(SHORT / 20):
                    return

        started = time.monotonic()
        error = self.failing(answer, timeout=SHORT)

        assert type(error) is TimeoutError
        assert time.monotonic() - started < PATIENCE / 2

    def test_the_time_is_for_the_pieces_of_a_large_answer_too(self) -> None:
        def answer(peer: Peer, over: threading.Event) -> None:
            data = peer.answer(peer.receive(), "x" * 300_000)
            peer.send(data[:200_000])
            over.wait(PATIENCE)

        assert type(self.failing(answer, timeout=SHORT)) is TimeoutError

    def test_the_time_is_for_sending_as_well(self) -> None:
        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            over.wait(PATIENCE)

        with ScriptedServer(script) as server, connected(server.uri) as channel:
            channel.timeout = SHORT
            with pytest.raises(TimeoutError):
                channel.call("thing", "echo", ("x" * (32 << 20),))

            assert channel.closed

    def test_a_result_in_another_serializer_is_refused(self) -> None:
        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            peer.send(peer.answer(peer.receive(), "x", serializer_id=2))
            over.wait(PATIENCE)

        with (
            ScriptedServer(script) as server,
            connected(server.uri) as channel,
            pytest.raises(SerializeError, match="serializer id 2"),
        ):
            channel.call("thing", "echo", ("x",))

    def test_an_answer_beyond_the_limit_closes_the_connection(self) -> None:
        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            peer.send(peer.answer(peer.receive(), "x" * 6000))
            over.wait(PATIENCE)

        config = new_config(MAX_MESSAGE_SIZE=5000)
        with (
            ScriptedServer(script) as server,
            connected(server.uri, config=config) as channel,
        ):
            with pytest.raises(MessageTooLargeError):
                channel.call("thing", "echo", ("x",))
            assert channel.closed

    def test_a_timeout_can_be_set_and_taken_back(self, uri: URI) -> None:
        with connected(uri) as channel:
            for timeout in (PATIENCE, None, PATIENCE, None):
                channel.timeout = timeout
                assert channel.call("thing", "add", (1, 2)) == 3
                channel.ping()


class TestClosing:
    def test_it_ends_the_connection(self, running: RunningHost, uri: URI) -> None:
        running.wait_until(lambda: running.host.connection_count == 0)
        channel = BlockingChannel.connect(uri)
        channel.close()
        channel.close()

        assert channel.closed
        running.wait_until(lambda: running.host.connection_count == 0)
        with pytest.raises(ConnectionClosedError, match="is closed") as error:
            channel.call("thing", "add", (1, 2))
        assert error.value.outcome == "not_sent"

    def test_it_wakes_a_thread_that_is_waiting_for_an_answer(self) -> None:
        arrived = threading.Event()

        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            peer.receive()
            arrived.set()
            over.wait(PATIENCE)

        errors: list[BaseException] = []
        with ScriptedServer(script) as server:
            channel = BlockingChannel.connect(server.uri)

            def wait() -> None:
                try:
                    channel.call("thing", "echo", ("x",))
                except PyroError as error:
                    errors.append(error)

            thread = threading.Thread(target=wait)
            thread.start()
            assert arrived.wait(PATIENCE)
            channel.close()
            thread.join(PATIENCE)

        (error,) = errors
        assert isinstance(error, ConnectionClosedError)

    def test_the_socket_stays_as_long_as_somebody_uses_it(self, uri: URI) -> None:
        channel = BlockingChannel.connect(uri)
        sock = channel.sock
        with channel._lock:
            channel.close()
            # Its number cannot be that of another socket yet.
            assert sock.fileno() >= 0
            assert sock.recv(1) == b""
        with pytest.raises(ConnectionClosedError):
            channel.call("thing", "add", (1, 2))
        assert sock.fileno() < 0

    def test_abandoning_leaves_the_connection_to_the_other_process(
        self, uri: URI
    ) -> None:
        channel = BlockingChannel.connect(uri)
        other = BlockingChannel(channel.sock.dup(), uri, channel._session)

        channel.abandon()

        assert channel.closed
        assert (
            other.call("thing", "add", (1, 2), serializer=serializers["serpent"]) == 3
        )
        other.close()

    @pytest.mark.skipif(
        not hasattr(signal, "pthread_kill"), reason="needs POSIX signals"
    )
    def test_an_exception_from_a_signal_handler_does_not_leave_an_answer_behind(
        self,
    ) -> None:
        class InterruptionError(Exception):
            pass

        def interrupt(_number: int, _frame: object) -> None:
            raise InterruptionError

        def script(peer: Peer, over: threading.Event) -> None:
            peer.admit()
            request = peer.receive()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            over.wait(SHORT)
            peer.send(peer.answer(request, "late"))

        before = signal.signal(signal.SIGUSR1, interrupt)
        try:
            with ScriptedServer(script) as server, connected(server.uri) as channel:
                with pytest.raises(InterruptionError):
                    channel.call("thing", "echo", ("first",))
                with pytest.raises(ConnectionClosedError):
                    channel.call("thing", "echo", ("second",))
        finally:
            signal.signal(signal.SIGUSR1, before)


class TestConnectedSocket:
    @pytest.fixture
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            yield ours, theirs

    def test_calls_are_made_without_a_handshake(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = pair
        server = Server()
        server.register(Thing(), "thing")
        thread = serve_in_memory(server, theirs)
        channel = BlockingChannel.on_socket(ours, URI("PYRO:thing@./u:connected"))

        metadata = channel.call("Pyro.Daemon", "get_metadata", ("thing",))
        assert "add" in metadata["methods"]
        assert channel.serializer.name == "serpent"
        assert channel.accepted is None
        assert channel.call("thing", "add", (1, 2)) == 3

        channel.close()
        assert channel.closed
        assert ours.fileno() != -1
        ours.close()
        thread.join(PATIENCE)

    @pytest.mark.parametrize("own_timeout", [None, PATIENCE])
    def test_the_timeout_is_that_of_the_channel(
        self, pair: tuple[socket.socket, socket.socket], own_timeout: float | None
    ) -> None:
        ours, _theirs = pair
        ours.settimeout(own_timeout)
        channel = BlockingChannel.on_socket(
            ours, URI("PYRO:thing@./u:connected"), timeout=SHORT
        )

        with pytest.raises(TimeoutError):
            channel.call("thing", "add", (1, 2))

        assert channel.closed
