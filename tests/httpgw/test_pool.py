"""Connections that are kept between requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from pyro_httpgw.pool import ChannelPool, daemon_uri
from pyro_protocol import DAEMON_NAME, URI
from pyro_protocol.errors import CommunicationError
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from support.web import Site

KEEP: Final = 1000.0


def place(site: Site) -> URI:
    return site.names._uris["http.thermostat"]


def test_a_connection_is_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        async with pool.lease(place(site)) as first:
            assert not first.reused
            assert pool.idle_count == 0
        assert pool.idle_count == 1
        async with pool.lease(place(site)) as second:
            assert second.reused
            assert second.channel is first.channel
        await pool.aclose()
        assert first.channel.closed

    asyncio.run(scenario())


def test_requests_at_the_same_time_have_a_connection_each(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        async with pool.lease(place(site)) as one, pool.lease(place(site)) as other:
            assert one.channel is not other.channel
        assert pool.idle_count == 2
        await pool.aclose()

    asyncio.run(scenario())


def test_beyond_the_limit_a_request_waits_for_a_connection(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, most_per_daemon=1, idle_seconds=KEEP)
        entered = asyncio.Event()

        async def other() -> bool:
            async with pool.lease(place(site)) as lease:
                entered.set()
                return lease.reused

        async with pool.lease(place(site)):
            waiting = asyncio.create_task(other())
            await asyncio.sleep(0)
            assert not entered.is_set()
        assert await waiting
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_failed_is_not_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        with pytest.raises(ValueError, match="failed"):
            async with pool.lease(place(site)) as lease:
                raise ValueError("failed")
        assert lease.channel.closed
        assert pool.idle_count == 0
        assert not pool._daemons
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_the_daemon_has_closed_is_not_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        async with pool.lease(place(site)) as first:
            pass
        ended = first.channel._ended
        await asyncio.to_thread(site.daemon.stop)
        await asyncio.wait_for(ended.wait(), DEADLINE)
        with pytest.raises(CommunicationError) as caught:
            async with pool.lease(place(site)):
                pass
        assert caught.value.outcome == "not_sent"
        assert not pool._daemons
        await pool.aclose()

    asyncio.run(scenario())


def test_an_unused_connection_is_closed_after_a_while(site: Site) -> None:
    async def scenario() -> None:
        now = 100.0
        pool = ChannelPool(site.config, idle_seconds=KEEP, clock=lambda: now)
        async with pool.lease(place(site)) as old, pool.lease(place(site)) as young:
            pass
        now += 0.6 * KEEP
        # The one given back last is lent first.
        async with pool.lease(place(site)) as young:
            pass
        assert young.channel is old.channel
        now += 0.6 * KEEP
        pool._sweep()
        assert pool.idle_count == 1
        now += KEEP
        pool._sweep()
        assert pool.idle_count == 0
        assert not pool._daemons
        assert old.channel.closed
        await pool.aclose()

    asyncio.run(scenario())


def test_the_pool_looks_after_unused_connections_by_itself(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=0.01)
        async with pool.lease(place(site)) as lease:
            pass
        await asyncio.wait_for(lease.channel._ended.wait(), DEADLINE)
        assert pool._sweeper is None
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_comes_back_to_a_closed_pool_is_closed(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config)
        async with pool.lease(place(site)) as lease:
            await pool.aclose()
        assert lease.channel.closed
        assert pool.idle_count == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("location", ["[::1]:4444", "./u:/tmp/sock", "host:1"])
def test_the_daemon_is_where_its_objects_are(location: str) -> None:
    uri = daemon_uri(URI(f"PYRO:thing@{location}"))
    assert str(uri) == f"PYRO:{DAEMON_NAME}@{location}"
