"""Servers that break every rule of the capabilities they have agreed to."""

from __future__ import annotations

import contextlib
import random
import struct
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.session import SessionSettings
from pyro_protocol.session.capabilities import (
    MULTIPLEX,
    SUPPORTED_CAPABILITIES,
    with_capabilities,
)
from pyro_protocol.session.stream_frames import (
    STREAM_NUMBER_ID,
    pack_end,
    pack_items,
    pack_number,
    pack_want,
)
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_ONEWAY,
    FLAG_STREAM,
    Frame,
    MessageType,
)
from pyro_protocol.wire.frame import MAGIC, PREFIX
from pyro_suite import (
    Configuration,
    Proxy,
    errors,
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.usefixtures("nothing_is_left")

NATIVE = serializers["native"]

Script = Callable[[Peer], object]


def admit(peer: Peer, names: Iterable[str] = SUPPORTED_CAPABILITIES) -> None:
    """Take part in the handshake, with capabilities."""
    connect = peer.receive()
    meta = {"methods": ["add", "echo"], "oneway": [], "attrs": []}
    settings = SessionSettings.from_config(Configuration(use_environment=False))
    peer.send(
        MessageType.CONNECTOK,
        connect,
        serializers_by_id[connect.serializer_id].dumps(
            {"handshake": "hello", "meta": meta}
        ),
        annotations=with_capabilities({}, names, settings),
    )


def serve(peer: Peer) -> None:
    """Be good until a call is answered."""
    admit(peer)
    while peer.call_of(request := peer.receive())[1] != "add":
        # The client has lost a connection, and asks what that means.
        peer.answer(request, AttributeError("no idea"), flags=FLAG_EXCEPTION)
    peer.answer(request, "good")


def call_of(method: str, *args: object, object_id: str = "callback1") -> bytes:
    return NATIVE.dumps_call(object_id, method, args, {})


def begin_stream(peer: Peer, request: Frame, number: int = 1, **other: Any) -> None:
    peer.send(
        MessageType.RESULT,
        request,
        NATIVE.dumps(ValueError("a stream")),
        flags=FLAG_EXCEPTION | FLAG_STREAM,
        annotations={STREAM_NUMBER_ID: pack_number(number)},
        **other,
    )


def items(number: int, *values: object) -> bytes:
    packed: Any = pack_items(number, [NATIVE.dumps(one) for one in values])
    return packed if isinstance(packed, bytes) else b"".join(packed)


def end(number: int) -> bytes:
    packed: Any = pack_end(number, NATIVE.dumps(None))
    return packed if isinstance(packed, bytes) else b"".join(packed)


def unknown_answer(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.RESULT, request, NATIVE.dumps(1), sequence=4711)


def two_answers(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.RESULT, request, NATIVE.dumps(1), sequence=4711)
    peer.answer(request, 1)
    peer.answer(request, 2)


def stream_of_unknown_serializer(peer: Peer, request: Frame) -> None:
    begin_stream(peer, request, serializer_id=99)


def the_same_stream_twice(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.ITEMS, request, items(7, 1), sequence=0)
    begin_stream(peer, request)


def garbage(peer: Peer, request: Frame) -> None:
    peer.sock.sendall(b"PYRO" + bytes(range(256)) * 10)


def huge_message(peer: Peer, request: Frame) -> None:
    peer.sock.sendall(
        struct.pack(
            "!6sBBHHII18xH",
            *(PREFIX, MessageType.RESULT, request.serializer_id),
            *(0, request.sequence, 0xFFFF_FFF0, 0, MAGIC),
        )
    )


def bomb(peer: Peer, request: Frame) -> None:
    peer.send(
        MessageType.RESULT,
        request,
        zlib.compress(bytes(200_000_000)),
        flags=FLAG_COMPRESSED,
    )


def other_kinds(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.CONNECTOK, request, b"")


def credit_for_nothing(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.CREDIT, request, struct.pack("!III", 5, 1, 1), sequence=0)


def want_of_nothing(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.WANT, request, bytes(pack_want(3, 5)), sequence=0)


def wrong_pong(peer: Peer, request: Frame) -> None:
    peer.send(MessageType.PING, request, b"pong", sequence=9)


def number_that_is_none(peer: Peer, request: Frame) -> None:
    peer.send(
        MessageType.RESULT,
        request,
        NATIVE.dumps(1),
        flags=FLAG_EXCEPTION | FLAG_STREAM,
        annotations={STREAM_NUMBER_ID: b"x"},
    )


BREACHES = [
    unknown_answer,
    two_answers,
    stream_of_unknown_serializer,
    the_same_stream_twice,
    garbage,
    huge_message,
    bomb,
    other_kinds,
    credit_for_nothing,
    want_of_nothing,
    wrong_pong,
    number_that_is_none,
]


@pytest.mark.parametrize("value", [1, [1]], ids=["short way", "long way"])
@pytest.mark.parametrize("breach", BREACHES, ids=lambda one: one.__name__)
def test_a_breach_ends_the_connection_and_the_next_call_makes_another(
    breach: Callable[[Peer, Frame], None],
    client_settings: Configuration,
    value: object,
) -> None:
    def script(peer: Peer) -> None:
        admit(peer)
        # The client may have hung up before all of it was said.
        with contextlib.suppress(OSError):
            breach(peer, peer.receive())
            peer.wait_for_end()

    with (
        ScriptedServer(script, serve) as server,
        Proxy(server.uri, config=client_settings) as proxy,
    ):
        with pytest.raises(errors.CommunicationError):
            proxy.add(value, value)
        assert not proxy._pyro_binding.connected
        assert proxy.add(value, value) == "good"


def stream_breach(*messages: tuple[int, bytes]) -> Script:
    def script(peer: Peer) -> None:
        admit(peer)
        request = peer.receive()
        with contextlib.suppress(OSError):
            begin_stream(peer, request)
            for kind, payload in messages:
                peer.send(kind, request, payload, sequence=0)
            peer.wait_for_end()

    return script


@pytest.mark.parametrize(
    "messages",
    [
        [(MessageType.ITEMS, items(1, *range(60)))],
        [(MessageType.END, end(1)), (MessageType.END, end(1))],
        [(MessageType.END, end(1)), (MessageType.ITEMS, items(1, 1))],
        [(MessageType.ITEMS, items(2, 1))],
        [(MessageType.ITEMS, b"\0\0\0\1" + b"\xff" * 50)],
        [(MessageType.ITEMS, b"\0")],
        [(MessageType.CLOSE, bytes(pack_number(1)))],
    ],
    ids=[
        "never granted",
        "two ends",
        "after the end",
        "other stream",
        "malformed",
        "short",
        "closed by its producer",
    ],
)
def test_a_breach_in_a_stream_ends_the_connection(
    messages: list[tuple[int, bytes]], client_settings: Configuration
) -> None:
    client_settings.STREAM_READ_AHEAD = 20
    with (
        ScriptedServer(stream_breach(*messages), serve) as server,
        Proxy(server.uri, config=client_settings) as proxy,
    ):

        def consume() -> None:
            list(proxy.add(1, 2))
            proxy.add(1, 2)

        with pytest.raises(errors.CommunicationError):
            consume()
        assert proxy.add(1, 2) == "good"


def test_callbacks_that_make_no_sense_are_refused_one_by_one(
    client_settings: Configuration,
) -> None:
    answers: list[Frame] = []
    calls = [
        call_of("__call__", object_id="callback7"),
        call_of("__call__", object_id="Pyro.Daemon"),
        call_of("__init__"),
        call_of("__class__"),
        call_of("release", [["callback1", "x"]], object_id="Pyro.Client"),
        call_of("release", 7, object_id="Pyro.Client"),
        call_of("__call__", 1, 2, 3),
        b"\xc1 nonsense",
    ]

    def script(peer: Peer) -> None:
        admit(peer)
        request = peer.receive()
        for number, payload in enumerate(calls):
            peer.send(MessageType.INVOKE, request, payload, sequence=number)
            answers.append(peer.receive())
        peer.answer(request, "done")

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri, config=client_settings) as proxy,
    ):
        assert proxy.echo(lambda one: one) == "done"
    assert [one.kind for one in answers] == [MessageType.RESULT] * len(calls)
    assert all(one.flags & FLAG_EXCEPTION for one in answers)


def test_a_flood_of_callbacks_without_answer_is_not_kept(
    client_settings: Configuration,
) -> None:
    client_settings.MAX_ONEWAY_QUEUE = 5

    def script(peer: Peer) -> None:
        admit(peer)
        request = peer.receive()
        payload = call_of("__call__", 1)
        try:
            for _ in range(20_000):
                peer.send(MessageType.INVOKE, request, payload, flags=FLAG_ONEWAY)
            peer.wait_for_end()
        except OSError:
            return

    go_on = threading.Event()
    with (
        ScriptedServer(script, serve) as server,
        Proxy(server.uri, config=client_settings) as proxy,
    ):
        with pytest.raises(errors.CommunicationError, match="MAX_ONEWAY_QUEUE"):
            proxy.echo(lambda _one: go_on.wait(DEADLINE))
        go_on.set()
        assert proxy.add(1, 2) == "good"


def test_calls_take_turns_where_the_server_takes_one_at_a_time(
    client_settings: Configuration,
) -> None:
    def script(peer: Peer) -> None:
        admit(peer, SUPPORTED_CAPABILITIES - {MULTIPLEX})
        peer.sock.settimeout(DEADLINE)
        for _ in range(200):
            request = peer.receive()
            # Nothing else comes before this is answered.
            assert peer._decoder.buffered == 0
            _object, _method, (one, _other), _kwargs = peer.call_of(request)
            peer.answer(request, one)

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri, config=client_settings) as proxy,
        ThreadPoolExecutor(8) as pool,
    ):
        results = pool.map(lambda one: proxy.add(one, 1), range(200), timeout=DEADLINE)
        assert list(results) == list(range(200))


@pytest.mark.parametrize("seed", range(40))
def test_random_messages_do_no_harm(seed: int, client_settings: Configuration) -> None:
    chance = random.Random(seed)
    payloads = [
        NATIVE.dumps([1, "a"]),
        b"",
        call_of("__call__", 1),
        items(1, 1, 2),
        end(1),
        bytes(pack_number(1)),
        struct.pack("!III", 1, 100, 100),
        chance.randbytes(40),
        b"ping",
    ]

    def script(peer: Peer) -> None:
        admit(peer)
        request = peer.receive()
        if chance.random() < 0.5:
            begin_stream(peer, request)
        try:
            for _ in range(chance.randrange(1, 8)):
                peer.send(
                    chance.choice(list(MessageType)),
                    request,
                    chance.choice(payloads),
                    flags=chance.choice([0, 0, 0, 1, 2, 4, 8, 0x40, 0x20]),
                    sequence=chance.choice([0, 1, request.sequence]),
                )
        except OSError:
            return

    with (
        ScriptedServer(script, serve) as server,
        Proxy(server.uri, config=client_settings) as proxy,
    ):
        # What the server makes up is raised as well; that of our own does not get out.
        with contextlib.suppress(errors.PyroError, ValueError, TypeError):
            result = proxy.echo(lambda one: one, iter([1]))
            if hasattr(result, "__next__"):
                list(result)
        proxy._pyroRelease()
        assert proxy.add(1, 2) == "good"


class Refused:
    """What a client is not able to make anew."""


@pytest.mark.parametrize("error", [OSError, BlockingIOError, InterruptedError])
def test_an_answer_that_cannot_be_converted_leaves_the_connection_open(
    error: type[Exception], client_settings: Configuration
) -> None:
    def fail(_name: str, _state: object) -> object:
        raise error("cannot be made")

    def script(peer: Peer) -> None:
        admit(peer)
        for _ in range(2):
            request = peer.receive()
            peer.answer(request, Refused())
            request = peer.receive()
            peer.answer(request, "good")

    register_class_to_dict(Refused, lambda _one: {"__class__": "Refused"})
    register_dict_to_class("Refused", fail)
    try:
        with (
            ScriptedServer(script) as server,
            Proxy(server.uri, config=client_settings) as proxy,
        ):
            for value in (1, [1]):
                with pytest.raises((error, errors.SerializeError)):
                    proxy.add(value, 2)
                assert proxy._pyro_binding.connected
                assert proxy.add(value, 2) == "good"
    finally:
        unregister_class_to_dict(Refused)
        unregister_dict_to_class("Refused")
