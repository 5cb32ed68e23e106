"""The access log."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.gateway import Gateway
from pyro_httpgw.messages import Request, Response
from pyro_httpgw.operation.observation import ACCESS_LOG
from pyro_httpgw.settings import Settings
from pyro_protocol.authentication import TokenAuthentication
from pyro_protocol.dispatch import Identity
from support.hosting import DEADLINE
from support.web import NAME

if TYPE_CHECKING:
    from httpgw.conftest import Visitor
    from support.web import Site

OPEN = Settings(re.compile(r"http\."))
TOKEN = "a token of sixteen"
OWN = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", ACCESS_LOG)
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    messages = [one.getMessage() for one in log.records if one.name == ACCESS_LOG]
    return [re.sub(r"\b\d+\.\d+ms", "TIMEms", message) for message in messages]


def test_each_answer_has_a_line(
    visitor: Visitor, log: pytest.LogCaptureFixture
) -> None:
    visitor.ask(f"/pyro/{NAME}/target", x_pyro_correlation_id=OWN)
    visitor.ask("/nowhere", x_pyro_correlation_id=OWN)
    first, second = lines(log)
    assert first == (f"192.0.2.1 GET /pyro/{NAME}/target 200 4 TIMEms {OWN} -")
    assert re.fullmatch(rf"192.0.2.1 GET /nowhere 404 \d+ TIMEms {OWN} -", second)


def test_the_line_says_who_it_was_and_shows_no_secret(
    visitor: Visitor, log: pytest.LogCaptureFixture
) -> None:
    tokens = TokenAuthentication({TOKEN: Identity("alice b")})
    visitor.settings = replace(visitor.settings, tokens=tokens, gateway_key=b"secret")
    visitor.ask(f"/pyro/{NAME}/heat", "$key=secret&room=cellar")
    visitor.ask(f"/pyro/{NAME}/heat", authorization=f"Bearer {TOKEN}")
    with_key, with_token = lines(log)
    assert with_key.endswith(" -")
    assert with_token.endswith(" alice%20b")
    for secret in ("secret", "cellar", TOKEN):
        assert secret not in log.text


def test_nobody_can_write_lines_of_his_own(
    visitor: Visitor, log: pytest.LogCaptureFixture
) -> None:
    visitor.client = "1.2.3.4\n5"
    visitor.ask("/x\n192.0.2.1 GET /y 200\x1b[0m", method="A B\r\n")
    (line,) = lines(log)
    assert line.startswith("1.2.3.4%0A5 A%20B%0D%0A /x%0A192.0.2.1%20GET%20/y")
    assert line.isprintable()


def test_a_stream_has_its_line_at_its_end(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        gateway = Gateway(site.config)
        response = await gateway.respond(
            Request("GET", f"/pyro/{NAME}/stream", client="192.0.2.1"), OPEN
        )
        assert response.parts is not None
        assert lines(log) == []
        body = response.body + b"".join([part async for part in response.parts])
        await response.parts.aclose()
        await response.parts.aclose()
        (line,) = lines(log)
        assert line.startswith(
            f"192.0.2.1 GET /pyro/{NAME}/stream 200 {len(body)} TIMEms "
        )
        await gateway.aclose()

    asyncio.run(scenario())


def test_a_request_that_is_given_up_has_a_line_too(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        gateway = Gateway(site.config)
        request = Request("GET", f"/pyro/{NAME}/wait")
        asking = asyncio.create_task(gateway.respond(request, OPEN))
        waiting = site.thermostat.waiting
        assert await asyncio.to_thread(waiting.acquire, timeout=DEADLINE)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (line,) = lines(log)
        assert line.startswith(f"- GET /pyro/{NAME}/wait 499 0 TIMEms ")
        site.thermostat.release.set()
        await gateway.aclose()

    asyncio.run(scenario())


def test_without_a_reader_of_the_log_nothing_is_wrapped(site: Site) -> None:
    async def scenario() -> Response:
        gateway = Gateway(site.config)
        response = await gateway.respond(Request("GET", "/healthz"), OPEN)
        await gateway.aclose()
        return response

    assert asyncio.run(scenario()).parts is None
