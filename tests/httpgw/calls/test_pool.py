"""Connections that are kept between requests; the daemon here does not share them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

import pytest

from pyro_httpgw.calls.pool import ChannelPool, daemon_uri
from pyro_protocol import DAEMON_NAME, URI
from pyro_protocol.errors import CommunicationError
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from support.web import Site

KEEP: Final = 1000.0


def place(site: Site) -> URI:
    return site.names._uris["http.thermostat"]


def test_a_connection_is_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        first = await pool.acquire(place(site))
        assert not first.shared
        assert pool.idle_count == 0
        first.end()
        assert pool.idle_count == 1
        second = await pool.acquire(place(site))
        assert second.reused
        assert second.channel is first.channel
        second.end()
        await pool.aclose()
        assert first.channel.closed

    asyncio.run(scenario())


def test_requests_at_the_same_time_have_a_connection_each(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        one, other = await asyncio.gather(
            pool.acquire(place(site)), pool.acquire(place(site))
        )
        assert one.channel is not other.channel
        assert pool.ready(place(site)) is None
        one.end()
        other.end()
        # Once more does not count.
        other.end()
        assert pool.idle_count == 2
        await pool.aclose()

    asyncio.run(scenario())


def test_beyond_the_limit_a_request_waits_for_a_connection(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, most_per_daemon=1, idle_seconds=KEEP)
        lease = await pool.acquire(place(site))
        waiting = asyncio.create_task(pool.acquire(place(site)))
        given_up = asyncio.create_task(pool.acquire(place(site)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        lease.end()
        later = await waiting
        assert later.reused
        later.end()
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_failed_is_not_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        lease = await pool.acquire(place(site))
        lease.drop()
        assert lease.channel.closed
        assert pool.idle_count == 0
        assert not pool._daemons
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_for_one_alone_is_new_and_is_not_kept(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        (await pool.acquire(place(site))).end()
        lease = await pool.acquire(place(site), alone=True)
        assert not lease.reused
        lease.end()
        assert lease.channel.closed
        assert pool.idle_count == 1
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_the_daemon_has_closed_is_not_used_again(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config, idle_seconds=KEEP)
        lease = await pool.acquire(place(site))
        lease.end()
        await asyncio.to_thread(site.daemon.stop)
        await asyncio.wait_for(lease.channel._ended.wait(), DEADLINE)
        with pytest.raises(CommunicationError) as caught:
            await pool.acquire(place(site))
        assert caught.value.outcome == "not_sent"
        assert not pool._daemons
        await pool.aclose()

    asyncio.run(scenario())


def test_an_unused_connection_is_closed_after_a_while(site: Site) -> None:
    async def scenario() -> None:
        now = 100.0
        pool = ChannelPool(site.config, idle_seconds=KEEP, clock=lambda: now)
        young = await pool.acquire(place(site))
        old = await pool.acquire(place(site))
        young.end()
        old.end()
        now += 0.6 * KEEP
        # The one given back last is lent first.
        again = await pool.acquire(place(site))
        assert again.channel is old.channel
        again.end()
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
        lease = await pool.acquire(place(site))
        lease.end()
        await asyncio.wait_for(lease.channel._ended.wait(), DEADLINE)
        assert pool._sweeper is None
        await pool.aclose()

    asyncio.run(scenario())


def test_a_connection_that_comes_back_to_a_closed_pool_is_closed(site: Site) -> None:
    async def scenario() -> None:
        pool = ChannelPool(site.config)
        lease = await pool.acquire(place(site))
        await pool.aclose()
        assert not lease.channel.closed
        lease.end()
        assert lease.channel.closed
        assert pool.idle_count == 0

    asyncio.run(scenario())


def test_all_who_need_the_first_connection_are_told_that_there_is_none(
    site: Site,
) -> None:
    async def scenario() -> None:
        await asyncio.to_thread(site.daemon.stop)
        pool = ChannelPool(site.config)
        tries = [asyncio.create_task(pool.acquire(place(site))) for _ in range(3)]
        failures = await asyncio.gather(*tries, return_exceptions=True)
        assert len({id(one) for one in failures}) == 3
        for one in failures:
            assert isinstance(one, CommunicationError)
            assert one.outcome == "not_sent"
        assert not pool._daemons
        await pool.aclose()

    asyncio.run(scenario())


def test_a_first_connection_that_nobody_waits_for_any_more_is_kept(
    site: Site,
) -> None:
    let_in = threading.Event()

    def admit(peer: Peer) -> None:
        assert let_in.wait(DEADLINE)
        peer.admit()
        peer.wait_for_end()

    async def scenario() -> None:
        with ScriptedServer(admit) as server:
            pool = ChannelPool(site.config, idle_seconds=KEEP)
            impatient = asyncio.create_task(pool.acquire(URI(server.uri)))
            await asyncio.sleep(0)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            let_in.set()
            lease = await pool.acquire(URI(server.uri))
            assert not lease.channel.native
            lease.end()
            await pool.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("location", ["[::1]:4444", "./u:/tmp/sock", "host:1"])
def test_the_daemon_is_where_its_objects_are(location: str) -> None:
    uri = daemon_uri(URI(f"PYRO:thing@{location}"))
    assert str(uri) == f"PYRO:{DAEMON_NAME}@{location}"
