from __future__ import annotations

import math
import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming.echo_object import EchoServer
from pyro_protocol.session import StreamReference
from pyro_protocol.transport import BlockingChannel
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def echo() -> EchoServer:
    return EchoServer(lambda _line: None, lambda: None, slow_seconds=0.01)


@pytest.fixture
def channel(echo: EchoServer) -> Iterator[BlockingChannel]:
    with HostThread() as host:
        uri = host.register(echo, "test.echoserver")
        channel = BlockingChannel.connect(uri)
        yield channel
        channel.close()


def call(channel: BlockingChannel, method: str, *args: object) -> Any:
    return channel.call("test.echoserver", method, args, {})


def test_it_offers_what_pyro5s_offers(channel: BlockingChannel) -> None:
    accepted = channel.accepted
    assert accepted is not None
    assert accepted.methods == {
        "__dunder__",
        "echo",
        "error",
        "error_with_text",
        "generator",
        "inf",
        "nan",
        "oneway_echo",
        "oneway_slow",
        "shutdown",
        "slow",
    }
    assert accepted.oneway == {"oneway_echo", "oneway_slow"}
    assert accepted.attributes == {"verbose"}


@pytest.mark.parametrize("message", ["hello", 5, None, [1, {"a": 2.5}]])
def test_it_returns_the_message(channel: BlockingChannel, message: object) -> None:
    assert call(channel, "echo", message) == message


def test_it_raises_exceptions(channel: BlockingChannel) -> None:
    with pytest.raises(ValueError, match="generated error from echoserver"):
        call(channel, "error")
    with pytest.raises(ValueError, match="the message of the error"):
        call(channel, "error_with_text")


def test_it_returns_special_numbers(channel: BlockingChannel) -> None:
    assert math.isnan(call(channel, "nan"))
    assert call(channel, "inf") == math.inf


def test_it_returns_a_stream(channel: BlockingChannel, echo: EchoServer) -> None:
    assert isinstance(call(channel, "generator"), StreamReference)
    assert list(echo.generator()) == ["one", "two", "three"]


def test_a_special_method_can_be_called(channel: BlockingChannel) -> None:
    assert call(channel, "__dunder__") == "should be allowed (dunder)"


def test_a_slow_method_answers_in_the_end(channel: BlockingChannel) -> None:
    assert call(channel, "slow") == "Finally, an answer!"


def test_a_slow_oneway_method_holds_up_nobody() -> None:
    said: queue.Queue[str] = queue.Queue()
    echo = EchoServer(said.put, lambda: None, verbose=True, slow_seconds=3600)
    with HostThread() as host:
        channel = BlockingChannel.connect(host.register(echo, "test.echoserver"))
        call(channel, "oneway_slow")
        assert call(channel, "echo", "x") == "x"
        channel.close()
        for expected in ("oneway_slow: waiting a bit...", "echo: 'x'"):
            assert said.get(timeout=DEADLINE).endswith(expected)


def test_what_it_says_can_be_switched(
    channel: BlockingChannel, echo: EchoServer
) -> None:
    assert call(channel, "__getattr__", "verbose") is False
    call(channel, "__setattr__", "verbose", 1)
    assert echo.verbose is True


def test_it_can_be_ended_from_afar() -> None:
    stopped = threading.Event()
    echo = EchoServer(lambda _line: None, stopped.set)
    with HostThread() as host:
        channel = BlockingChannel.connect(host.register(echo, "test.echoserver"))
        call(channel, "shutdown")
        channel.close()
    assert stopped.is_set()
