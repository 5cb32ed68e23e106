"""Calls of `AsyncProxy` to a daemon of Pyro5, in every serializer."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_client import AsyncProxy
from pyro_protocol import Configuration
from pyro_protocol.errors import NamingError
from support.event_loops import run
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def pyro5_target() -> Iterator[str]:
    with Program(
        PROGRAMS / "target_server.py", "Pyro5.api", python=pyro5_python()
    ) as program:
        yield program.wait_for("^PYRO:.*")[0]


@pytest.fixture(params=["serpent", "json", "msgpack", "marshal"])
def config(request: pytest.FixtureRequest) -> Configuration:
    config = Configuration(use_environment=False)
    config.SERIALIZER = request.param
    return config


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_what_pyro5_can_do_works(
    pyro5_target: str, config: Configuration, kind: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target, config=config) as proxy:
            assert await proxy.add(2, 3) == 5
            assert await proxy.add(2, right=5) == 7
            assert await proxy.echo({"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
            await proxy._pyro_set("level", 9)
            assert await proxy.level == 9
            await proxy._pyro_set("level", 3)
            with pytest.raises(ValueError, match="text"):
                await proxy.fail("text")
            with pytest.raises(NamingError, match="no such name"):
                await proxy.fail_with_own_error()
            assert await proxy.notify() is None
            with pytest.raises(AttributeError, match="mean 'add'"):
                proxy.ad  # noqa: B018 - the point
            connection = proxy._pyroConnection
            assert connection is not None
            assert connection.capabilities == frozenset()

    run(main, kind)


def test_streams_are_fetched_item_by_item(
    pyro5_target: str, config: Configuration
) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target, config=config) as proxy:
            assert [one async for one in proxy.count_up(5)] == [0, 1, 2, 3, 4]
            assert [one async for one in proxy.count_up(0)] == []
            async for one in proxy.count_up(100):
                if one == 2:
                    break
            gc.collect()
            async with await proxy.count_up(10) as stream:
                assert await anext(stream) == 0
            assert await proxy.add(1, 1) == 2

    run(main)


def test_many_tasks_share_one_connection(
    pyro5_target: str, config: Configuration
) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target, config=config) as proxy:
            calls = [proxy.add(number, 1) for number in range(300)]
            assert await asyncio.gather(*calls) == list(range(1, 301))

    run(main)


def test_a_batch_gives_what_was_before_the_failed_call(pyro5_target: str) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target) as proxy:
            batch = proxy._pyroBatch()
            batch.add(1, 2)
            batch.fail("in a batch")
            results = await batch()
            assert results is not None
            assert results.completed == [3]
            assert isinstance(results.error, ValueError)

    run(main)


def test_a_reference_becomes_an_async_proxy(pyro5_target: str) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target) as proxy, await proxy.child() as child:
            assert type(child) is AsyncProxy
            assert await child.name() == "child"

    run(main)


def test_a_cancelled_call_leaves_the_next_ones_right(pyro5_target: str) -> None:
    async def main() -> None:
        async with AsyncProxy(pyro5_target) as proxy:
            await proxy._pyroBind()
            for number in range(20):
                task = asyncio.create_task(proxy.add(number, 1000))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait((task,), timeout=DEADLINE)
                assert await proxy.add(number, 1) == number + 1

    run(main)


def test_a_name_is_resolved_by_the_name_server_of_pyro5(pyro5_target: str) -> None:
    async def main(location: str) -> None:
        async with AsyncProxy(f"PYRO:Pyro.NameServer@{location}") as name_server:
            await name_server.register("test.target", pyro5_target)
        async with AsyncProxy(f"PYRONAME:test.target@{location}") as proxy:
            assert await proxy.add(1, 2) == 3
            assert proxy._pyroUri.protocol == "PYRONAME"
            assert not await proxy._pyroBind()
        await proxy._pyroBind()
        assert str(proxy._pyroUri) == pyro5_target
        await proxy._pyroRelease()

    program, host, port = name_server_of_pyro5(pyro5_python())
    with program:
        run(lambda: main(f"{host}:{port}"))
