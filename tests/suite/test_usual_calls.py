"""The short way of a usual call gives what every other way gives."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client.sharing.lines import SMALL_RECEIVE
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native import ONLY_APART
from pyro_protocol.session.short_messages import ANSWER, encode_apart
from pyro_protocol.wire import MessageType, SplitPayload
from pyro_protocol.wire.frame import JOIN_BELOW
from pyro_suite import Configuration, Daemon, Proxy, current_context, errors, expose
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@expose
class Thing:
    """Gives back what it gets."""

    def __init__(self) -> None:
        self._level = 0
        self.go_on = threading.Event()
        self.other: Proxy | None = None

    def echo(self, value: Any) -> Any:
        return value

    def arguments(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def wait(self) -> None:
        assert self.go_on.wait(DEADLINE)

    def annotations(self) -> list[str]:
        return sorted(current_context.annotations)

    def pass_on(self, value: Any) -> Any:
        assert self.other is not None
        return self.other.echo(value)

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value


VALUES: list[Any] = [
    *(None, True, False, 0, 1, 127, 128, -1, -32, -33, 1 << 63, 1 << 80, 1.5),
    *("", "a", "é" * 500, "x" * (2 * JOIN_BELOW)),
    *(b"", b"bytes", bytearray(b"array"), [], {}, (), (1, (2, "3")), [[]], {"a": [1]}),
]


@pytest.fixture
def thing() -> Iterator[Thing]:
    thing = Thing()
    yield thing
    thing.go_on.set()


@pytest.fixture
def used(
    thing: Thing, start: Callable[..., Daemon], connect: Callable[..., Proxy]
) -> Proxy:
    """A proxy that has called before, so that it knows the short way."""
    proxy = connect(start(thing))
    for _ in range(2):
        assert proxy.echo(0) == 0
    assert proxy._pyro_binding._usual is not None
    return proxy


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_values_keep_what_they_are(used: Proxy, value: Any) -> None:
    for _ in range(2):
        result = used.echo(value)
        assert result == value
        assert type(result) is type(value)


def test_messages_of_every_size_around_what_is_received_at_first_arrive(
    used: Proxy,
) -> None:
    for size in range(SMALL_RECEIVE - 100, SMALL_RECEIVE + 10):
        assert used.echo("x" * size) == "x" * size
        used._pyroRelease()  # What is received at first is what the next one gets.


def test_small_values_and_longer_ones_take_turns(used: Proxy) -> None:
    for size in (
        1,
        SMALL_RECEIVE,
        10 * SMALL_RECEIVE,
        2,
        2 * JOIN_BELOW,
        3,
        1 << 20,
        4,
    ):
        assert used.echo("x" * size) == "x" * size


@pytest.mark.parametrize(
    "size", [255, 256, 1023, 1024, 20_000, *range(JOIN_BELOW - 50, JOIN_BELOW + 2)]
)
def test_bytes_of_any_size_keep_what_they_are(used: Proxy, size: int) -> None:
    # All bytes that anything could begin with, many times.
    data = random.Random(size).randbytes(size)
    for value in (data, [data], (data, data), bytearray(data)):
        result = used.echo(value)
        assert type(result) is type(value)
        assert result == value
    assert used.arguments(data, 1, last=data) == [[data, 1], {"last": data}]
    assert used.echo(1) == 1


def test_arguments_come_as_they_were_given(used: Proxy) -> None:
    for _ in range(2):
        assert used.arguments() == [[], {}]
        assert used.arguments(1, "b") == [[1, "b"], {}]
        assert used.arguments(1, c=None) == [[1], {"c": None}]
        assert used.arguments([1], c=[2]) == [[[1]], {"c": [2]}]


def test_a_value_that_cannot_travel_leaves_the_short_way_usable(used: Proxy) -> None:
    with pytest.raises(errors.SerializeError):
        used.echo(object())
    with pytest.raises(errors.SerializeError):
        used.echo("\ud800")
    assert used.echo(1) == 1


def test_a_method_that_becomes_oneway_is_not_waited_for(used: Proxy) -> None:
    used._pyroOneway.add("echo")
    assert used.echo(1) is None
    used._pyroOneway.discard("echo")
    assert used.echo(1) == 1


def test_settings_count_from_the_next_call_on(used: Proxy) -> None:
    used._pyroRawWireResponse = True
    assert used.echo(1).payload == b"\x01"
    used._pyroRawWireResponse = False
    used._pyroSerializer = "json"
    assert used.echo((1, 2)) == [1, 2]
    used._pyroSerializer = None
    assert used.echo((1, 2)) == (1, 2)


def test_a_time_limit_counts_from_the_next_call_on(used: Proxy, thing: Thing) -> None:
    used._pyroTimeout = 0.05
    with pytest.raises(errors.TimeoutError, match=r"\.wait\(\) after"):
        used.wait()
    thing.go_on.set()
    used._pyroTimeout = None
    assert used.echo(1) == 1


def test_attributes_are_read_and_written(used: Proxy) -> None:
    for number in range(3):
        used.level = number
        assert used.level == number


def test_the_context_goes_along_with_calls_that_know_the_short_way(
    used: Proxy,
) -> None:
    for _ in range(2):
        assert "TEST" not in used.annotations()
    current_context.annotations = {"TEST": b"text"}
    try:
        assert "TEST" in used.annotations()
    finally:
        current_context.annotations = {}
    assert "TEST" not in used.annotations()


def test_a_method_that_is_being_served_calls_others(
    used: Proxy, thing: Thing, start: Callable[..., Daemon]
) -> None:
    daemon = start(Thing())
    with Proxy(daemon.uriFor("thing")) as thing.other:
        for value in (1, "two", [3]):
            assert used.pass_on(value) == value


def test_a_call_after_the_connection_was_lost_makes_it_anew(used: Proxy) -> None:
    used._pyroRelease()
    assert used.echo(1) == used.echo(1) == 1
    with pytest.raises(AttributeError):
        used._pyro_binding.call("missing")
    assert used.echo(2) == 2


@pytest.fixture(params=["serpent", "json", "msgpack", "tried again", "bounded"])
def unusual(used: Proxy, request: pytest.FixtureRequest) -> Proxy:
    """A proxy whose settings are not those of most."""
    if request.param == "tried again":
        used._pyroMaxRetries = 2
    elif request.param == "bounded":
        used._pyroTimeout = DEADLINE
        used._pyroMaxRetries = 2
    else:
        used._pyroSerializer = request.param
    return used


@pytest.mark.parametrize("value", [None, 1, "two", "x" * (2 * JOIN_BELOW), [3, [4]]])
def test_other_settings_give_the_same_values(unusual: Proxy, value: Any) -> None:
    for _ in range(2):
        assert unusual.echo(value) == value
        assert unusual.arguments(value, c=[value]) == [[value], {"c": [value]}]


def test_errors_do_not_end_the_connection_with_other_settings(unusual: Proxy) -> None:
    before = unusual._pyroLocalSocket
    with pytest.raises(errors.SerializeError):
        unusual.echo(threading.Lock())
    with pytest.raises(TypeError, match="argument"):
        unusual.echo()
    assert unusual.echo(1) == 1
    assert unusual._pyroLocalSocket == before


def test_a_time_limit_counts_with_other_settings(unusual: Proxy, thing: Thing) -> None:
    unusual._pyroTimeout = 0.05
    unusual._pyroMaxRetries = 0
    with pytest.raises(errors.TimeoutError, match=r"\.wait\(\) after"):
        unusual.wait()
    thing.go_on.set()
    unusual._pyroTimeout = None
    assert unusual.echo(1) == 1


def test_threads_share_a_proxy_with_other_settings(unusual: Proxy) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = range(200)
        assert list(pool.map(unusual.echo, numbers, timeout=DEADLINE)) == list(numbers)


LARGE = 256 * 1024
LARGE_VALUES: list[Any] = [
    *(bytes(LARGE), b"x" * (LARGE + 1), b"y" * (5 << 20), bytes(LARGE), 1, "a"),
    *(bytes(LARGE), bytearray(LARGE), [bytes(LARGE)], b"z" * LARGE, "x" * LARGE, None),
    *(bytearray(LARGE), bytearray(b"a") * LARGE, (bytearray(LARGE), "b"), {}),
    *({"a": bytes(LARGE)}, [bytes(LARGE), bytearray(LARGE)], bytearray(5 << 20)),
]


@pytest.mark.parametrize("timeout", [None, DEADLINE])
def test_large_bytes_in_turn_with_others_keep_what_they_are(
    thing: Thing,
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    timeout: float | None,
) -> None:
    used = connect(start(thing), timeout=timeout)
    for value in LARGE_VALUES + LARGE_VALUES[::-1]:
        result = used.echo(value)
        assert type(result) is type(value)
        assert result == value


def test_a_connection_lost_in_the_midst_of_large_bytes_was_no_call() -> None:
    def take_a_part(peer: Peer) -> None:
        _welcome(peer)
        for _ in range(2):
            peer.answer(peer.receive(), None)
        assert peer.sock.recv(LARGE)

    with ScriptedServer(take_a_part) as server, Proxy(server.uri) as proxy:
        for _ in range(2):
            proxy.put(bytes(LARGE))
        with pytest.raises(errors.ConnectionClosedError) as caught:
            # More than the sockets between the two could hold.
            proxy.put(bytes(64 << 20))
    assert caught.value.outcome == "not_sent"


def test_large_bytes_that_are_too_many_are_not_sent(
    thing: Thing, start: Callable[..., Daemon]
) -> None:
    uri = start(thing).uriFor("thing")
    settings = Configuration(use_environment=False)
    settings.MAX_MESSAGE_SIZE = LARGE
    with Proxy(uri, config=settings) as proxy:
        for _ in range(2):
            assert proxy.echo(bytes(LARGE // 2)) == bytes(LARGE // 2)
        with pytest.raises(errors.MessageTooLargeError, match="too large") as caught:
            proxy.echo(bytes(LARGE))
        assert caught.value.outcome == "not_sent"
        assert proxy.echo(bytes(LARGE // 2)) == bytes(LARGE // 2)


def start_of_answer(
    peer: Peer, kind: type[bytes | bytearray] = bytes, ahead: int = 0
) -> bytes:
    """Return what stands before large bytes that are all of the next answer."""
    payload = SplitPayload(ONLY_APART, (kind(LARGE),))
    start, _ = encode_apart(ANSWER, peer.receive().sequence + ahead, payload)
    return start


def _welcome(peer: Peer) -> None:
    connect = peer.receive()
    metadata = {"methods": ["get", "put"], "oneway": [], "attrs": []}
    peer.send(
        MessageType.CONNECTOK,
        connect,
        serializers["serpent"].dumps({"handshake": "hello", "meta": metadata}),
        annotations={"CAPS": connect.annotations["CAPS"]},
    )


def test_large_bytes_for_a_call_that_was_not_made_are_refused() -> None:
    def mistake_the_third(peer: Peer) -> None:
        _welcome(peer)
        for ahead in (0, 0, 1):
            start = start_of_answer(peer, ahead=ahead)
            peer.sock.sendall(start + bytes(LARGE))
        peer.wait_for_end()

    with ScriptedServer(mistake_the_third) as server, Proxy(server.uri) as proxy:
        for _ in range(2):
            assert proxy.get() == bytes(LARGE)
        with pytest.raises(errors.ProtocolError, match="not waiting"):
            proxy.get()


def _in_parts(
    peer: Peer, *, goes_on: bool, kind: type[bytes | bytearray] = bytes
) -> None:
    """Answer with large bytes, then with a part of some, and the rest when asked."""
    _welcome(peer)
    for _ in range(2):
        peer.sock.sendall(start_of_answer(peer, kind) + b"a" * LARGE)
    start = start_of_answer(peer, kind)
    peer.sock.sendall(start + b"b" * 1000)
    if goes_on:
        # The client has seen that nothing comes.
        assert peer.receive().kind == MessageType.PING
        peer.sock.sendall(b"b" * (LARGE - 1000))
        while (request := peer.receive()).kind != MessageType.INVOKE:
            continue
        peer.answer(request, "small")
        peer.wait_for_end()


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_large_bytes_may_come_in_parts(kind: type[bytes | bytearray]) -> None:
    settings = Configuration(use_environment=False)
    settings.HEARTBEAT_INTERVAL = 0.05
    settings.HEARTBEAT_TIMEOUT = DEADLINE
    with (
        ScriptedServer(partial(_in_parts, goes_on=True, kind=kind)) as server,
        Proxy(server.uri, config=settings) as proxy,
    ):
        for _ in range(2):
            assert proxy.get() == b"a" * LARGE
        answer = proxy.get()
        assert answer == b"b" * LARGE
        assert type(answer) is kind
        assert proxy.get() == "small"


def test_large_bytes_that_break_off_are_a_lost_connection() -> None:
    with (
        ScriptedServer(partial(_in_parts, goes_on=False)) as server,
        Proxy(server.uri) as proxy,
    ):
        for _ in range(2):
            assert proxy.get() == b"a" * LARGE
        with pytest.raises(errors.ConnectionClosedError):
            proxy.get()
