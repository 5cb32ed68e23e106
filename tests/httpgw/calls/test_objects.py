"""Remote objects by name."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.calls.objects import Invocation, Offer, RemoteObjects, Reply
from pyro_httpgw.errors import CallFailedError, RequestRefusedError
from pyro_protocol import URI, current_context, expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.errors import (
    CommunicationError,
    DaemonError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_ONEWAY
from support.gateway_objects import objects_of, run_with_objects, value_of
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.web import NAME, Site, Thermostat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ECHO = Invocation("echo", (1,), {})


def run(site: Site, scenario: Callable[[RemoteObjects], Awaitable[None]]) -> None:
    run_with_objects(site.config, scenario)


def test_members_are_those_that_are_exposed(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        members = await objects.at(NAME, objects.members)
        assert {"heat", "heat_later"} <= members.methods
        assert members.oneway == {"heat_later"}
        assert members.attributes == {"target"}
        assert "hidden" not in members.methods

    run(site, scenario)


def test_an_invocation_is_answered_in_the_native_format(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        reply = await objects.at(NAME, lambda uri: objects.invoke(uri, ECHO))
        assert isinstance(reply, Reply)
        assert value_of(reply) == 1
        assert reply.serializer.name == "native"

    run(site, scenario)


def test_a_oneway_invocation_has_no_answer(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        call = Invocation("heat_later", (), {}, FLAG_ONEWAY)
        assert await objects.invoke(uri, call) is None
        assert await asyncio.to_thread(site.thermostat.heated.wait, DEADLINE)

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
        assert value_of(reply) == 1

    run(site, scenario)


def test_an_object_with_a_new_id_is_found_under_it(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        before = site.names._uris[NAME]
        await objects.at(NAME, objects.members)
        objects._offers._answers.clear()
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
            async with objects_of(site.config) as objects:
                assert value_of(await objects.invoke(URI(server.uri), ECHO)) == "done"

    asyncio.run(main())


def test_a_call_by_name_is_made_of_what_the_object_offers(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        def prepare(offer: Offer) -> Invocation:
            assert "echo" in offer.members.methods
            return ECHO

        for _ in range(2):
            assert value_of(await objects.call(NAME, prepare)) == 1

    run(site, scenario)


def test_a_call_by_name_follows_an_object_that_has_moved(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        await objects.call(NAME, lambda _offer: ECHO)
        await asyncio.to_thread(site.daemon.stop)
        site.daemon = await asyncio.to_thread(HostThread)
        site.register(NAME, Thermostat())
        assert value_of(await objects.call(NAME, lambda _offer: ECHO)) == 1

    run(site, scenario)


def test_what_a_method_says_of_unknown_objects_is_its_own_answer(site: Site) -> None:
    @expose
    class Doubtful:
        calls = 0

        def find(self) -> None:
            self.calls += 1
            raise DaemonError("unknown object 'moon'")

    async def scenario(objects: RemoteObjects) -> None:
        doubtful = Doubtful()
        site.register("http.doubtful", doubtful)
        find = Invocation("find", (), {})
        for _ in range(2):
            reply = await objects.call("http.doubtful", lambda _offer: find)
            assert isinstance(value_of(reply), DaemonError)
        assert doubtful.calls == 2

    run(site, scenario)


def test_a_call_that_takes_too_long_is_given_up(site: Site) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        uri = site.names._uris[NAME]
        with pytest.raises(TimeoutError, match="was not answered within"):
            await objects.invoke(uri, Invocation("wait", (), {}, timeout=0.05))
        # The answer may still come over that connection, so that it is not used again.
        assert value_of(await objects.invoke(uri, ECHO)) == 1

    run(site, scenario)


def test_the_correlation_id_and_annotations_of_the_context_travel(site: Site) -> None:
    @expose
    class Curious:
        def look(self) -> list[str]:
            trace = bytes(current_context.annotations["TRCE"]).decode()
            return [str(current_context.correlation_id), trace]

    async def scenario(objects: RemoteObjects) -> None:
        site.register("http.curious", Curious())
        known = uuid.uuid4()
        state = CallState(correlation=known.bytes)
        state.own_annotations = {"TRCE": b"00-01"}
        call_state.set(state)
        look = Invocation("look", (), {})
        reply = await objects.call("http.curious", lambda _offer: look)
        assert value_of(reply) == [str(known), "00-01"]

    run(site, scenario)
