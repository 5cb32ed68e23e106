"""Where objects are, remembered for a moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.errors import CallFailedError
from pyro_httpgw.names import NameCache
from pyro_protocol import NAMESERVER_NAME, URI
from pyro_protocol.errors import NamingError
from support.hosting import HostThread
from support.web import NAME

if TYPE_CHECKING:
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
    monkeypatch.setattr("pyro_httpgw.names._MOST_REMEMBERED", 2)

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
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
