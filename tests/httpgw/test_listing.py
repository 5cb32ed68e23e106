"""Which objects there are, and what changes about that."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pytest

from pyro_httpgw.gateway import Gateway
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from pyro_protocol import NAMESERVER_NAME, Configuration
from support.changing_names import NameServers
from support.hosting import DEADLINE, HostThread
from support.web import NAME, NameTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from httpgw.conftest import Visitor

EVENTS = {"accept": "text/event-stream"}
SETTINGS = Settings(re.compile(r"http\."))
CLIENT = "192.0.2.1"
URI = "PYRO:thing@127.0.0.1:9"


@pytest.fixture
def servers() -> Iterator[NameServers]:
    """A name server that can be watched."""
    servers = NameServers()
    servers.registry.put("http.lamp", URI, "class:light", "old")
    servers.registry.put("http.heater", URI)
    servers.registry.put("secret", URI)
    yield servers
    servers.close()


def config_for(port: int) -> Configuration:
    """Return settings with which the name server at a port is found."""
    config = Configuration(use_environment=False)
    config.NS_HOST, config.NS_PORT = "127.0.0.1", port
    return config


class Listener:
    """Reads the events of a stream."""

    def __init__(self, gateway: Gateway, query: str = "") -> None:
        self._gateway = gateway
        self._query = query
        self._buffer = ""

    async def __aenter__(self) -> Self:
        request = Request("GET", "/pyro/$objects", self._query, EVENTS, client=CLIENT)
        response = await self._gateway.respond(request, SETTINGS)
        assert response.status == 200
        assert dict(response.headers)["Content-Type"] == "text/event-stream"
        assert response.body
        assert response.parts is not None
        self.parts = response.parts
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.parts.aclose()

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event, its kind and its data."""
        async with asyncio.timeout(DEADLINE):
            while True:
                event, found, rest = self._buffer.partition("\n\n")
                if not found:
                    self._buffer += (await anext(self.parts)).decode()
                    continue
                self._buffer = rest
                if event.startswith("event: "):
                    kind, _, data = event.partition("\ndata: ")
                    return kind.removeprefix("event: "), json.loads(data)


async def with_gateway(
    port: int, scenario: Callable[[Gateway], Awaitable[None]]
) -> None:
    """Run a scenario with a gateway."""
    gateway = Gateway(config_for(port))
    try:
        await scenario(gateway)
    finally:
        await gateway.aclose()


async def names_of(gateway: Gateway, query: str = "") -> list[str]:
    """Return the names in the list."""
    request = Request("GET", "/pyro/$objects", query)
    response = await gateway.respond(request, SETTINGS)
    assert response.status == 200, response.body
    return [one["name"] for one in json.loads(response.body)["objects"]]


def test_exposed_objects_are_listed_with_their_metadata(servers: NameServers) -> None:
    async def scenario(gateway: Gateway) -> None:
        request = Request("GET", "/pyro/$objects")
        document = json.loads((await gateway.respond(request, SETTINGS)).body)
        assert document["objects"] == [
            {"name": "http.heater", "metadata": []},
            {"name": "http.lamp", "metadata": ["class:light", "old"]},
        ]
        assert document["exposed"] == r"http\."
        assert document["name_server"] == f"127.0.0.1:{servers.ports[0]}"

    asyncio.run(with_gateway(servers.ports[0], scenario))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=LAMP", ["http.lamp"]),
        ("search=http+light", ["http.lamp"]),
        ("search=lamp+heater", []),
        ("metadata=old", ["http.lamp"]),
        ("metadata=old&metadata=class:light", ["http.lamp"]),
        ("metadata=ol", []),
        ("search=secret", []),
        ("search=", ["http.heater", "http.lamp"]),
    ],
)
def test_the_list_is_searched(
    servers: NameServers, query: str, found: list[str]
) -> None:
    async def scenario(gateway: Gateway) -> None:
        assert await names_of(gateway, query) == found

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_changes_come_as_they_happen(servers: NameServers) -> None:
    registry = servers.registry

    async def scenario(gateway: Gateway) -> None:
        async with Listener(gateway) as listener:
            kind, data = await listener.next()
            assert kind == "objects"
            assert [one["name"] for one in data["objects"]] == [
                "http.heater",
                "http.lamp",
            ]
            await asyncio.to_thread(registry.watching.acquire, timeout=DEADLINE)
            registry.put("http.fan", URI, "new")
            fan = {"name": "http.fan", "metadata": ["new"]}
            assert await listener.next() == ("added", fan)
            registry.put("hidden.too", URI)
            registry.put("http.fan", URI)
            fan = {"name": "http.fan", "metadata": []}
            assert await listener.next() == ("changed", fan)
            registry.drop("http.lamp")
            assert await listener.next() == ("removed", {"name": "http.lamp"})

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_only_what_is_looked_for_is_told(servers: NameServers) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with Listener(gateway, "metadata=class:light") as listener:
            _kind, data = await listener.next()
            assert [one["name"] for one in data["objects"]] == ["http.lamp"]
            await asyncio.to_thread(servers.registry.watching.acquire, timeout=DEADLINE)
            servers.registry.put("http.heater", URI, "class:light")
            heater = {"name": "http.heater", "metadata": ["class:light"]}
            assert await listener.next() == ("added", heater)
            servers.registry.put("http.lamp", URI)
            assert await listener.next() == ("removed", {"name": "http.lamp"})

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_all_who_listen_share_one_watch(servers: NameServers) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with Listener(gateway) as one, Listener(gateway) as other:
            await one.next()
            await other.next()
            await asyncio.to_thread(servers.registry.watching.acquire, timeout=DEADLINE)
            servers.registry.put("http.fan", URI)
            assert (await one.next())[0] == "added"
            assert (await other.next())[0] == "added"
            assert servers.objects[0].calls.count("position") == 1

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_a_name_server_that_cannot_be_watched_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = NameTable()

    async def scenario(gateway: Gateway) -> None:
        monkeypatch.setattr(gateway.names.live, "_ask_seconds", 0.01)
        async with Listener(gateway) as listener:
            assert (await listener.next())[1]["objects"] == []
            table._uris["http.fan"] = URI  # type: ignore[assignment] # text will do
            assert (await listener.next())[0] == "added"
            del table._uris["http.fan"]
            assert await listener.next() == ("removed", {"name": "http.fan"})

    with HostThread() as host:
        host.register(table, NAMESERVER_NAME)
        port = int(host.location.rpartition(":")[2])
        asyncio.run(with_gateway(port, scenario))


def test_a_name_server_that_goes_and_comes_back_is_told(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(gateway: Gateway) -> None:
        monkeypatch.setattr(gateway.names.live, "_ask_seconds", 0.01)
        async with Listener(gateway) as listener:
            assert (await listener.next())[0] == "objects"
            await asyncio.to_thread(servers.stop, 0)
            kind, problem = await listener.next()
            assert kind == "problem"
            assert problem["detail"]
            servers.registry.put("http.fan", URI)
            await asyncio.to_thread(servers.start, 0)
            events = [await listener.next()]
            while len(events) < 2 or ("problem", {"detail": None}) not in events:
                events.append(await listener.next())
            assert ("added", {"name": "http.fan", "metadata": []}) in events

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_the_stream_says_that_there_is_no_name_server() -> None:
    async def scenario(gateway: Gateway) -> None:
        async with Listener(gateway) as listener:
            kind, problem = await listener.next()
            assert kind == "problem"
            assert "locate" in problem["detail"]
        request = Request("GET", "/pyro/$objects")
        assert (await gateway.respond(request, SETTINGS)).status == 503

    asyncio.run(with_gateway(1, scenario))


def test_nothing_is_asked_when_nobody_listens_any_more(servers: NameServers) -> None:
    async def scenario(gateway: Gateway) -> None:
        live = gateway.names.live
        async with Listener(gateway) as listener:
            await listener.next()
            keeper = live._keeper
            assert keeper is not None
            assert gateway.streams.count == 1
        await asyncio.wait({keeper}, timeout=DEADLINE)
        assert keeper.cancelled()
        assert gateway.streams.count == 0
        await listener.parts.aclose()
        assert gateway.streams.count == 0
        async with Listener(gateway) as again:
            assert (await again.next())[0] == "objects"

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_streams_end_with_the_gateway(servers: NameServers) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with Listener(gateway) as listener:
            await listener.next()
            rest: AsyncIterator[bytes] = listener.parts
            ended = asyncio.ensure_future(collect(rest))
            await asyncio.sleep(0)
            await gateway.aclose()
            assert b"event" not in b"".join(await ended)

    asyncio.run(with_gateway(servers.ports[0], scenario))


async def collect(parts: AsyncIterator[bytes]) -> list[bytes]:
    """Return all parts that come."""
    return [part async for part in parts]


def test_a_client_has_only_so_many_streams(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(gateway: Gateway) -> None:
        monkeypatch.setattr(gateway.streams, "_most_per_client", 1)
        async with Listener(gateway):
            request = Request("GET", "/pyro/$objects", "", EVENTS, client=CLIENT)
            response = await gateway.respond(request, SETTINGS)
            assert response.status == 429

    asyncio.run(with_gateway(servers.ports[0], scenario))


def test_the_key_is_needed(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    assert visitor.ask("/pyro/$objects").status == 401
    assert visitor.ask("/pyro/$objects", accept="text/event-stream").status == 401
    listed = visitor.ask("/pyro/$objects", x_pyro_gateway_key="secret")
    assert [one["name"] for one in json.loads(listed.body)["objects"]] == [NAME]
