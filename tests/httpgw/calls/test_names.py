"""Where objects are, remembered for a moment."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.calls.names import NameCache
from pyro_httpgw.errors import CallFailedError
from pyro_protocol import NAMESERVER_NAME, URI, Configuration, expose
from pyro_protocol.errors import CommunicationError, NamingError
from support.changing_names import ChangingNames, NameServers, Registry
from support.event_loops import eventually_async
from support.hosting import DEADLINE, HostThread
from support.web import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Site


def test_an_answer_is_remembered_for_a_while(site: Site) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(site.config, remember_seconds=2, clock=lambda: now)
        first = await names.lookup(NAME)
        assert str(first.uri.location) == site.daemon.location
        assert not first.remembered
        assert await names.lookup(NAME) == (first.uri, True)
        assert site.names._lookups == 1
        now += 2
        assert await names.lookup(NAME) == (first.uri, False)
        names.forget(NAME)
        assert await names.lookup(NAME) == (first.uri, False)
        assert site.names._lookups == 3
        assert names.location == site.name_server.location
        await names.aclose()

    asyncio.run(scenario())


def test_an_unknown_name_is_not_found_and_not_remembered(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        for _ in range(2):
            with pytest.raises(CallFailedError) as caught:
                await names.lookup("nobody")
            assert caught.value.status == 404
            assert caught.value.error.args == ("unknown name: nobody",)
            assert not hasattr(caught.value.error, "_pyroTraceback")
        assert site.names._lookups == 2
        await names.aclose()

    asyncio.run(scenario())


def test_a_name_of_a_name_is_followed(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        site.names._uris["alias"] = URI(f"PYRONAME:{NAME}@{site.name_server.location}")
        found = await names.lookup("alias")
        assert found.uri == site.names._uris[NAME]
        await names.aclose()

    asyncio.run(scenario())


def test_all_names_are_listed(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        assert await names.all_names() == [NAME]
        await names.aclose()

    asyncio.run(scenario())


def test_what_is_remembered_stays_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.calls.remembered._MOST_REMEMBERED", 2)

    async def scenario() -> None:
        names = NameCache(site.config)
        for name in ("a", "b", "c"):
            site.names._uris[name] = site.names._uris[NAME]
            await names.lookup(name)
        assert len(names._remembered) <= 2
        await names.aclose()

    asyncio.run(scenario())


def test_a_name_server_that_was_restarted_is_found_again(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config, remember_seconds=0)
        await names.lookup(NAME)
        await asyncio.to_thread(site.name_server.stop)
        with pytest.raises(NamingError, match="Failed to locate"):
            await names.lookup(NAME)
        assert names.location is None
        with await asyncio.to_thread(
            lambda: HostThread(port=site.config.NS_PORT)
        ) as restarted:
            restarted.register(site.names, NAMESERVER_NAME)
            assert (await names.lookup(NAME)).uri == site.names._uris[NAME]
            await names.aclose()

    asyncio.run(scenario())


def test_everybody_waits_for_the_same_search(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        searches = [asyncio.create_task(names._locate()) for _ in range(3)]
        found = await asyncio.gather(*searches)
        assert len(set(map(id, found))) == 1
        # One of those who wait may go.
        await asyncio.sleep(0)
        await names.aclose()

    asyncio.run(scenario())


def test_a_search_goes_on_for_the_others_when_one_gives_up(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        impatient = asyncio.create_task(names.lookup(NAME))
        patient = asyncio.create_task(names.lookup(NAME))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).uri == site.names._uris[NAME]
        assert impatient.cancelled()
        await names.aclose()

    asyncio.run(scenario())


def test_closing_ends_a_search(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        waiting = asyncio.create_task(names.lookup(NAME))
        await asyncio.sleep(0)
        await names.aclose()
        with pytest.raises(CommunicationError, match="being closed"):
            await waiting

    asyncio.run(scenario())


def test_closing_disconnects_from_what_a_search_has_just_found(site: Site) -> None:
    async def scenario() -> None:
        names = NameCache(site.config)
        waiting = asyncio.create_task(names.lookup(NAME))
        while names._search is None or not names._search.done():
            assert names._client is None
            await asyncio.sleep(0)
        found = names._search.result()
        await names.aclose()
        assert not found._connection.connected
        with pytest.raises(CommunicationError):
            await waiting

    asyncio.run(scenario())


# With a name server that can be watched

HERE, THERE = URI("PYRO:lamp@one:1"), URI("PYRO:lamp@two:2")


@pytest.fixture
def servers() -> Iterator[NameServers]:
    """Two name servers that share what they know and can be watched."""
    servers = NameServers(2)
    servers.registry.put("lamp", str(HERE))
    yield servers
    servers.close()


def settings_for(servers: NameServers) -> Configuration:
    config = Configuration(use_environment=False)
    config.BROADCAST_ADDRS = []
    config.NS_HOST = servers.addresses
    return config


async def until(names: NameCache, name: str, uri: URI) -> None:
    """Wait until a lookup gives what it should."""
    async with asyncio.timeout(DEADLINE):
        while (await names.lookup(name)).uri != uri:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def test_a_watch_that_has_just_begun_can_be_ended(servers: NameServers) -> None:
    async def scenario() -> None:
        names = NameCache(settings_for(servers))
        await names._remembered.follow(await names._locate())
        watch = names._remembered._watch
        assert watch is not None
        await names.aclose()
        assert not watch._connection.connected

    asyncio.run(scenario())


def lookups(servers: NameServers) -> int:
    return sum(
        call.startswith("lookup") for one in servers.objects for call in one.calls
    )


def test_while_it_is_watched_an_answer_counts_until_it_changes(
    servers: NameServers,
) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(settings_for(servers), clock=lambda: now)
        assert await names.lookup("lamp") == (HERE, False)
        now += 3600
        assert await names.lookup("lamp") == (HERE, True)
        servers.registry.put("other", str(THERE))
        assert await names.lookup("lamp") == (HERE, True)
        assert lookups(servers) == 1
        servers.registry.put("lamp", str(THERE))
        await until(names, "lamp", THERE)
        servers.registry.drop("lamp")
        with pytest.raises(CallFailedError):
            await until(names, "lamp", HERE)
        await names.aclose()

    asyncio.run(scenario())


def test_what_leads_to_another_name_counts_for_a_moment_only(
    servers: NameServers,
) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(settings_for(servers), clock=lambda: now)
        servers.registry.put("alias", "PYRONAME:lamp")
        assert await names.lookup("alias") == (HERE, False)
        assert await names.lookup("alias") == (HERE, True)
        now += 3
        assert await names.lookup("alias") == (HERE, False)
        await names.aclose()

    asyncio.run(scenario())


@expose
class SlowNames(ChangingNames):
    """A name server whose answers to lookups take their time."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self._asked = threading.Event()
        self._go_on = threading.Event()

    async def lookup(self, name: str, return_metadata: bool = False) -> Any:
        found = super().lookup(name, return_metadata)
        self._asked.set()
        await asyncio.to_thread(self._go_on.wait, DEADLINE)
        return found


def test_a_change_during_a_lookup_is_not_overlooked() -> None:
    registry = Registry()
    registry.put("lamp", str(HERE))
    slow = SlowNames(registry)

    async def scenario(config: Configuration) -> None:
        now = 100.0
        names = NameCache(config, clock=lambda: now)
        look_up = asyncio.create_task(names.lookup("lamp"))
        await asyncio.to_thread(slow._asked.wait, DEADLINE)
        registry.put("lamp", str(THERE))
        await eventually_async(lambda: not names._remembered._asked)
        slow._go_on.set()
        assert (await look_up).uri == HERE
        now += 3
        assert await names.lookup("lamp") == (THERE, False)
        await names.aclose()

    config = Configuration(use_environment=False)
    config.BROADCAST_ADDRS = []
    with HostThread() as host:
        host.register(slow, NAMESERVER_NAME)
        config.NS_HOST = host.location
        asyncio.run(scenario(config))
        slow._close()


def test_names_stay_true_when_the_name_server_is_replaced_by_the_next(
    servers: NameServers,
) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(settings_for(servers), clock=lambda: now)
        assert (await names.lookup("lamp")).uri == HERE
        await asyncio.to_thread(servers.stop, 0)
        now += 3600
        servers.registry.put("lamp", str(THERE))
        await until(names, "lamp", THERE)
        await names.aclose()

    asyncio.run(scenario())


def test_without_the_name_server_answers_count_for_a_moment(
    servers: NameServers,
) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(settings_for(servers), clock=lambda: now)
        await names.lookup("lamp")
        await asyncio.to_thread(servers.close)
        await eventually_async(lambda: not names._remembered.watching)
        assert await names.lookup("lamp") == (HERE, True)
        now += 3
        with pytest.raises(NamingError, match="Failed to locate"):
            await names.lookup("lamp")
        await names.aclose()

    asyncio.run(scenario())


def test_a_lost_history_is_followed_by_another_watch(servers: NameServers) -> None:
    async def scenario() -> None:
        now = 100.0
        names = NameCache(settings_for(servers), clock=lambda: now)
        await names.lookup("lamp")
        first = names._remembered._watch
        servers.registry.forget()
        await eventually_async(lambda: names._remembered._watch is not first)
        now += 3
        assert await names.lookup("lamp") == (HERE, False)
        now += 3600
        assert await names.lookup("lamp") == (HERE, True)
        await names.aclose()

    asyncio.run(scenario())


def test_closing_ends_the_watch(servers: NameServers) -> None:
    async def scenario() -> None:
        names = NameCache(settings_for(servers))
        await names.lookup("lamp")
        host = servers.hosts[0]
        assert host is not None
        assert host.connection_count == 2
        await names.aclose()
        await asyncio.to_thread(host.wait_for_client_gone)
        await asyncio.to_thread(host.wait_for_client_gone)
        assert host.connection_count == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())
