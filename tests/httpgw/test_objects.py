"""Remote objects by name."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.errors import CallFailedError, RequestRefusedError
from pyro_httpgw.names import NameCache
from pyro_httpgw.objects import Invocation, RemoteObjects, Reply
from pyro_httpgw.pool import ChannelPool
from pyro_protocol import DAEMON_NAME, URI
from pyro_protocol.errors import CommunicationError, DaemonError, ProtocolError
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_ONEWAY
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.web import NAME, Site, Thermostat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ECHO = Invocation("echo", (1,), {})


@asynccontextmanager
async def objects_of(site: Site) -> AsyncIterator[RemoteObjects]:
    names, pool = NameCache(site.config), ChannelPool(site.config)
    try:
        yield RemoteObjects(names, pool)
    finally:
        await pool.aclose()
        await names.aclose()


def run(site: Site, scenario: Callable[[RemoteObjects], Awaitable[None]]) -> None:
    async def main() -> None:
        async with objects_of(site) as objects:
            await scenario(objects)

    asyncio.run(main())


def value(reply: Reply | None) -> object:
    assert reply is not None
    return reply.serializer.loads(reply.frame.payload)


def test_members_are_those_that_are_exposed(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        members = await objects.at(NAME, objects.members)
        assert {"heat", "heat_later"} <= members.methods
        assert members.oneway == {"heat_later"}
        assert members.attributes == {"target"}
        assert "hidden" not in members.methods

    run(site, scenario)


def test_members_are_asked_for_once_in_a_while(site: Site) -> None:
    async def main() -> None:
        now = 100.0
        names, pool = NameCache(site.config), ChannelPool(site.config)
        objects = RemoteObjects(names, pool, clock=lambda: now)
        uri = (await names.lookup(NAME)).uri
        members = await objects.members(uri)
        assert await objects.members(uri) is members
        now += 10
        assert await objects.members(uri) is not members
        await pool.aclose()
        await names.aclose()

    asyncio.run(main())


def test_an_invocation_is_answered_in_the_native_format(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        reply = await objects.at(NAME, lambda uri: objects.invoke(uri, ECHO))
        assert value(reply) == 1
        assert reply is not None
        assert reply.serializer.name == "native"

    run(site, scenario)


def test_a_oneway_invocation_has_no_answer(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        call = Invocation("heat_later", (), {}, FLAG_ONEWAY)
        assert await objects.invoke(uri, call) is None
        assert await asyncio.to_thread(site.thermostat.heated.wait, DEADLINE)

    run(site, scenario)


def test_a_stream_is_refused_and_ended(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        with pytest.raises(CallFailedError) as caught:
            await objects.invoke(uri, Invocation("stream", (), {}))
        assert caught.value.status == 501
        assert isinstance(caught.value.error, ProtocolError)
        assert not site.daemon.call(lambda: list(site.daemon.host.streams._streams))
        assert value(await objects.invoke(uri, ECHO)) == 1

    run(site, scenario)


def test_an_argument_that_cannot_be_sent_is_the_fault_of_the_request(
    site: Site,
) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        with pytest.raises(RequestRefusedError) as caught:
            await objects.invoke(uri, Invocation("echo", ("\ud800",), {}))
        assert caught.value.status == 400

    run(site, scenario)


def test_an_object_that_the_daemon_does_not_have_is_not_found(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        site.names._uris["stale"] = URI(f"PYRO:gone@{site.daemon.location}")
        with pytest.raises(CallFailedError) as caught:
            await objects.at("stale", objects.members)
        assert caught.value.status == 404
        assert isinstance(caught.value.error, DaemonError)

    run(site, scenario)


def test_a_daemon_that_is_not_there_certainly_ran_nothing(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        await asyncio.to_thread(site.daemon.stop)
        with pytest.raises(CommunicationError) as caught:
            await objects.at(NAME, objects.members)
        assert caught.value.outcome == "not_sent"

    run(site, scenario)


def test_an_object_that_has_moved_is_found_where_it_is_now(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        await objects.at(NAME, objects.members)
        await asyncio.to_thread(site.daemon.stop)
        site.daemon = await asyncio.to_thread(HostThread)
        site.register(NAME, Thermostat())
        reply = await objects.at(NAME, lambda uri: objects.invoke(uri, ECHO))
        assert value(reply) == 1

    run(site, scenario)


def test_an_object_with_a_new_id_is_found_under_it(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        before = site.names._uris[NAME]
        await objects.at(NAME, objects.members)
        objects._members.clear()
        host = site.daemon.host
        site.daemon.call(lambda: host.registry.unregister(before.object_id))
        after = site.register(NAME, Thermostat())
        assert after != before
        members = await objects.at(NAME, objects.members)
        assert "heat" in members.methods

    run(site, scenario)


def test_a_lost_call_is_not_repeated(site: Site) -> None:
    def lose(peer: Peer) -> None:
        peer.admit()
        peer.receive()

    async def scenario(objects: RemoteObjects) -> None:
        with ScriptedServer(lose) as server:
            with pytest.raises(CommunicationError) as caught:
                await objects.invoke(URI(server.uri), ECHO)
            assert caught.value.outcome == "unknown"

    run(site, scenario)


def test_without_the_native_format_calls_are_made_in_json(site: Site) -> None:
    def answer(peer: Peer) -> None:
        connect = peer.admit()
        assert connect.serializer_id == serializers["serpent"].id
        request = peer.receive()
        assert request.serializer_id == serializers["json"].id
        object_id, method, args, kwargs = peer.call_of(request)
        assert (object_id, method, args, kwargs) == ("thing", "echo", [1], {})
        peer.answer(request, "done")
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(answer) as server:
            async with objects_of(site) as objects:
                assert value(await objects.invoke(URI(server.uri), ECHO)) == "done"

    asyncio.run(main())


@pytest.mark.parametrize("described", [{"methods": []}, [1], "text", None])
def test_a_daemon_that_describes_its_objects_badly_is_told_so(
    site: Site, described: object
) -> None:
    def answer(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        assert peer.call_of(request)[:2] == (DAEMON_NAME, "get_metadata")
        peer.answer(request, described)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(answer) as server:
            async with objects_of(site) as objects:
                with pytest.raises(ProtocolError, match="does not describe"):
                    await objects.members(URI(server.uri))

    asyncio.run(main())


def test_a_daemon_that_fails_to_describe_an_object_is_a_bad_gateway(
    site: Site,
) -> None:
    def fail(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), ValueError("broken"), flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(fail) as server:
            async with objects_of(site) as objects:
                with pytest.raises(CallFailedError) as caught:
                    await objects.members(URI(server.uri))
                assert caught.value.status == 502
                assert isinstance(caught.value.error, ValueError)

    asyncio.run(main())


def test_what_is_believed_of_objects_stays_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.objects._MOST_MEMBERS", 1)

    async def scenario(objects: RemoteObjects) -> None:
        await objects.members(site.names._uris[NAME])
        await objects.members(site.register("http.other", Thermostat()))
        assert len(objects._members) == 1

    run(site, scenario)
