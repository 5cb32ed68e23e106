from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import AsyncNameServerDaemon, MemoryStorage, Registration, SqlStorage
from pyro_protocol import Configuration
from pyro_protocol.errors import CommunicationError, NamingError
from pyro_protocol.naming import locate_ns_async

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "127.0.0.1"


@pytest.fixture
def settings() -> Configuration:
    """Settings of a test's own, whatever the environment says."""
    return Configuration(use_environment=False)


def test_it_serves_inside_a_with_block(settings: Configuration) -> None:
    async def use() -> None:
        async with AsyncNameServerDaemon(LOOPBACK, 0, config=settings) as daemon:
            assert daemon.uri.host == LOOPBACK
            async with await locate_ns_async(LOOPBACK, daemon.uri.port) as names:
                await names.register("name", "PYRO:a@h:1")
                assert await names.lookup("Pyro.NameServer") == daemon.uri
            assert daemon.name_server.count() == 2
        with pytest.raises(NamingError):
            await locate_ns_async(LOOPBACK, daemon.uri.port)

    asyncio.run(use())


def test_the_settings_say_where_it_listens(settings: Configuration) -> None:
    settings.HOST = "127.0.0.2"
    settings.NS_PORT = 0

    async def use() -> None:
        async with AsyncNameServerDaemon(config=settings) as daemon:
            assert daemon.uri.host == "127.0.0.2"

    asyncio.run(use())


def test_the_host_may_be_an_address_object(settings: Configuration) -> None:
    async def use() -> None:
        host = ipaddress.ip_address(LOOPBACK)
        async with AsyncNameServerDaemon(host, 0, config=settings) as daemon:
            assert daemon.location == f"{LOOPBACK}:{daemon.uri.port}"
            assert daemon.reach == "loopback"
            assert daemon.broadcast is None

    asyncio.run(use())


def test_it_listens_on_a_unix_socket(tmp_path: Path, settings: Configuration) -> None:
    path = str(tmp_path / "names.sock")

    async def use() -> None:
        daemon = AsyncNameServerDaemon(unixsocket=path, config=settings)
        async with daemon:
            assert str(daemon.uri) == f"PYRO:Pyro.NameServer@./u:{path}"
            assert daemon.reach == "unix"
            async with await locate_ns_async(f"./u:{path}") as names:
                await names.ping()

    asyncio.run(use())
    assert not (tmp_path / "names.sock").exists()


def test_a_name_server_for_the_network_answers_broadcasts(
    settings: Configuration,
) -> None:
    async def use() -> None:
        daemon = AsyncNameServerDaemon(
            "0.0.0.0", 0, bchost=LOOPBACK, bcport=0, config=settings
        )
        async with daemon:
            assert daemon.broadcast is not None
            settings.NS_HOST = "names.invalid"
            settings.BROADCAST_ADDRS = [LOOPBACK]
            settings.NS_BCPORT = int(daemon.broadcast.locationStr.split(":")[1])
            async with await locate_ns_async(config=settings) as names:
                found = str(names._pyroUri)
        assert found == f"PYRO:Pyro.NameServer@{LOOPBACK}:{daemon.uri.port}"

    asyncio.run(use())


def test_a_published_address_is_told_to_clients(settings: Configuration) -> None:
    async def use() -> None:
        daemon = AsyncNameServerDaemon(
            LOOPBACK, 0, nathost="example.com", natport=4444, config=settings
        )
        async with daemon:
            assert str(daemon.uri) == "PYRO:Pyro.NameServer@example.com:4444"
            assert daemon.name_server.lookup("Pyro.NameServer") == daemon.uri
            assert daemon.internal_uri.host == LOOPBACK

    asyncio.run(use())


def test_the_published_port_is_the_real_one_if_none_is_said(
    settings: Configuration,
) -> None:
    settings.NATHOST = "example.com"

    async def use() -> None:
        async with AsyncNameServerDaemon(LOOPBACK, 0, config=settings) as daemon:
            assert daemon.uri.host == "example.com"
            assert daemon.uri.port == daemon.internal_uri.port

    asyncio.run(use())


def test_arguments_that_do_not_fit_together_are_refused(
    settings: Configuration,
) -> None:
    with pytest.raises(ValueError, match="nathost"):
        AsyncNameServerDaemon(natport=4444, config=settings)
    with pytest.raises(ValueError, match="Unix socket"):
        AsyncNameServerDaemon(unixsocket="x", nathost="example.com", config=settings)
    with pytest.raises(ValueError, match="unknown storage"):
        AsyncNameServerDaemon(storage="paper:x", config=settings)
    settings.NS_AUTOCLEAN = 1
    with pytest.raises(ValueError, match="NS_AUTOCLEAN"):
        AsyncNameServerDaemon(config=settings)


def test_names_of_an_earlier_run_are_still_there(
    tmp_path: Path, settings: Configuration
) -> None:
    text = f"sql:{tmp_path / 'names.sqlite'}"

    async def run_once() -> AsyncNameServerDaemon:
        daemon = AsyncNameServerDaemon(LOOPBACK, 0, storage=text, config=settings)
        async with daemon:
            daemon.name_server.register("name", "PYRO:a@h:1", metadata={"x"})
        return daemon

    assert asyncio.run(run_once()).found == 0
    assert asyncio.run(run_once()).found == 2


def test_a_storage_of_the_callers_stays_open(
    tmp_path: Path, settings: Configuration
) -> None:
    with closing(SqlStorage(tmp_path / "names.sqlite")) as storage:

        async def run_once() -> None:
            async with AsyncNameServerDaemon(
                LOOPBACK, 0, storage=storage, config=settings
            ):
                pass

        asyncio.run(run_once())
        assert len(storage) == 1


def test_names_are_cleaned_up_if_the_settings_say_so(settings: Configuration) -> None:
    settings.NS_AUTOCLEAN = 3
    storage = MemoryStorage()

    async def run_once() -> None:
        async with AsyncNameServerDaemon(
            LOOPBACK, 0, storage=storage, config=settings
        ) as daemon:
            daemon.name_server.register("name", "PYRONAME:other")
            tasks = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr] # a coroutine, with a name
            assert "AutoCleaner.run" in tasks

    asyncio.run(run_once())
    assert "name" in storage.find()


def test_a_port_in_use_is_an_error_and_leaves_nothing_behind(
    tmp_path: Path, settings: Configuration
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "names.sqlite"
        daemon = AsyncNameServerDaemon(
            LOOPBACK, port, storage=f"sql:{path}", config=settings
        )
        with pytest.raises(CommunicationError, match=f"cannot listen on .*{port}"):
            asyncio.run(daemon.start())
    with pytest.raises(NamingError, match="closed"):
        daemon.name_server.storage.put("name", Registration("PYRO:a@h:1"))


def test_a_broadcast_port_in_use_is_an_error_and_frees_the_other(
    settings: Configuration,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        daemon = AsyncNameServerDaemon(
            "0.0.0.0",
            0,
            bchost=LOOPBACK,
            bcport=taken.getsockname()[1],
            config=settings,
        )
        with pytest.raises(CommunicationError, match="broadcasts"):
            asyncio.run(daemon.start())
    assert daemon.sock is not None
    assert daemon.sock.fileno() == -1


@pytest.mark.parametrize("owned", [True, False])
def test_no_thread_for_the_storage_outlives_the_name_server(
    settings: Configuration, owned: bool
) -> None:
    class Shared(MemoryStorage):
        networked = True

    before = set(threading.enumerate())

    def waiting() -> list[threading.Thread]:
        return [
            thread
            for thread in threading.enumerate()
            if thread.name.startswith("pyro name server") and thread not in before
        ]

    async def use() -> None:
        storage = Shared()
        daemon = AsyncNameServerDaemon(LOOPBACK, 0, storage=storage, config=settings)
        daemon._owns_storage = owned
        async with (
            daemon,
            await locate_ns_async(LOOPBACK, daemon.uri.port) as names,
        ):
            await names.register("x", "PYRO:a@h:1")
            async with names.watch(existing=True) as changes:
                assert (await anext(changes)).kind == "known"
                assert waiting()
        if owned:
            assert waiting() == []
        for thread in waiting():
            await asyncio.to_thread(thread.join, 20)
        assert waiting() == []

    asyncio.run(use())
