"""What an async proxy does about servers that fail, hang, or break the rules."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from pyro_client import AsyncProxy, RetryPolicy
from pyro_protocol import Configuration
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    RemoteProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers_by_id
from pyro_protocol.session import SessionSettings
from pyro_protocol.session.capabilities import encode_capabilities
from pyro_protocol.testing import FaultyLine
from pyro_protocol.wire import MessageType, encode_frame
from support.event_loops import eventually_async, run
from support.hosting import DEADLINE
from support.names import Names
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from support.hosting import HostThread
    from support.workbench import Workbench

SHORT: Final = 0.15
LARGE: Final = 1 << 20


def admit(peer: Peer, *capabilities: str) -> None:
    """Admit a client as a server of our family does."""
    connect = peer.receive()
    offer = encode_capabilities(capabilities, SessionSettings())
    methods = {"methods": ["add", "slow"], "oneway": [], "attrs": []}
    payload = serializers_by_id[connect.serializer_id].dumps(
        {"handshake": "hello", "meta": methods}
    )
    peer.send(MessageType.CONNECTOK, connect, payload, annotations={"CAPS": offer})


async def failure(call: Any) -> CommunicationError:
    with pytest.raises(CommunicationError) as caught:
        await call
    return caught.value


# Connecting


def test_a_refusal_is_told_with_its_reason() -> None:
    async def main() -> None:
        with ScriptedServer(lambda peer: peer.refuse("not today")) as server:
            error = await failure(AsyncProxy(server.uri).add(1, 1))
            assert "not today" in str(error)
            assert error.outcome == "not_sent"

    run(main)


def test_a_handshake_that_drips_is_bounded_by_the_time_out() -> None:
    over = threading.Event()

    def drip(peer: Peer) -> None:
        connect = peer.receive()
        data = encode_frame(MessageType.CONNECTOK, connect.serializer_id, 0, 0, b"x")
        for byte in b"".join(data) * 1000:
            if over.wait(SHORT / 10):
                return
            try:
                peer.sock.sendall(bytes((byte,)))
            except OSError:
                return

    async def main() -> None:
        with ScriptedServer(drip) as server:
            proxy = AsyncProxy(server.uri)
            proxy._pyroTimeout = SHORT
            error = await failure(proxy.add(1, 1))
            over.set()
            assert isinstance(error, TimeoutError)
            assert error.outcome == "not_sent"
            assert "connecting to" in str(error)
            assert "thing.add() after 0." in str(error)

    run(main)


def test_connecting_is_given_up_when_nobody_waits_any_more() -> None:
    received = threading.Semaphore(0)

    def silent(peer: Peer) -> None:
        peer.receive()
        received.release()
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(silent) as server:
            proxy = AsyncProxy(server.uri)
            tasks = [asyncio.create_task(proxy.add(1, 1)) for _ in range(3)]
            assert await asyncio.to_thread(received.acquire, timeout=DEADLINE)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)

    run(main)


# Answers


def test_an_answer_that_drips_is_bounded_by_the_time_out() -> None:
    over = threading.Event()

    def drip(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        data = encode_frame(
            MessageType.RESULT, request.serializer_id, 0, request.sequence, b"x" * 9999
        )
        for byte in b"".join(data):
            if over.wait(SHORT / 20):
                return
            peer.sock.sendall(bytes((byte,)))

    async def main() -> None:
        with ScriptedServer(drip) as server:
            async with AsyncProxy(server.uri) as proxy:
                await proxy._pyroBind()
                proxy._pyroTimeout = SHORT
                error = await failure(proxy.slow())
                over.set()
                assert isinstance(error, TimeoutError)
                assert error.outcome == "unknown"
                assert "thing.slow" in str(error)

    run(main)


def test_a_late_answer_of_a_pyro5_server_is_not_taken_for_another() -> None:
    late = threading.Event()

    def first(peer: Peer) -> None:
        peer.admit()
        slow, added = peer.receive(), peer.receive()
        assert late.wait(DEADLINE)
        peer.answer(slow, "too late")
        peer.answer(added, 3)
        peer.wait_for_end()

    def second(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), 7)
        late.set()
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(first) as one, ScriptedServer(second) as two:
            async with AsyncProxy(one.uri) as proxy:
                await proxy._pyroBind()
                slow = asyncio.create_task(proxy._pyro_with_timeout(SHORT).slow())
                added = asyncio.create_task(proxy.add(1, 2))
                assert isinstance(await failure(slow), TimeoutError)
                # What comes now does not wait behind the slow call.
                proxy._pyroUri = AsyncProxy(two.uri)._pyroUri
                assert await proxy.add(3, 4) == 7
                assert await added == 3

    run(main)


def test_a_cancelled_call_to_a_pyro5_server_does_not_hold_up_the_next() -> None:
    begun = threading.Semaphore(0)

    def first(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        begun.release()
        peer.wait_for_end()

    def second(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), 7)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(first, second) as server:
            # Two connections, which the server serves one after the other.
            async with AsyncProxy(server.uri) as proxy:
                slow = asyncio.create_task(proxy.slow())
                assert await asyncio.to_thread(begun.acquire, timeout=DEADLINE)
                slow.cancel()
                await asyncio.wait((slow,))
                assert await proxy.add(3, 4) == 7

    run(main)


def test_answers_of_a_pyro5_server_come_in_order_and_reach_their_callers() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        requests = [peer.receive() for _ in range(5)]
        for request in requests:
            _id, _method, args, _kwargs = peer.call_of(request)
            peer.answer(request, sum(args))
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                calls = [proxy.add(number, 1) for number in range(5)]
                assert await asyncio.gather(*calls) == [1, 2, 3, 4, 5]

    run(main)


def test_answers_in_another_order_reach_their_callers() -> None:
    def script(peer: Peer) -> None:
        admit(peer, "native", "multiplex")
        requests = [peer.receive() for _ in range(5)]
        for request in reversed(requests):
            _id, _method, args, _kwargs = peer.call_of(request)
            peer.answer(request, sum(args))
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                calls = [proxy.add(number, 1) for number in range(5)]
                assert await asyncio.gather(*calls) == [1, 2, 3, 4, 5]

    run(main)


@pytest.mark.parametrize("capabilities", [(), ("native", "multiplex", "cancel")])
def test_an_answer_that_nobody_has_asked_for_ends_the_connection(
    capabilities: tuple[str, ...],
) -> None:
    def script(peer: Peer) -> None:
        admit(peer, *capabilities)
        request = peer.receive()
        peer.send(MessageType.RESULT, request, b"\xc0", sequence=77)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                calls = [asyncio.create_task(proxy.add(1, n)) for n in range(3)]
                errors = [await failure(call) for call in calls]
                assert all(type(one) is RemoteProtocolError for one in errors)
                assert {one.outcome for one in errors} == {"unknown"}
                assert proxy._pyroConnection is None

    run(main)


def test_a_lost_connection_fails_all_calls_in_flight() -> None:
    def script(peer: Peer) -> None:
        admit(peer, "native", "multiplex")
        for _ in range(5):
            peer.receive()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                calls = [asyncio.create_task(proxy.add(1, n)) for n in range(5)]
                errors = [await failure(call) for call in calls]
                assert all(type(one) is ConnectionClosedError for one in errors)
                assert {one.outcome for one in errors} == {"unknown"}
                assert len({id(one) for one in errors}) == 5

    run(main)


def test_what_cannot_be_encoded_fails_alone(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            error = await failure(proxy.echo(object()))
            assert error.outcome == "not_sent"
            assert await proxy.add(1, 1) == 2

    run(main)


def test_what_cannot_be_decoded_fails_alone() -> None:
    def script(peer: Peer) -> None:
        admit(peer, "native", "multiplex")
        peer.send(MessageType.RESULT, peer.receive(), b"\xc1")
        peer.answer(peer.receive(), 2)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                await failure(proxy.add(1, 1))
                assert await proxy.add(1, 1) == 2

    run(main)


# The line is cut


def test_wherever_the_line_is_cut_the_outcome_is_not_wrong(
    host: HostThread, bench: Workbench
) -> None:
    location = host.location
    totals: list[int] = []

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int
    ) -> None:
        passed = 0
        while passed < most and (data := await reader.read(most - passed)):
            passed += len(data)
            writer.write(data)
        totals.append(passed)
        writer.close()

    async def exchange(most: int) -> tuple[bool, str]:
        """Make one call over a line that lets so many bytes of the client through."""
        name, _, port = location.rpartition(":")
        tasks: list[asyncio.Task[Any]] = []

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            there, back = await asyncio.open_connection(name, int(port))
            tasks.append(asyncio.create_task(pump(reader, back, most)))
            tasks.append(asyncio.create_task(pump(there, writer, LARGE)))

        server = await asyncio.start_server(serve, "127.0.0.1")
        where = "{}:{}".format(*server.sockets[0].getsockname())
        result = True, ""
        async with server, AsyncProxy(f"PYRO:bench@{where}") as proxy:
            try:
                assert await proxy.add(1, 1) == 2
            except CommunicationError as error:
                result = False, error.outcome
        await asyncio.gather(*tasks, return_exceptions=True)
        return result

    async def main() -> None:
        outcomes = set()
        assert await exchange(LARGE) == (True, "")
        total = totals[0]
        # The last bytes of the handshake, and all of the call.
        for most in range(total - 80, total + 2):
            before = bench.calls
            succeeded, outcome = await exchange(most)
            if outcome == "not_sent":
                assert bench.calls == before
            assert succeeded == (most > total)
            outcomes.add(outcome)
        assert outcomes == {"not_sent", "unknown", ""}

    run(main)


def test_a_proxy_recovers_from_a_cut_line(host: HostThread) -> None:
    async def main() -> None:
        with FaultyLine(host.location) as relay:
            async with AsyncProxy(f"PYRO:bench@{relay.location}") as proxy:
                assert await proxy.add(1, 1) == 2
                relay.cut()
                proxy._pyroRetryPolicy = RetryPolicy(
                    attempts=5, first_delay=0.0, idempotent=["add"]
                )
                assert await proxy.add(2, 2) == 4

    run(main)


def test_a_retry_never_runs_twice_what_may_have_run(
    host: HostThread, bench: Workbench
) -> None:
    async def main() -> None:
        with FaultyLine(host.location) as relay:
            async with AsyncProxy(f"PYRO:bench@{relay.location}") as proxy:
                proxy._pyroMaxRetries = 3
                await proxy._pyroBind()
                relay.lose_next_answer()
                error = await failure(proxy.add(1, 1))
                assert error.outcome == "unknown"
                assert bench.calls == 1

    run(main)


# Heartbeat


def settings(interval: float, timeout: float) -> Configuration:
    config = Configuration(use_environment=False)
    config.HEARTBEAT_INTERVAL = interval
    config.HEARTBEAT_TIMEOUT = timeout
    return config


def test_a_dead_server_is_noticed_while_a_call_waits() -> None:
    over = threading.Event()

    def dead(peer: Peer) -> None:
        admit(peer, "native", "multiplex", "heartbeat")
        peer.receive()
        assert peer.receive().kind == MessageType.PING
        over.wait(DEADLINE)

    async def main() -> None:
        with ScriptedServer(dead) as server:
            proxy = AsyncProxy(server.uri, config=settings(SHORT, SHORT))
            error = await failure(proxy.slow())
            over.set()
            assert type(error) is ConnectionClosedError
            assert "no sign of life" in str(error)
            assert error.outcome == "unknown"

    run(main)


def test_a_server_that_answers_pings_is_waited_for() -> None:
    def alive(peer: Peer) -> None:
        admit(peer, "native", "multiplex", "heartbeat")
        request = peer.receive()
        for _ in range(3):
            ping = peer.receive()
            assert ping.kind == MessageType.PING
            peer.send(MessageType.PING, ping, b"pong")
        peer.answer(request, "at last")
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(alive) as server:
            config = settings(SHORT / 3, DEADLINE)
            async with AsyncProxy(server.uri, config=config) as proxy:
                assert await proxy.slow() == "at last"

    run(main)


def test_pings_of_the_server_are_answered() -> None:
    def asking(peer: Peer) -> None:
        admit(peer, "native", "multiplex", "heartbeat")
        request = peer.receive()
        peer.send(MessageType.PING, request, b"ping", sequence=9, serializer_id=0)
        pong = peer.receive()
        assert (pong.kind, pong.sequence, pong.payload) == (
            MessageType.PING,
            9,
            b"pong",
        )
        peer.answer(request, "fine")
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(asking) as server:
            async with AsyncProxy(server.uri) as proxy:
                assert await proxy.slow() == "fine"

    run(main)


def test_an_interval_of_zero_asks_for_no_signs_of_life() -> None:
    def quiet(peer: Peer) -> None:
        admit(peer, "native", "multiplex", "heartbeat")
        request = peer.receive()
        peer.sock.settimeout(2 * SHORT)
        with pytest.raises(OSError, match="timed out"):
            peer.receive()
        peer.sock.settimeout(DEADLINE)
        peer.answer(request, "fine")
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(quiet) as server:
            config = settings(0.0, SHORT)
            async with AsyncProxy(server.uri, config=config) as proxy:
                assert await proxy.slow() == "fine"

    run(main)


# Connections that are made anew


class Watching(AsyncProxy):
    """Notes what it is told of lost connections."""

    async def _pyroReconnected(self, lost_session: bool) -> None:
        told.append((lost_session, await self.add(1, 1)))


told: list[tuple[bool, int]] = []


def test_a_proxy_is_told_of_a_lost_connection_that_was_made_anew(
    host: HostThread,
) -> None:
    async def main() -> None:
        told.clear()
        with FaultyLine(host.location) as relay:
            async with Watching(f"PYRO:bench@{relay.location}") as proxy:
                assert await proxy.add(1, 1) == 2
                connection = proxy._pyroConnection
                assert connection is not None
                relay.cut()
                await eventually_async(lambda: connection.closed)
                assert await proxy.add(2, 2) == 4
                assert told == [(False, 2)]
                await proxy._pyroRelease()
                assert await proxy.add(2, 2) == 4
                assert told == [(False, 2)]

    run(main)


def test_of_several_servers_one_that_can_be_reached_is_used(
    host: HostThread, closed_location: str
) -> None:
    names = Names()
    names.registered = {
        "dead": (f"PYRO:bench@{closed_location}", {"bench"}),
        "alive": (f"PYRO:bench@{host.location}", {"bench"}),
    }
    host.register(names, "Pyro.NameServer")
    uri = f"PYROMETA:bench@{host.location}"

    async def main() -> None:
        for _ in range(10):
            async with AsyncProxy(uri) as proxy:
                assert await proxy.add(1, 1) == 2
        del names.registered["alive"]
        error = await failure(AsyncProxy(uri).add(1, 1))
        assert error.outcome == "not_sent"

    run(main)


def test_tasks_that_wait_for_the_same_connection_get_errors_of_their_own(
    closed_location: str,
) -> None:
    async def main() -> None:
        proxy = AsyncProxy(f"PYRO:bench@{closed_location}")
        calls = [asyncio.create_task(proxy.add(1, n)) for n in range(3)]
        errors = [await failure(call) for call in calls]
        assert len({id(error) for error in errors}) == 3
        assert {error.outcome for error in errors} == {"not_sent"}
        assert all(isinstance(error.__cause__, OSError) for error in errors)

    run(main)
