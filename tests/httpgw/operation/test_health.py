"""Whether the gateway is alive, and of use."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pyro_httpgw.gateway import Gateway
from pyro_httpgw.messages import Request, Response
from pyro_httpgw.operation.health import ASK_AGAIN_SECONDS
from pyro_httpgw.settings import Settings
from support.clock import Clock
from support.web import Site

if TYPE_CHECKING:
    import pytest

    from httpgw.conftest import Visitor

OPEN = Settings(re.compile(r"http\."))


async def ask(gateway: Gateway, settings: Settings = OPEN) -> Response:
    return await gateway.respond(Request("GET", "/readyz"), settings)


def test_the_gateway_is_alive_as_long_as_it_answers(
    visitor: Visitor, site: Site
) -> None:
    site.name_server.stop()
    response = visitor.ask("/healthz")
    assert (response.status, response.body) == (200, b'{"status":"ok"}')


def test_it_is_ready_while_the_name_server_is_there(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pyro.httpgw")

    async def scenario() -> None:
        clock = Clock()
        gateway = Gateway(site.config, clock)
        response = await ask(gateway)
        assert (response.status, response.body) == (200, b'{"status":"ready"}')
        await asyncio.to_thread(site.name_server.stop)
        # It is asked only now and then, however many want to know.
        assert (await ask(gateway)).status == 200
        clock.now += ASK_AGAIN_SECONDS
        answers = await asyncio.gather(*(ask(gateway) for _ in range(3)))
        for response in answers:
            assert response.status == 503
            assert response.body == b'{"status":"no name server"}'
            assert ("Retry-After", "2") in response.headers
        assert caplog.text.count("not ready, without the name server") == 1
        with Site(name_server_port=site.config.NS_PORT):
            # The first may still wait for the search that has begun before.
            statuses = []
            for _ in range(2):
                clock.now += ASK_AGAIN_SECONDS
                statuses.append((await ask(gateway)).status)
            assert statuses[-1] == 200
            await gateway.aclose()

    asyncio.run(scenario())


def test_it_is_not_ready_when_it_is_about_to_end(site: Site) -> None:
    async def scenario() -> None:
        gateway = Gateway(site.config)
        response = await ask(gateway, replace(OPEN, draining=True))
        assert (response.status, response.body) == (503, b'{"status":"stopping"}')
        await gateway.aclose()

    asyncio.run(scenario())


def test_strangers_learn_nothing_else(visitor: Visitor, site: Site) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    site.name_server.stop()
    response = visitor.ask("/readyz")
    assert response.status == 503
    assert response.body == b'{"status":"no name server"}'
