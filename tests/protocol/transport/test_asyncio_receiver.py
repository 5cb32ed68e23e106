"""Large values through asyncio: both channels, plain and with TLS."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import PATIENCE, RunningHost, new_config
from pyro_protocol import expose
from pyro_protocol.transport import AsyncChannel, BlockingChannel
from support.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_protocol import Configuration

DATA = random.Random(1).randbytes(3_000_000)
VALUES = [DATA, bytearray(DATA), [DATA, 5, bytearray(DATA)], "x" * 3_000_000]


@expose
class Store:
    def __init__(self) -> None:
        self.held = bytearray(DATA * 10)

    def echo(self, value: Any) -> Any:
        return value

    def hold(self) -> bytearray:
        return self.held

    def overwrite(self) -> None:
        self.held[:] = bytes(len(self.held))


@pytest.fixture(params=["plain", "TLS"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Configuration:
    settings = new_config()
    if request.param == "TLS":
        certificate = make_certificate(tmp_path, "server")
        settings.HOST = "localhost"
        settings.SSL = True
        settings.SSL_SERVERCERT, settings.SSL_SERVERKEY = certificate
        settings.SSL_CACERTS = certificate.certificate
    return settings


@pytest.fixture
def running(settings: Configuration) -> Iterator[RunningHost]:
    with RunningHost({"store": Store()}, config=settings) as running:
        yield running


def test_a_blocking_client_gets_what_it_sent(
    running: RunningHost, settings: Configuration
) -> None:
    channel = BlockingChannel.connect(running.uri("store"), config=settings)
    channel.sock.settimeout(PATIENCE)
    for value in VALUES:
        answer = channel.call("store", "echo", (value,))

        assert answer == value
        assert type(answer) is type(value)
    channel.close()


def test_an_asyncio_client_gets_what_it_sent(
    running: RunningHost, settings: Configuration
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            await AsyncChannel.connect(running.uri("store"), config=settings) as one,
        ):
            answers = await asyncio.gather(
                *(one.call("store", "echo", (value,)) for value in VALUES)
            )
            assert answers == VALUES
            assert [*map(type, answers)] == [*map(type, VALUES)]

    asyncio.run(main())


def test_an_answer_is_what_was_returned_whatever_happens_to_it_since(
    running: RunningHost, settings: Configuration
) -> None:
    uri = running.uri("store")
    slow = BlockingChannel.connect(uri, config=settings)
    quick = BlockingChannel.connect(uri, config=settings)
    payload = slow.serializer.dumps_call("store", "hold", (), {})
    for buffer in slow._session.request(slow.serializer.id, payload, 0, {}, None):
        slow.sock.sendall(buffer)
    slow._receive(waits=False)

    quick.call("store", "overwrite", ())

    frame = slow._next_reply(None)
    assert slow.read(frame, slow.serializer.id) == DATA * 10
    slow.close()
    quick.close()
