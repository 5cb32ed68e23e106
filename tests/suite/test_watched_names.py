"""Clients of our name servers: watches that outlive them, and what stands on that."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pyro_client import ReplicaProxy, replicas
from pyro_httpgw.calls.names import NameCache
from pyro_naming import NameServerDaemon, start_ns
from pyro_protocol import URI, Configuration, expose
from pyro_protocol.errors import NamingError
from pyro_protocol.naming import (
    AsyncNameServerClient,
    NameChange,
    NameServerClient,
    locate_ns,
)
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAMP = "PYRO:lamp@lab1:4444"
SHORT_TTL = 0.5


class Desk:
    """A name server with a file, which can be restarted at the same place."""

    def __init__(self, path: Path) -> None:
        self.storage = f"sql:{path}"
        self.port = 0
        self.daemon: NameServerDaemon | None = None
        self.start()
        self.config = Configuration(use_environment=False)
        self.config.BROADCAST_ADDRS = []
        self.config.NS_HOST = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it."""
        started = start_ns(
            "127.0.0.1", self.port, enableBroadcast=False, storage=self.storage
        )
        self.daemon = started.daemon
        self.port = int(started.daemon.locationStr.rpartition(":")[2])

    def stop(self) -> None:
        """Stop it, if it runs."""
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            daemon.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A name server with a file."""
    desk = Desk(tmp_path / "names.sqlite")
    yield desk
    desk.stop()


@pytest.fixture
def names(desk: Desk) -> Iterator[NameServerClient]:
    """A client of it."""
    with locate_ns(config=desk.config) as client:
        yield client


def until(condition: Callable[[], bool]) -> None:
    """Try something until it is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline


def test_a_watch_misses_nothing_and_repeats_nothing_across_restarts(
    desk: Desk, names: NameServerClient
) -> None:
    with names.watch("lab.") as watch:
        found: list[NameChange] = []

        def collect() -> None:
            found.extend(next(watch) for _ in range(60))

        thread = threading.Thread(target=collect)
        thread.start()
        for number in range(30):
            names.register(f"lab.{number}", LAMP, metadata=["lamp"])
            names.register(f"other.{number}", LAMP)
            if number % 10 == 5:
                desk.stop()
                desk.start()
            assert names.remove(f"lab.{number}") == 1
        thread.join(DEADLINE)
        assert not thread.is_alive()
    expected = [
        (kind, f"lab.{number}") for number in range(30) for kind in ("added", "removed")
    ]
    assert [(change.kind, change.name) for change in found] == expected
    # Another one can go on anywhere in it.
    with names.watch("lab.", after=found[-3].position) as watch:
        assert [next(watch), next(watch)] == found[-2:]


def test_a_watch_of_a_name_server_without_a_file_begins_anew_if_that_is_wanted(
    desk: Desk,
) -> None:
    desk.stop()
    desk.storage = "memory"
    desk.start()
    with (
        locate_ns(config=desk.config) as names,
        names.watch() as plain,
        names.watch("lab.", existing=True) as patient,
    ):
        names.register("lab.a", LAMP)
        assert (next(plain).name, next(patient).name) == ("lab.a", "lab.a")
        desk.stop()
        desk.start()
        names.register("lab.b", LAMP)
        with pytest.raises(NamingError, match="history lost"):
            next(plain)
        kinds = [(one.kind, one.name) for one in (next(patient), next(patient))]
        assert kinds == [("lost", ""), ("known", "lab.b")]


def test_2500_entries_come_page_by_page(desk: Desk, names: NameServerClient) -> None:
    wanted = [f"lab.{number:04}" for number in range(2500)]
    for name in wanted:
        names.register(name, LAMP, metadata=["odd" if int(name[4:]) % 2 else "even"])
    assert [one.name for one in names.entries("lab.")] == wanted
    assert [one.name for one in names.entries(meta_all=["odd"])] == wanted[1::2]
    assert [one.name for one in names.entries(regex=r"lab\.00[0-4]")] == wanted[:50]

    async def use() -> list[str]:
        uri = names._pyroUri
        async with AsyncNameServerClient(uri, config=desk.config) as client:
            return [one.name async for one in client.entries("lab.", page_size=999)]

    assert asyncio.run(use()) == wanted
    with names.watch("lab.", existing=True) as watch:
        assert [next(watch).name for _ in wanted] == wanted


def test_leases_and_owners_are_what_they_say(names: NameServerClient) -> None:
    names.register("lamp", LAMP, ttl=60, owner="alice@lab1", metadata=["lamp"])
    found = names.describe("lamp")
    assert (found.uri, found.owner, found.ttl) == (LAMP, "alice@lab1", 60.0)
    assert found.expires_in is not None
    assert 0 < found.expires_in <= 60
    assert names.renew(["lamp", "gone"], "alice@lab1") == ["gone"]
    assert names.renew("lamp", "bob@lab2") == ["lamp"]
    with pytest.raises(NamingError, match="held by alice@lab1"):
        names.register("lamp", LAMP, owner="bob@lab2")
    with pytest.raises(NamingError, match="held by alice@lab1"):
        names.set_metadata("lamp", [])
    names.set_metadata("lamp", ["dim"], owner="alice@lab1")
    assert names.remove("lamp", force=True) == 1


@expose
class Camera:
    """Tells its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def test_replicas_know_at_once_who_comes_and_goes(
    desk: Desk, names: NameServerClient
) -> None:
    def calls(proxy: ReplicaProxy) -> set[str]:
        return {proxy.name() for _ in range(3)}

    with HostThread() as host:
        uris: dict[str, URI] = {}
        for name in "abc":
            uris[name] = host.register(Camera(name), name)
        for name in "ab":
            names.register(name, uris[name], metadata=["camera"])
        with replicas("PYROMETA:camera", "round_robin", config=desk.config) as proxy:
            assert calls(proxy) == {"a", "b"}
            # It is not renewed, as that of a program that has died.
            names.register("c", uris["c"], metadata=["camera"], ttl=SHORT_TTL)
            until(lambda: calls(proxy) == {"a", "b", "c"})
            until(lambda: calls(proxy) == {"a", "b"})
            desk.stop()
            desk.start()
            names.remove("a")
            until(lambda: calls(proxy) == {"b"})


def test_the_gateway_knows_at_once_where_a_name_leads(
    desk: Desk, names: NameServerClient
) -> None:
    other = URI("PYRO:lamp@lab2:4444")

    async def scenario() -> None:
        cache = NameCache(desk.config, clock=lambda: 0.0)
        names.register("lamp", LAMP)
        assert (await cache.lookup("lamp")).uri == URI(LAMP)
        assert (await cache.lookup("lamp")).remembered
        await asyncio.to_thread(desk.stop)
        await asyncio.to_thread(desk.start)
        names.register("lamp", other)
        async with asyncio.timeout(DEADLINE):
            while (await cache.lookup("lamp")).uri != other:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        await cache.aclose()

    asyncio.run(scenario())
