from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI, errors
from pyro_protocol.errors import ConnectionClosedError, NamingError
from pyro_protocol.naming import AsyncNameServerClient
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration
    from support.hosting import HostThread
    from support.names import Names

PRINTER = "PYRO:printer@example.com:4444"


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "auto"])
def test_every_operation_works_with_pyro5s_name_server(
    serializer: str, pyro5_name_server: str, settings: Configuration
) -> None:
    settings.SERIALIZER = serializer

    async def use() -> None:
        uri = f"PYRO:Pyro.NameServer@{pyro5_name_server}"
        async with AsyncNameServerClient(uri, config=settings) as names:
            await names.ping()
            before = await names.count()
            await names.register("demo.printer", PRINTER, metadata={"laser"})
            await names.set_metadata("demo.printer", ["laser", "colour"])
            assert await names.lookup("demo.printer") == URI(PRINTER)
            expected = (PRINTER, {"laser", "colour"})
            assert await names.lookup("demo.printer", return_metadata=True) == (
                URI(PRINTER),
                expected[1],
            )
            assert await names.list("demo.") == {"demo.printer": PRINTER}
            listed = await names.list(regex="demo", return_metadata=True)
            assert listed == {"demo.printer": expected}
            assert await names.yplookup(["laser"]) == {"demo.printer": expected}
            found = await names.yplookup(meta_any=["laser"], return_metadata=False)
            assert found == {"demo.printer": PRINTER}
            assert await names.remove(prefix="demo.") == 1
            with pytest.raises(NamingError):
                await names.lookup("demo.printer")
            assert await names.count() == before

    asyncio.run(use())


def test_tasks_share_a_client_and_its_one_connection(
    host: HostThread, names: Names, settings: Configuration
) -> None:
    for number in range(20):
        names.registered[f"n{number}"] = (f"PYRO:o{number}@h:1", set())

    async def use() -> list[URI]:
        uri = f"PYRO:Pyro.NameServer@{host.location}"
        async with AsyncNameServerClient(uri, config=settings) as client:
            found = await asyncio.gather(
                *(client.lookup(f"n{number}") for number in range(20))
            )
            assert host.connection_count == 1
            return found

    assert asyncio.run(use()) == [URI(f"PYRO:o{n}@h:1") for n in range(20)]


def test_it_uses_no_thread(host: HostThread, settings: Configuration) -> None:
    async def use() -> set[threading.Thread]:
        before = set(threading.enumerate())
        uri = f"PYRO:Pyro.NameServer@{host.location}"
        async with AsyncNameServerClient(uri, config=settings) as client:
            await client.ping()
            return set(threading.enumerate()) - before

    assert asyncio.run(use()) == set()


def test_it_connects_when_used_and_again_after_a_release(
    host: HostThread, settings: Configuration
) -> None:
    async def use() -> None:
        uri = f"PYRO:Pyro.NameServer@{host.location}"
        async with AsyncNameServerClient(uri, config=settings) as client:
            assert "not connected" in repr(client)
            assert await client._pyroBind() is True
            assert await client._pyroBind() is False
            await client._pyroRelease()
            assert "not connected" in repr(client)
            await client.ping()
            assert ", connected" in repr(client)

    asyncio.run(use())


def dying(peer: Peer) -> None:
    """Answer one call, take another, and close the connection."""
    peer.admit()
    peer.answer(peer.receive(), None)
    peer.receive()


def test_a_lookup_is_repeated_on_a_new_connection(settings: Configuration) -> None:
    def alive(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), PRINTER)
        peer.wait_for_end()

    async def use(uri: str) -> URI:
        async with AsyncNameServerClient(uri, config=settings) as client:
            await client.ping()
            return await client.lookup("printer")

    with ScriptedServer(dying, alive) as server:
        assert asyncio.run(use(server.uri)) == URI(PRINTER)


def test_a_removal_that_may_have_been_done_is_not_repeated(
    settings: Configuration,
) -> None:
    async def use(uri: str) -> None:
        async with AsyncNameServerClient(uri, config=settings) as client:
            await client.ping()
            with pytest.raises(ConnectionClosedError):
                await client.remove("printer")

    with ScriptedServer(dying) as server:
        asyncio.run(use(server.uri))


def test_a_call_that_takes_too_long_is_given_up(settings: Configuration) -> None:
    def silent(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        peer.wait_for_end()

    async def use(uri: str) -> None:
        async with AsyncNameServerClient(uri, config=settings) as client:
            await client._pyroBind()
            client._pyroTimeout = 0.05
            with pytest.raises(errors.TimeoutError, match=r"0\.05 seconds"):
                await client.lookup("printer")

    with ScriptedServer(silent) as server:
        asyncio.run(use(server.uri))
