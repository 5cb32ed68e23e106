"""Parts of one process with different settings: each goes by its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.errors import MessageTooLargeError, ProtocolError
from pyro_protocol.transport import AsyncChannel
from pyro_suite import (
    URI,
    Configuration,
    Daemon,
    Proxy,
    config,
    current_context,
    expose,
    locate_ns,
    resolve,
    start_ns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Target:
    def echo(self, value: Any) -> Any:
        return value

    def serializer(self) -> int:
        return current_context.serializer_id

    def kind(self, value: Any) -> str:
        return type(value).__name__

    def blob(self) -> bytes:
        return b"bytes"

    def items(self) -> Any:
        yield 1

    def fail(self) -> None:
        secret = "a local value"  # noqa: F841 - to be shown, or not
        raise ValueError("no")


def new_config(**items: Any) -> Configuration:
    return Configuration(use_environment=False, HOST="127.0.0.1", **items)


@contextmanager
def served(**items: Any) -> Iterator[str]:
    """Serve a `Target` with settings of its own; yields its URI."""
    daemon = Daemon(config=new_config(**items))
    uri = str(daemon.register(Target(), "target"))
    thread = threading.Thread(target=daemon.requestLoop)
    thread.start()
    try:
        yield uri
    finally:
        daemon.shutdown()
        thread.join()


def proxy_for(uri: str, **items: Any) -> Proxy:
    return Proxy(uri, config=new_config(**items))


@pytest.fixture(autouse=True)
def _useless_global_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that whoever looks at the global settings is found out."""
    monkeypatch.setattr(config, "SERIALIZER", "marshal")
    monkeypatch.setattr(config, "SERIALIZERS_ACCEPTED", [])
    monkeypatch.setattr(config, "MAX_MESSAGE_SIZE", 50)
    monkeypatch.setattr(config, "COMMTIMEOUT", 0.0001)
    monkeypatch.setattr(config, "NS_HOST", "no-such-host.invalid")
    monkeypatch.setattr(config, "NS_PORT", 1)
    monkeypatch.setattr(config, "ITER_STREAMING", False)
    monkeypatch.setattr(config, "SERPENT_BYTES_REPR", True)
    monkeypatch.setattr(config, "HANDSHAKE_MESSAGE_SIZE", 50)
    monkeypatch.setattr(config, "MAX_NESTING", 4)


def test_two_proxies_use_two_serializers() -> None:
    with (
        served() as uri,
        proxy_for(uri, SERIALIZER="json") as one,
        proxy_for(uri, SERIALIZER="msgpack") as other,
        proxy_for(uri) as third,
    ):
        assert [one.serializer(), other.serializer(), third.serializer()] == [3, 4, 78]


def test_two_daemons_accept_different_serializers() -> None:
    with (
        served(SERIALIZERS_ACCEPTED=["json", "serpent"]) as narrow,
        served() as wide,
        proxy_for(narrow, SERIALIZER="msgpack") as refused,
        proxy_for(wide, SERIALIZER="msgpack") as accepted,
    ):
        assert accepted.echo(1) == 1
        with pytest.raises(Exception, match="SERIALIZERS_ACCEPTED"):
            refused.echo(1)


def test_one_daemon_reads_pickles_and_the_other_does_not() -> None:
    value = {1: {2.5, (3,)}}
    with (
        served(SERIALIZERS_ACCEPTED=["serpent", "pickle"]) as trusting,
        served() as usual,
        proxy_for(trusting, SERIALIZER="pickle") as accepted,
        proxy_for(usual, SERIALIZER="pickle") as refused,
        proxy_for(trusting) as other,
    ):
        assert accepted.echo(value) == value
        assert accepted.serializer() == 79
        assert list(accepted.items()) == [1]
        with pytest.raises(ValueError, match="no"):
            accepted.fail()
        with pytest.raises(ProtocolError, match="'pickle' is not accepted here"):
            refused.echo(value)
        other._pyroSerializer = "pickle"
        assert other.echo(value) == value


def test_a_channel_in_an_event_loop_goes_by_its_own_settings() -> None:
    async def main(uri: str) -> Any:
        settings = new_config(SERIALIZER="pickle")
        channel = await AsyncChannel.connect(URI(uri), config=settings)
        try:
            result = await channel.call("target", "echo", ({(1, 2)},), {})
            with pytest.raises(ValueError, match="no"):
                await channel.call("target", "fail", (), {})
        finally:
            channel.close()
        return result

    with served(SERIALIZERS_ACCEPTED=["serpent", "pickle"]) as uri:
        assert asyncio.run(main(uri)) == {(1, 2)}


def test_two_daemons_write_bytes_in_serpent_differently() -> None:
    with (
        served(SERPENT_BYTES_REPR=True) as literal,
        served() as usual,
        proxy_for(literal, SERIALIZER="serpent") as one,
        proxy_for(usual, SERIALIZER="serpent") as other,
    ):
        assert one.blob() == b"bytes"
        assert other.blob() == {"data": "Ynl0ZXM=", "encoding": "base64"}


def test_two_proxies_write_bytes_in_serpent_differently() -> None:
    with (
        served() as uri,
        proxy_for(uri, SERIALIZER="serpent", SERPENT_BYTES_REPR=True) as one,
        proxy_for(uri, SERIALIZER="serpent") as other,
    ):
        assert one.kind(b"x") == "bytes"
        assert other.kind(b"x") == "dict"


def test_limits_of_size_and_nesting_are_those_of_each() -> None:
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    with (
        served(MAX_MESSAGE_SIZE=20_000) as narrow,
        served(MAX_NESTING=10) as flat,
        served() as wide,
    ):
        with (
            proxy_for(narrow) as proxy,
            pytest.raises(ProtocolError, match="20000"),
        ):
            proxy.echo("x" * 30_000)
        with (
            proxy_for(flat, SERIALIZER="json") as proxy,
            pytest.raises(ProtocolError, match="10 levels"),
        ):
            proxy.echo(deep)
        with (
            proxy_for(wide, MAX_MESSAGE_SIZE=20_000) as proxy,
            pytest.raises(MessageTooLargeError, match="20000"),
        ):
            proxy.echo("x" * 30_000)
        with proxy_for(wide) as proxy:
            assert proxy.echo("x" * 30_000) == "x" * 30_000
            assert proxy.echo(deep) == deep


def test_streaming_and_tracebacks_are_those_of_each_daemon() -> None:
    with (
        served(ITER_STREAMING=False, DETAILED_TRACEBACK=True) as one,
        served() as other,
        proxy_for(one) as plain,
        proxy_for(other) as streaming,
    ):
        assert list(streaming.items()) == [1]
        with pytest.raises(ProtocolError, match="ITER_STREAMING"):
            plain.items()
        with pytest.raises(ValueError, match="no") as detailed:
            plain.fail()
        with pytest.raises(ValueError, match="no") as brief:
            streaming.fail()
        assert "a local value" in "".join(vars(detailed.value)["_pyroTraceback"])
        assert "secret =" not in "\n".join(
            line
            for line in "".join(vars(brief.value)["_pyroTraceback"]).splitlines()
            if "noqa" not in line
        )


def test_time_outs_and_retries_are_those_of_each_proxy() -> None:
    uri = "PYRO:target@127.0.0.1:1"
    one, other = proxy_for(uri, COMMTIMEOUT=5, MAX_RETRIES=2), proxy_for(uri)

    assert (one._pyroTimeout, one._pyroMaxRetries) == (5.0, 2)
    assert (other._pyroTimeout, other._pyroMaxRetries) == (None, 0)


def test_names_are_found_at_the_name_server_of_each() -> None:
    def settings_for(port: int) -> Configuration:
        return new_config(NS_HOST="127.0.0.1", NS_PORT=port, BROADCAST_ADDRS=[])

    first = start_ns(config=new_config(NS_PORT=0))
    second = start_ns(config=new_config(NS_PORT=0))
    with first.daemon, second.daemon, served() as one, served() as other:
        settings = []
        for started, uri in ((first, one), (second, other)):
            assert started.uri.port is not None
            settings.append(settings_for(started.uri.port))
            with locate_ns(config=settings[-1]) as names:
                names.register("target", uri)
        for each, uri in zip(settings, (one, other), strict=True):
            assert str(resolve("PYRONAME:target", config=each)) == uri
            assert str(resolve("PYRONAME:target@127.0.0.1", config=each)) == uri
            with Proxy("PYRONAME:target@127.0.0.1", config=each) as proxy:
                assert proxy.echo(1) == 1
            with Proxy("PYRONAME:target", config=each) as proxy:
                assert proxy.echo(1) == 1
