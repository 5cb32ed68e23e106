from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest

from protocol.golden import decode_one
from protocol.hosts import PATIENCE, Peer, RunningHost, new_config
from pyro_protocol import URI, behavior, current_context, expose
from pyro_protocol.errors import (
    CommunicationError,
    DaemonError,
    ProtocolError,
    PyroError,
)
from pyro_protocol.references import reference_of
from pyro_protocol.session import read_reply
from pyro_protocol.transport import (
    AsyncChannel,
    AsyncioHost,
    BlockingChannel,
    asyncio_host,
)
from pyro_protocol.wire import FLAG_ONEWAY, HEADER_SIZE, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = 0.15


@expose
class Thing:
    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.waiting = 0
        self.cancelled = threading.Event()
        self.noted: list[object] = []
        self.done = asyncio.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def note(self, value: object) -> None:
        self.noted.append(value)

    async def note_later(self, value: object) -> None:
        await self.opened().wait()
        self.noted.append(value)
        self.done.set()

    def opened(self) -> asyncio.Event:
        self.gate = self.gate or asyncio.Event()
        return self.gate

    def open_gate(self) -> None:
        self.opened().set()

    async def was_noted(self) -> bool:
        return await self.done.wait()

    def leave(self) -> None:
        raise SystemExit("bye")

    async def leave_later(self) -> None:
        await asyncio.sleep(0)
        raise SystemExit("bye")

    async def cancelled_inside(self) -> None:
        task = asyncio.create_task(asyncio.sleep(PATIENCE))
        await asyncio.sleep(0)
        task.cancel()
        await task

    async def wait(self) -> str:
        self.gate = self.gate or asyncio.Event()
        self.waiting += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.waiting -= 1
        return "waited"

    def items(self) -> Iterator[int]:
        yield from range(100)

    def track(self, resource: str) -> None:
        self.resource = Resource()
        current_context.track_resource(self.resource)

    def another(self) -> Thing:
        return self


class Resource:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def thing() -> Thing:
    return Thing()


@pytest.fixture
def running(thing: Thing) -> Iterator[RunningHost]:
    with RunningHost({"thing": thing}) as running:
        yield running


@contextlib.contextmanager
def connected(uri: URI, **options: Any) -> Iterator[BlockingChannel]:
    options.setdefault("timeout", PATIENCE)
    channel = BlockingChannel.connect(uri, **options)
    try:
        yield channel
    finally:
        channel.close()


def works(uri: URI) -> bool:
    with connected(uri) as channel:
        return bool(channel.call("thing", "add", (1, 2)) == 3)


class TestServing:
    def test_an_object_is_reached_by_its_uri(self, running: RunningHost) -> None:
        uri = running.uri()

        assert str(uri).startswith("PYRO:thing@127.0.0.1:")
        assert works(uri)
        assert running.host.location == uri.location
        assert running.host.sock is not None

    def test_registering_gives_the_uri(self, running: RunningHost) -> None:
        class Other(Thing): ...

        uri = running.in_loop(lambda: running.host.register(Other(), "other"))
        random = running.in_loop(lambda: running.host.register(Other()))

        with connected(uri) as channel:
            assert channel.call("other", "add", (1, 2)) == 3
            assert channel.call(random.object, "add", (1, 2)) == 3

    def test_the_server_describes_itself(self, running: RunningHost) -> None:
        with connected(running.uri()) as channel:
            assert channel.call("Pyro.Daemon", "registered") == ["Pyro.Daemon", "thing"]
            info = channel.call("Pyro.Daemon", "info")

        assert running.host.location in info
        assert "2 objects" in info

    def test_before_it_listens_there_are_no_uris(self) -> None:
        host = AsyncioHost(config=new_config())

        with pytest.raises(DaemonError, match="before it listens"):
            host.uri_for("thing")
        assert host.sock is None
        assert host.nat_location is None

    def test_a_registered_object_travels_as_a_reference(
        self, running: RunningHost, thing: Thing
    ) -> None:
        state = reference_of(thing)
        assert state is not None
        assert state.uri == str(running.uri())
        assert "add" in state.methods

        with connected(running.uri()) as channel:
            proxy = channel.call("thing", "another")
        assert proxy._pyro_state_()[0] == str(running.uri())

    @pytest.mark.parametrize(("natport", "port"), [(0, None), (4444, 4444)])
    def test_behind_a_router_uris_name_the_outside(
        self, thing: Thing, natport: int, port: int | None
    ) -> None:
        with RunningHost(
            {"thing": thing}, nathost="outside", natport=natport
        ) as running:
            inside = running.host.uri_for("thing", nat=False)
            uri = running.uri()

            assert uri.host == "outside"
            assert uri.port == (port or inside.port)
            assert works(inside)

    def test_the_hook_refuses_clients(self, thing: Thing) -> None:
        def hook(_client: object, value: object) -> object:
            if value != "sesame":
                raise PermissionError("wrong word")
            return "welcome"

        with RunningHost({"thing": thing}, validate_handshake=hook) as running:
            with pytest.raises(CommunicationError, match="rejected: wrong word"):
                BlockingChannel.connect(running.uri())
            with connected(running.uri(), handshake="sesame") as channel:
                assert channel.accepted is not None
                assert channel.accepted.handshake == "welcome"

    def test_each_session_has_an_instance_of_its_own(self) -> None:
        @behavior("session")
        @expose
        class Counter:
            value = 0

            def up(self) -> int:
                self.value += 1
                return self.value

        with RunningHost({"counter": Counter}) as running:
            uri = running.uri("counter")
            with connected(uri) as first, connected(uri) as second:
                values = [
                    channel.call("counter", "up") for channel in (first, first, second)
                ]

        assert values == [1, 2, 1]

    def test_a_method_that_would_end_the_server_is_answered(
        self, running: RunningHost
    ) -> None:
        with connected(running.uri()) as channel:
            for method in ("leave", "leave_later"):
                with pytest.raises(
                    PyroError, match=f"{method} ended with SystemExit: bye"
                ):
                    channel.call("thing", method)
            with pytest.raises(PyroError, match="ended with CancelledError"):
                channel.call("thing", "cancelled_inside")

            assert channel.call("thing", "add", (1, 2)) == 3
        assert works(running.uri())

    def test_tracked_resources_are_closed_with_the_connection(
        self, running: RunningHost, thing: Thing
    ) -> None:
        with connected(running.uri()) as channel:
            channel.call("thing", "track", ("x",))
            assert not thing.resource.closed.is_set()

        assert thing.resource.closed.wait(PATIENCE)

    def test_a_stream_is_continued_from_a_new_connection(
        self, running: RunningHost
    ) -> None:
        with connected(running.uri()) as channel:
            stream = channel.call("thing", "items").stream_id
            fetch = ("Pyro.Daemon", "get_next_stream_item", (stream,))
            assert channel.call(*fetch) == 0
        running.wait_until(lambda: running.host.connection_count == 0)

        with connected(running.uri()) as channel:
            assert channel.call(*fetch) == 1

    def test_without_linger_streams_end_with_their_connection(
        self, thing: Thing
    ) -> None:
        config = new_config(ITER_STREAM_LINGER=0.0)
        with RunningHost({"thing": thing}, config=config) as running:
            with connected(running.uri()) as channel:
                channel.call("thing", "items")
                assert running.in_loop(lambda: len(running.host.streams)) == 1

            running.wait_until(lambda: len(running.host.streams) == 0)


class TestConcurrency:
    def test_one_clients_coroutine_does_not_keep_others_waiting(
        self, running: RunningHost, thing: Thing
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            peer.send(peer.call("wait"))
            running.wait_until(lambda: thing.waiting == 1)

            assert works(running.uri())

            assert thing.gate is not None
            running.in_loop(thing.gate.set)
            assert read_reply(peer.receive(), 1) == "waited"

    def test_the_requests_of_one_client_are_handled_in_order(
        self, running: RunningHost, thing: Thing
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            peer.send(
                peer.call("wait", sequence=1)
                + peer.call("note", "after", sequence=2, flags=FLAG_ONEWAY)
                + peer.call("add", 1, 2, sequence=3)
            )
            running.wait_until(lambda: thing.waiting == 1)
            assert thing.noted == []
            assert thing.gate is not None
            running.in_loop(thing.gate.set)

            assert [peer.receive().sequence for _ in range(2)] == [1, 3]
            assert thing.noted == ["after"]

    def test_no_request_waits_for_a_oneway_coroutine(
        self, running: RunningHost, thing: Thing
    ) -> None:
        with connected(running.uri()) as channel:
            channel.call("thing", "note_later", ("late",), flags=FLAG_ONEWAY)
            assert channel.call("thing", "add", (1, 2)) == 3
            assert thing.noted == []

    def test_a_oneway_coroutine_comes_to_its_end_after_its_client_has_left(
        self, running: RunningHost, thing: Thing
    ) -> None:
        with connected(running.uri()) as channel:
            channel.call("thing", "note_later", ("late",), flags=FLAG_ONEWAY)
            channel.call("thing", "add", (1, 2))

        with connected(running.uri()) as channel:
            channel.call("thing", "open_gate")
            assert channel.call("thing", "was_noted")
        assert thing.noted == ["late"]

    def test_far_more_requests_than_fit_are_all_answered(
        self, running: RunningHost
    ) -> None:
        count = 5000
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            requests = b"".join(
                peer.call("echo", "x" * 100, sequence=number) for number in range(count)
            )
            sender = threading.Thread(target=peer.send, args=(requests,))
            sender.start()
            answered = [peer.receive().sequence for _ in range(count)]
            sender.join(PATIENCE)

        assert answered == list(range(count))

    def test_a_client_that_does_not_read_is_not_served_on_and_on(
        self, running: RunningHost, thing: Thing
    ) -> None:
        served = 0

        def big(_self: Thing) -> str:
            nonlocal served
            served += 1
            return "x" * (1 << 19)

        Thing.big = expose(big)  # type: ignore[attr-defined] # for this test only
        try:
            running.in_loop(lambda: running.host.registry.reset_members("thing"))
            with Peer.connect(running.uri()) as peer:
                peer.shake_hands()
                peer.send(
                    b"".join(peer.call("big", sequence=number) for number in range(100))
                )
                running.wait_until(lambda: served > 0)
                assert works(running.uri())
                assert served < 80
                for _ in range(100):
                    peer.receive()
                assert served == 100
        finally:
            delattr(Thing, "big")
            running.in_loop(lambda: running.host.registry.reset_members("thing"))

    def test_many_clients_are_served_at_the_same_time(
        self, running: RunningHost
    ) -> None:
        async def client(number: int, barrier: asyncio.Barrier) -> object:
            async with await AsyncChannel.connect(running.uri()) as channel:
                await barrier.wait()
                return await channel.call("thing", "add", (number, 1000))

        async def main() -> list[object]:
            barrier = asyncio.Barrier(200)
            async with asyncio.timeout(PATIENCE):
                return await asyncio.gather(
                    *(client(number, barrier) for number in range(200))
                )

        assert asyncio.run(main()) == [number + 1000 for number in range(200)]
        running.wait_until(lambda: running.host.connection_count == 0)

    def test_large_values_go_both_ways(self, running: RunningHost) -> None:
        value = bytes(range(256)) * (32 << 12)

        with connected(running.uri()) as channel:
            assert channel.call("thing", "echo", (value,)) == value

    def test_a_call_whose_client_has_left_is_cancelled(
        self,
        running: RunningHost,
        thing: Thing,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.WARNING):
            with Peer.connect(running.uri()) as peer:
                peer.shake_hands()
                peer.send(peer.call("wait"))
                running.wait_until(lambda: thing.waiting == 1)

            assert thing.cancelled.wait(PATIENCE)
            running.wait_until(lambda: running.host.connection_count == 0)

        assert caplog.records == []


BEFORE = {
    "random bytes": (os.urandom(1000), "invalid data"),
    "a request for a web page": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "invalid data"),
    "another version": (b"PYRO\x00\x30" + bytes(34), "invalid protocol version: 48"),
    "four gigabytes": (
        b"".join(encode_frame(1, 1, 0, 0, b""))[:12]
        + b"\xff" * 4
        + bytes(20)
        + b"\0\0\x4d\xc5",
        "message too large",
    ),
    "a call": (b"".join(encode_frame(4, 1, 0, 0, b"")), "invalid msg type 4"),
    "an unknown serializer": (
        b"".join(encode_frame(1, 99, 0, 0, b"")),
        "unknown serializer",
    ),
    "a broken handshake": (b"".join(encode_frame(1, 1, 0, 0, b"((((")), "malformed"),
}
AFTER = {
    "random bytes": os.urandom(1000),
    "another version": b"PYRO\x00\x30" + bytes(34),
    "a second handshake": b"".join(encode_frame(1, 1, 0, 0, b"")),
    "an answer": b"".join(encode_frame(5, 1, 0, 0, b"")),
}


class TestBadInput:
    @pytest.fixture(autouse=True)
    def _other_client(
        self, running: RunningHost, caplog: pytest.LogCaptureFixture
    ) -> Iterator[None]:
        """Whatever one client sends, another must not notice."""
        with caplog.at_level(logging.INFO), connected(running.uri()) as other:
            yield
            assert other.call("thing", "add", (1, 2)) == 3
        assert "Traceback" not in caplog.text

    @pytest.mark.parametrize("name", BEFORE)
    def test_instead_of_a_handshake_it_is_refused_in_words(
        self, running: RunningHost, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        data, text = BEFORE[name]

        with Peer.connect(running.uri()) as peer:
            peer.send(data)
            answer = decode_one(peer.read_to_end())

        assert answer.kind == MessageType.CONNECTFAIL
        assert text.encode() in bytes(answer.payload)
        running.wait_until(lambda: "was dropped" in caplog.text)
        assert text in caplog.text

    @pytest.mark.parametrize("name", AFTER)
    def test_after_the_handshake_it_ends_the_connection(
        self, running: RunningHost, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            peer.send(AFTER[name])

            assert peer.read_to_end() == b""

        running.wait_until(lambda: "was dropped" in caplog.text)

    def test_a_refusal_arrives_though_much_was_sent(self, running: RunningHost) -> None:
        junk = bytes(4 << 20)
        with Peer.connect(running.uri()) as peer:
            peer.send(junk)
            answer = decode_one(peer.read_to_end())

        assert b"invalid data" in bytes(answer.payload)

    def test_a_client_that_does_not_go_is_dropped(
        self, running: RunningHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asyncio_host, "_FAREWELL_SECONDS", SHORT)
        with Peer.connect(running.uri()) as peer:
            peer.send(b"junk junk")
            peer.read_to_end()

            running.wait_until(lambda: running.host.connection_count == 1)

    def test_requests_before_the_bad_input_are_still_answered(
        self, running: RunningHost
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            peer.send(peer.call("add", 1, 2) + AFTER["random bytes"])

            assert read_reply(peer.receive(), 1) == 3
            assert peer.read_to_end() == b""

    def test_four_gigabytes_after_the_handshake_are_refused_in_words(
        self, running: RunningHost
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            peer.shake_hands()
            data = peer.call("echo", "x", sequence=7)
            peer.send(data[:12] + b"\xff" * 4 + data[16:HEADER_SIZE])

            answer = decode_one(peer.read_to_end())

        assert answer.sequence == 7
        with pytest.raises(ProtocolError, match="message too large"):
            read_reply(answer, 1)

    @pytest.mark.parametrize("size", [1, 5, 39, 45])
    @pytest.mark.parametrize("shaken", [True, False])
    def test_a_message_that_is_cut_off_is_noted(
        self,
        running: RunningHost,
        caplog: pytest.LogCaptureFixture,
        size: int,
        shaken: bool,
    ) -> None:
        with Peer.connect(running.uri()) as peer:
            if shaken:
                peer.shake_hands()
                message = peer.call("add", 1, 2)
            else:
                message = b"".join(encode_frame(1, 1, 0, 0, bytes(100)))
            peer.send(message[:size])

        running.wait_until(lambda: "in the middle of a message" in caplog.text)

    def test_a_client_that_breaks_off_leaves_nothing_behind(
        self, running: RunningHost
    ) -> None:
        peers = [Peer.connect(running.uri()) for _ in range(3)]
        peers[1].shake_hands()
        peers[2].shake_hands()
        peers[2].send(peers[2].call("add", 1, 2)[:-1])
        for peer in peers:
            # A reset instead of an orderly end.
            peer.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            )
            peer.sock.close()

        running.wait_until(lambda: running.host.connection_count == 1)


class TestHandshakeTime:
    @pytest.fixture
    def hasty(self, thing: Thing) -> Iterator[RunningHost]:
        config = new_config(HANDSHAKE_TIMEOUT=SHORT)
        with RunningHost({"thing": thing}, config=config) as running:
            yield running

    @pytest.mark.parametrize("data", [b"", b"PYRO", b"PYRO\x01\xf6" + bytes(3)])
    def test_a_client_that_does_not_finish_its_handshake_is_dropped(
        self, hasty: RunningHost, caplog: pytest.LogCaptureFixture, data: bytes
    ) -> None:
        with caplog.at_level(logging.WARNING), Peer.connect(hasty.uri()) as peer:
            peer.send(data)

            assert peer.read_to_end() == b""
            hasty.wait_until(lambda: hasty.host.connection_count == 0)

        assert "did not complete its handshake in time" in caplog.text

    def test_silent_clients_do_not_keep_others_from_connecting(
        self, running: RunningHost
    ) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(Peer.connect(running.uri()))

            assert works(running.uri())

    def test_a_client_that_is_admitted_may_stay_silent(self, thing: Thing) -> None:
        # Long enough to shake hands on a busy machine.
        config = new_config(HANDSHAKE_TIMEOUT=1.0)
        with (
            RunningHost({"thing": thing}, config=config) as running,
            connected(running.uri()) as channel,
            Peer.connect(running.uri()) as silent,
        ):
            # By the time the later one is dropped the other would have been, too.
            assert silent.read_to_end() == b""

            assert channel.call("thing", "add", (1, 2)) == 3


class TestLimits:
    def test_the_number_of_connections_is_limited(self, thing: Thing) -> None:
        config = new_config(MAX_CONNECTIONS=2)
        with RunningHost({"thing": thing}, config=config) as running:
            with connected(running.uri()), Peer.connect(running.uri()) as second:
                running.wait_until(lambda: running.host.connection_count == 2)
                with Peer.connect(running.uri()) as third:
                    assert third.read_to_end() == b""
                second.shake_hands()
            running.wait_until(lambda: running.host.connection_count == 0)

            assert works(running.uri())

    def test_the_number_of_streams_is_limited(self, thing: Thing) -> None:
        config = new_config(MAX_STREAMS=2)
        with (
            RunningHost({"thing": thing}, config=config) as running,
            connected(running.uri()) as channel,
        ):
            channel.call("thing", "items")
            channel.call("thing", "items")
            with pytest.raises(PyroError, match=r"too many open streams.*max=2"):
                channel.call("thing", "items")

    def test_unusable_settings_are_refused_at_once(self) -> None:
        config = new_config()
        config.SERIALIZERS_ACCEPTED.append("yaml")
        with pytest.raises(ValueError, match="yaml"):
            AsyncioHost(config=config)


class TestListening:
    def test_a_unix_socket_is_for_its_owner_only(
        self, thing: Thing, tmp_path: Path
    ) -> None:
        path = tmp_path / "thing.sock"
        with RunningHost({"thing": thing}, unixsocket=str(path)) as running:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert str(running.uri()) == f"PYRO:thing@./u:{path}"
            assert works(running.uri())

        assert not path.exists()

    def test_a_unix_socket_left_behind_is_replaced(
        self, thing: Thing, tmp_path: Path
    ) -> None:
        path = tmp_path / "thing.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
            stale.bind(str(path))

        with RunningHost({"thing": thing}, unixsocket=str(path)) as running:
            assert works(running.uri())

    def test_a_unix_socket_in_use_is_an_error(
        self, thing: Thing, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "thing.sock")
        with RunningHost({"thing": thing}, unixsocket=path) as running:
            with pytest.raises(CommunicationError, match="another server"):
                RunningHost({"thing": Thing()}, unixsocket=path).__enter__()

            assert works(running.uri())

    @pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
    def test_ipv6_works(self, thing: Thing) -> None:
        try:
            running = RunningHost({"thing": thing}, host="::1").__enter__()
        except CommunicationError:
            pytest.skip("there is no IPv6 loopback here")
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.push(running)
            assert str(running.uri()).startswith("PYRO:thing@[::1]:")
            assert works(running.uri())

    def test_a_port_in_use_is_an_error(self, running: RunningHost) -> None:
        host = AsyncioHost(config=new_config())
        port = running.uri().port
        assert port is not None

        with pytest.raises(CommunicationError, match="cannot listen on"):
            asyncio.run(host.start("127.0.0.1", port))


class TestStopping:
    def test_every_connection_ends(self, thing: Thing) -> None:
        with contextlib.ExitStack() as stack:
            with RunningHost({"thing": thing}) as running:
                idle = stack.enter_context(Peer.connect(running.uri()))
                busy = stack.enter_context(Peer.connect(running.uri()))
                silent = stack.enter_context(Peer.connect(running.uri()))
                idle.shake_hands()
                busy.shake_hands()
                busy.send(busy.call("wait"))
                running.wait_until(lambda: thing.waiting == 1)
                running.wait_until(lambda: running.host.connection_count == 3)
                uri = running.uri()

            for peer in (idle, busy, silent):
                assert peer.read_to_end() == b""
        with pytest.raises(CommunicationError):
            BlockingChannel.connect(uri)
        assert thing.cancelled.is_set()

    def test_open_streams_are_cleaned_up(self) -> None:
        ended = threading.Event()

        @expose
        class Source:
            def items(self) -> Iterator[int]:
                try:
                    yield from range(10)
                finally:
                    ended.set()

        with (
            RunningHost({"thing": Source()}) as running,
            connected(running.uri()) as channel,
        ):
            stream = channel.call("thing", "items").stream_id
            channel.call("Pyro.Daemon", "get_next_stream_item", (stream,))

        assert ended.is_set()

    def test_stopping_twice_is_harmless(self) -> None:
        async def main() -> None:
            host = AsyncioHost(config=new_config())
            await host.start()
            await host.stop()
            await host.stop()

        asyncio.run(main())

    def test_a_host_that_is_gone_refers_to_nothing_any_more(self, thing: Thing) -> None:
        with RunningHost({"thing": thing}) as running:
            assert reference_of(thing) is not None
        del running
        gc.collect()

        assert reference_of(thing) is None


@pytest.mark.parametrize("steps", range(8))
def test_a_connection_that_is_accepted_while_the_host_stops_is_ended(
    steps: int,
) -> None:
    async def scenario() -> None:
        host = AsyncioHost(config=new_config())
        await host.start()
        uri = host.uri_for("thing")
        with socket.create_connection((str(uri.host), uri.port or 0)) as sock:
            sock.settimeout(0)
            for _ in range(steps):
                await asyncio.sleep(0)
            await host.stop()
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
            assert host.connection_count == 0

    asyncio.run(scenario())
