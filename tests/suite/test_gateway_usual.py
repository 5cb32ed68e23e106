"""The short way of usual requests: when it is taken, and that it leads to the same."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from http import HTTPStatus
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.gateway import Gateway
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from pyro_server import Daemon
from support.daemons import serving
from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from pyro_httpgw.usual import UsualCall


@pytest.fixture
def site() -> Iterator[Site]:
    """A site whose object is in a daemon that takes many calls on one connection."""
    with Site() as site, serving(Daemon(host="127.0.0.1")) as daemon:
        site.names._uris[NAME] = daemon.register(site.thermostat)
        yield site
        site.thermostat.release.set()


OPEN = Settings(re.compile(r"http\."))
HEAT = f"/pyro/{NAME}/heat"
FIELDS = {"host": "localhost:8080", "accept": "*/*", "user-agent": "test"}


class Listener:
    """Somebody who waits for the answer to a usual call."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.body: bytes | None = None

    def usual_result(self, call: UsualCall, body: bytes) -> None:
        """Take the result."""
        del call
        self.body = body
        self.told.set()

    def usual_rest(self, call: UsualCall) -> None:
        """Take note that there is no usual result."""
        del call
        self.told.set()


def with_gateway(site: Site, act: Callable[[Gateway], Awaitable[Any]]) -> Any:
    """Return what comes of something that is done with a gateway that knows the way."""

    async def run() -> Any:
        gateway = Gateway(site.config)
        try:
            answer = await gateway.respond(Request("GET", HEAT), OPEN)
            assert answer.status == HTTPStatus.OK
            async with asyncio.timeout(DEADLINE):
                return await act(gateway)
        finally:
            await gateway.aclose()

    return asyncio.run(run())


def in_flight(gateway: Gateway) -> int:
    """Return how many requests the gateway has in hand."""
    return gateway._admission.in_flight


def test_a_usual_call_is_answered_with_its_result(site: Site) -> None:
    async def act(gateway: Gateway) -> None:
        listener = Listener()
        call = gateway.usual.begin(HEAT, "hours=3", FIELDS, OPEN, listener)
        assert call is not None
        assert in_flight(gateway) == 1
        await listener.told.wait()
        assert listener.body == b'{"room": "hall", "hours": "3"}'
        assert in_flight(gateway) == 0
        assert call.done()

    with_gateway(site, act)


@pytest.mark.parametrize(
    "changes",
    [
        {"gateway_key": b"key"},
        {"rate_limit": 1000.0},
        {"comm_timeout": 5.0},
        {"metrics": True},
        {"cors": ("*",)},
        {"trusted_proxies": (ip_network("127.0.0.0/8"),)},
        {"bound_address": "127.0.0.1", "fields": {"host": "elsewhere.example"}},
        {"max_in_flight": 1, "before": 1},
        {"fields": {"accept": "text/event-stream"}},
        {"fields": {"origin": "http://elsewhere.example"}},
        {"fields": {"x-pyro-timeout": "1"}},
        {"fields": {"x-pyro-options": "oneway"}},
        {"fields": {"traceparent": "00-1-1-00"}},
        {"fields": {"authorization": "Bearer key"}},
        {"path": f"/pyro/{NAME}/target"},
        {"path": f"/pyro/{NAME}/heat_later"},
        {"path": f"/pyro/{NAME}/stream"},
        {"path": f"/pyro/{NAME}/hidden"},
        {"path": f"/pyro/{NAME}/$meta"},
        {"path": "/pyro/secret.thing/heat"},
        {"path": "/pyro/http.unknown/heat"},
        {"path": "/healthz"},
        {"query": "nothing=1"},
        {"query": "hours=%ff"},
    ],
    ids=str,
)
def test_what_is_not_usual_is_left_alone(site: Site, changes: dict[str, Any]) -> None:
    fields = FIELDS | changes.pop("fields", {})
    path, query = changes.pop("path", HEAT), changes.pop("query", "")
    before = changes.pop("before", 0)
    settings = replace(OPEN, **changes)

    async def act(gateway: Gateway) -> None:
        gateway._admission.in_flight = before
        assert gateway.usual.begin(path, query, fields, settings, Listener()) is None
        assert in_flight(gateway) == before

    with_gateway(site, act)


def test_a_change_of_settings_counts_at_once(site: Site) -> None:
    async def act(gateway: Gateway) -> None:
        listener = Listener()
        assert gateway.usual.begin(HEAT, "", FIELDS, OPEN, listener) is not None
        await listener.told.wait()
        locked = replace(OPEN, gateway_key=b"key")
        assert gateway.usual.begin(HEAT, "", FIELDS, locked, Listener()) is None
        other = replace(OPEN, exposed=re.compile("other"))
        assert gateway.usual.begin(HEAT, "", FIELDS, other, Listener()) is None

    with_gateway(site, act)


@pytest.mark.parametrize(
    ("member", "status"), [("fail", 500), ("busy", 503), ("treasures", 200)]
)
def test_an_unusual_answer_is_what_it_always_is(
    site: Site, member: str, status: int
) -> None:
    async def act(gateway: Gateway) -> None:
        path = f"/pyro/{NAME}/{member}"
        listener = Listener()
        call = gateway.usual.begin(path, "", FIELDS, OPEN, listener)
        assert call is not None
        await listener.told.wait()
        request = Request("GET", path, headers=FIELDS)
        expected = await gateway.respond(request, OPEN)
        if listener.body is None:
            answer = await gateway.conclude(request, OPEN, call)
            assert answer.status == expected.status == status
            assert answer.body == expected.body
            assert [name for name, _ in answer.headers] == [
                name for name, _ in expected.headers
            ]
        else:
            assert (listener.body, status) == (expected.body, expected.status)
        assert in_flight(gateway) == 0

    with_gateway(site, act)


def test_a_call_that_nobody_waits_for_is_ended_in_the_object(site: Site) -> None:
    async def act(gateway: Gateway) -> None:
        path = f"/pyro/{NAME}/wait"
        call = gateway.usual.begin(path, "", FIELDS, OPEN, Listener())
        assert call is not None
        await asyncio.to_thread(site.thermostat.waiting.acquire, timeout=DEADLINE)
        call.give_up()
        assert in_flight(gateway) == 0
        assert call.channel.calls_in_flight == 0

    with_gateway(site, act)


def test_a_daemon_that_is_lost_during_the_call_is_told_of(site: Site) -> None:
    async def act(gateway: Gateway) -> None:
        path = f"/pyro/{NAME}/wait"
        listener = Listener()
        call = gateway.usual.begin(path, "", FIELDS, OPEN, listener)
        assert call is not None
        await asyncio.to_thread(site.thermostat.waiting.acquire, timeout=DEADLINE)
        call.channel.close()
        await listener.told.wait()
        answer = await gateway.conclude(Request("GET", path), OPEN, call)
        assert answer.status == HTTPStatus.BAD_GATEWAY
        assert "may have" in json.loads(answer.body)["hint"]
        assert in_flight(gateway) == 0

    with_gateway(site, act)


@pytest.mark.parametrize(
    "member", ["heat", "heat?hours=2", "treasures", "fail", "none"]
)
def test_the_short_way_gives_the_same_answer_as_the_long_one(
    site: Site, member: str
) -> None:
    where = {
        "PYRO_NS_HOST": site.config.NS_HOST,
        "PYRO_NS_PORT": str(site.config.NS_PORT),
    }
    with GatewayProcess(environment=where) as gateway:
        gateway.ask(HEAT)
        answers = []
        for fields in ({}, {"X-Unusual": "yes"}):
            answer = gateway.ask(f"/pyro/{NAME}/{member}", headers=fields)
            told = {name.lower(): text for name, text in answer.headers.items()}
            del told["x-pyro-correlation-id"], told["date"]
            answers.append((answer.status, told, answer.body))
        assert answers[0] == answers[1]
