"""The gateway's connections to a daemon of Pyro5, each of which serves one request."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.calls.objects import Invocation, RemoteObjects, RemoteStream
from pyro_protocol import URI, Configuration
from pyro_protocol.errors import CommunicationError
from support.gateway_objects import run_with_objects, value_of
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"


class Pyro5Daemon:
    """A program that serves an object with Pyro5.

    Attributes:
        program: the program.
        uri: the object.
        config: the settings of the gateway.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.uri = URI(program.wait_for("^PYRO:.*")[0])
        self.config = Configuration(use_environment=False)


@pytest.fixture
def sources() -> Iterator[Pyro5Daemon]:
    program = PROGRAMS / "gateway_sources.py"
    with Program(program, "Pyro5.api", python=pyro5_python()) as running:
        yield Pyro5Daemon(running)


def numbers() -> Invocation:
    return Invocation("numbers", (), {})


async def open_stream(objects: RemoteObjects, uri: URI, most: int) -> RemoteStream:
    stream = await objects.invoke(uri, Invocation("count", (most,), {}))
    assert isinstance(stream, RemoteStream)
    return stream


def test_the_names_are_all_that_is_known_of_an_object(sources: Pyro5Daemon) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        offer = await objects.offer(sources.uri)
        assert offer.document is None
        assert {"count", "numbers"} <= offer.members.methods
        assert offer.description.methods["count"].parameters is None

    run_with_objects(sources.config, scenario)


def test_requests_at_the_same_time_have_a_connection_each(
    sources: Pyro5Daemon,
) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        async with (
            await open_stream(objects, sources.uri, 3) as one,
            await open_stream(objects, sources.uri, 3) as other,
        ):
            assert await anext(one) == 0
            assert [item async for item in other] == [0, 1, 2]
            assert await anext(one) == 1
            assert objects._pool.open_count == 2
        await asyncio.gather(
            *(objects.invoke(sources.uri, numbers()) for _ in range(5))
        )
        assert objects._pool.idle_count == 5
        assert objects._pool.ready(sources.uri) is None

    run_with_objects(sources.config, scenario)


def test_a_stream_that_is_closed_early_ends_the_generator(
    sources: Pyro5Daemon,
) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        async with await open_stream(objects, sources.uri, 3) as stream:
            assert await anext(stream) == 0
        await asyncio.to_thread(sources.program.wait_for, "^closed$")
        assert len(value_of(await objects.invoke(sources.uri, numbers()))) == 3
        assert objects._pool.open_count == 1

    run_with_objects(sources.config, scenario)


def test_a_daemon_that_was_killed_is_told_from_one_that_answers(
    sources: Pyro5Daemon,
) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await open_stream(objects, sources.uri, 3)
        await objects.invoke(sources.uri, numbers())
        await asyncio.to_thread(sources.program.end, signal.SIGKILL)
        with pytest.raises(CommunicationError):
            await anext(stream)
        await stream.aclose()
        with pytest.raises(CommunicationError) as caught:
            await asyncio.wait_for(objects.invoke(sources.uri, numbers()), DEADLINE)
        assert caught.value.outcome == "not_sent"
        assert objects._pool.open_count == 0

    run_with_objects(sources.config, scenario)
