"""What objects offer, as the gateway gets to know it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.errors import CallFailedError
from pyro_protocol import DAEMON_NAME, URI, Configuration, behavior, expose
from pyro_protocol.errors import DaemonError, ProtocolError
from pyro_protocol.wire import FLAG_EXCEPTION
from support.gateway_objects import objects_of, run_with_objects
from support.scripted import Peer, ScriptedServer
from support.web import NAME, Site, Thermostat

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_httpgw.calls.objects import RemoteObjects


def ask(script: Callable[[Peer], object], *scripts: Callable[[Peer], object]) -> Any:
    """Return what the object of a server that follows a script offers."""

    async def main() -> Any:
        with ScriptedServer(script, *scripts) as server:
            async with objects_of(Configuration(use_environment=False)) as objects:
                return await objects.offer(URI(server.uri))

    return asyncio.run(main())


def test_what_an_object_offers_is_asked_for_once_in_a_while(site: Site) -> None:
    async def main() -> None:
        now = 100.0
        async with objects_of(site.config, clock=lambda: now) as objects:
            uri = site.names._uris[NAME]
            before = await objects.offer(uri)
            site.register(NAME, Thermostat())
            host = site.daemon.host
            site.daemon.call(lambda: host.registry.unregister(uri.object_id))
            assert await objects.offer(uri) is before
            now += 10
            with pytest.raises(CallFailedError) as caught:
                await objects.offer(uri)
            assert caught.value.status == 404
            assert isinstance(caught.value.error, DaemonError)

    asyncio.run(main())


def test_an_offer_that_has_not_changed_stays_the_same_object(site: Site) -> None:
    async def main() -> None:
        now = 100.0
        async with objects_of(site.config, clock=lambda: now) as objects:
            uri = site.names._uris[NAME]
            before = await objects.offer(uri)
            now += 10
            assert await objects.offer(uri) is before

    asyncio.run(main())


def test_while_one_asks_again_the_others_believe_what_is_known(site: Site) -> None:
    async def main() -> None:
        now = 100.0
        async with objects_of(site.config, clock=lambda: now) as objects:
            uri = site.names._uris[NAME]
            offer = await objects.offer(uri)
            now += 10
            asking = asyncio.create_task(objects.offer(uri))
            await asyncio.sleep(0)
            assert not asking.done()
            assert await objects.offer(uri) is offer
            await asking

    asyncio.run(main())


def test_names_and_description_come_with_one_question(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        offer = await objects.offer(uri)
        assert offer.document is not None
        assert await objects.members(uri) is offer.members
        assert await objects.describe(uri) is offer.description
        assert offer.members.methods == offer.description.methods.keys()
        assert offer.members.oneway == {"heat_later"}
        assert offer.description.methods["heat_later"].kind == "oneway"
        assert not offer.per_connection

    run_with_objects(site.config, scenario)


@pytest.mark.parametrize("mode", ["session", "single", "percall"])
def test_it_is_known_which_objects_belong_to_a_connection(
    site: Site, mode: Any
) -> None:
    class Counter:
        pass

    async def scenario(objects: RemoteObjects) -> None:
        uri = site.register("http.counter", behavior(instance_mode=mode)(Counter))
        offer = await objects.offer(uri)
        assert offer.per_connection == (mode == "session")

    run_with_objects(site.config, scenario)


def test_what_does_not_describe_its_objects_is_asked_for_their_names() -> None:
    def answer(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        assert peer.call_of(request)[:2] == (DAEMON_NAME, "get_metadata")
        names = {"methods": ["add", "tell"], "oneway": ["tell"], "attrs": ["size"]}
        peer.answer(request, names)
        peer.wait_for_end()

    offer = ask(answer)
    assert offer.document is None
    assert offer.members.methods == {"add", "tell"}
    assert offer.members.attributes == {"size"}
    assert offer.description.methods["tell"].kind == "oneway"
    assert offer.description.methods["add"].parameters is None
    assert not offer.per_connection


def test_a_daemon_that_cannot_describe_an_object_is_asked_for_its_names(
    site: Site,
) -> None:
    @expose
    class Daemon:
        def get_metadata(self, objectId: str) -> dict[str, set[str]]:
            return {"methods": {objectId}, "oneway": set(), "attrs": set()}

    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        host = site.daemon.host
        site.daemon.call(lambda: host.registry.unregister(DAEMON_NAME))
        site.daemon.register(Daemon(), DAEMON_NAME)
        offer = await objects.offer(uri)
        assert offer.members.methods == {uri.object_id}
        assert offer.document is None

    run_with_objects(site.config, scenario)


@pytest.mark.parametrize("described", [{"methods": []}, [1], "text", None])
def test_a_daemon_that_describes_its_objects_badly_is_told_so(
    described: object,
) -> None:
    def answer(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), described)
        peer.wait_for_end()

    with pytest.raises(ProtocolError, match="does not describe"):
        ask(answer)


def test_a_daemon_that_fails_to_describe_an_object_is_a_bad_gateway() -> None:
    def fail(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), ValueError("broken"), flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with pytest.raises(CallFailedError) as caught:
        ask(fail)
    assert caught.value.status == 502
    assert isinstance(caught.value.error, ValueError)


def test_what_is_believed_of_objects_stays_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.calls.offers._MOST_MEMBERS", 1)

    async def scenario(objects: RemoteObjects) -> None:
        await objects.members(site.names._uris[NAME])
        await objects.members(site.register("http.other", Thermostat()))
        assert len(objects._offers) == 1

    run_with_objects(site.config, scenario)
