"""The gateway as an ASGI application."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw import asgi_app
from pyro_httpgw.asgi import AsgiApplication, _request_of
from pyro_httpgw.messages import LARGEST_BODY
from support.sources import SOURCES, Sources
from support.web import NAME

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from support.web import Site

Event = dict[str, Any]


def scope(path: str, **more: Any) -> Event:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
        **more,
    }


async def converse(
    application: AsgiApplication, about: Event, *events: Event
) -> list[Event]:
    waiting = list(events) or [{"type": "http.request"}]
    sent: list[Event] = []

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop(0)

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(dict(event))

    await application(about, receive, send)
    return sent


async def ask(
    application: AsgiApplication, about: Event, *events: Event
) -> tuple[int, dict[bytes, bytes], bytes]:
    start, body = await converse(application, about, *events)
    assert start["type"] == "http.response.start"
    assert body["type"] == "http.response.body"
    return start["status"], dict(start["headers"]), body["body"]


def test_a_request_is_answered(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        about = scope(f"/pyro/{NAME}/heat", query_string=b"room=k%C3%BCche")
        status, headers, body = await ask(application, about)
        assert status == 200
        assert json.loads(body) == {"room": "küche", "hours": 1}
        assert headers[b"content-length"] == str(len(body)).encode()
        await application.aclose()

    asyncio.run(scenario())


def test_header_fields_reach_the_gateway(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        application.gateway_key = b"secret"
        path = f"/pyro/{NAME}/heat"
        assert (await ask(application, scope(path)))[0] == 401
        headers = [(b"x-pyro-gateway-key", b"secret")]
        assert (await ask(application, scope(path, headers=headers)))[0] == 200
        # Given twice it is neither of the two.
        assert (await ask(application, scope(path, headers=headers * 2)))[0] == 403
        await application.aclose()

    asyncio.run(scenario())


def test_a_body_in_pieces_reaches_the_gateway(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        about = scope(
            f"/pyro/{NAME}/heat",
            method="POST",
            headers=[(b"content-type", b"application/json")],
        )
        _status, _headers, body = await ask(
            application,
            about,
            {"type": "http.request", "body": b'{"room": ', "more_body": True},
            {"type": "http.request", "body": b'"kitchen"}', "more_body": False},
        )
        assert json.loads(body)["room"] == "kitchen"
        await application.aclose()

    asyncio.run(scenario())


def test_the_rest_of_a_body_that_is_too_large_is_not_read(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        status, _headers, _body = await ask(
            application,
            scope(f"/pyro/{NAME}/heat", method="POST"),
            {"type": "http.request", "body": bytes(LARGEST_BODY), "more_body": True},
            {"type": "http.request", "body": b"x", "more_body": True},
        )
        assert status == 413
        await application.aclose()

    asyncio.run(scenario())


def test_a_request_that_breaks_off_is_not_carried_out(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        sent = await converse(
            application,
            scope(f"/pyro/{NAME}/heat_now", method="POST"),
            {"type": "http.request", "body": b"room=", "more_body": True},
            {"type": "http.disconnect"},
        )
        assert sent == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/lab/pyro/http.thermostat/target", "/lab"),
        ("/pyro/http.thermostat/target", "/lab"),
    ],
)
def test_it_can_be_mounted_below_a_path(site: Site, path: str, mount: str) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        about = scope(path, root_path=mount)
        assert (await ask(application, about))[2] == b"20.5"
        about = scope(f"{mount}/", root_path=mount)
        _status, headers, _body = await ask(application, about)
        assert headers[b"location"] == b"/lab/pyro/"
        await application.aclose()

    asyncio.run(scenario())


def test_the_answer_to_head_has_no_body(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        about = scope("/pyro/", method="HEAD")
        status, headers, body = await ask(application, about)
        assert (status, body) == (200, b"")
        assert int(headers[b"content-length"]) > 0

    asyncio.run(scenario())


def test_where_the_client_is_and_how_it_is_connected_reach_the_gateway() -> None:
    about = scope("/", client=("192.0.2.7", 4000), scheme="https")
    request = _request_of(about, b"")
    assert (request.client, request.scheme) == ("192.0.2.7", "https")
    unknown = _request_of(scope("/", client=None), b"")
    assert (unknown.client, unknown.scheme) == ("", "http")


def test_a_stream_is_sent_part_by_part(site: Site) -> None:
    site.register(SOURCES, Sources())

    async def scenario() -> None:
        application = AsgiApplication(site.config)
        application.ns_regex = ""
        never = asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            if not sent and not received:
                received.append(1)
                return {"type": "http.request"}
            await never.wait()
            raise AssertionError

        async def send(event: MutableMapping[str, Any]) -> None:
            sent.append(dict(event))

        sent: list[Event] = []
        received: list[int] = []
        await application(scope(f"/pyro/{SOURCES}/count"), receive, send)
        start, *parts = sent
        assert b"content-length" not in dict(start["headers"])
        assert [part["body"] for part in parts] == [b"0\n", b"1\n", b"2\n", b""]
        assert [part.get("more_body", False) for part in parts] == [
            True,
            True,
            True,
            False,
        ]
        await application.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("failing", ["http.response.start", "http.response.body"])
def test_a_server_that_says_the_client_has_gone_ends_the_stream(
    site: Site, failing: str
) -> None:
    sources = Sources()
    site.register(SOURCES, sources)

    async def scenario() -> None:
        application = AsgiApplication(site.config)
        application.ns_regex = ""

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request"}

        async def send(event: MutableMapping[str, Any]) -> None:
            if event["type"] == failing:
                raise OSError("the client has gone")

        await application(scope(f"/pyro/{SOURCES}/endless"), receive, send)
        await application.aclose()

    asyncio.run(scenario())
    sources.wait_until_closed()


def test_a_server_that_ends_a_request_ends_its_stream(site: Site) -> None:
    sources = Sources()
    site.register(SOURCES, sources)

    async def scenario() -> None:
        application = AsgiApplication(site.config)
        application.ns_regex = ""
        begun = asyncio.Event()
        events = [{"type": "http.request"}]

        async def receive() -> MutableMapping[str, Any]:
            if not events:
                await asyncio.Event().wait()
            return events.pop()

        async def send(event: MutableMapping[str, Any]) -> None:
            if event["type"] == "http.response.body":
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(
            application(scope(f"/pyro/{SOURCES}/endless"), receive, send)
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await application.aclose()

    asyncio.run(scenario())
    sources.wait_until_closed()


def test_connections_end_with_the_server(site: Site) -> None:
    async def scenario() -> None:
        application = AsgiApplication(site.config)
        await ask(application, scope(f"/pyro/{NAME}/target"))
        sent = await converse(
            application,
            {"type": "lifespan"},
            {"type": "lifespan.startup"},
            {"type": "lifespan.shutdown"},
        )
        assert [event["type"] for event in sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert not application._gateways

    asyncio.run(scenario())
    site.daemon.wait_for_client_gone()


def test_each_event_loop_has_connections_of_its_own(site: Site) -> None:
    application = AsgiApplication(site.config)

    async def scenario() -> None:
        assert (await ask(application, scope(f"/pyro/{NAME}/target")))[2] == b"20.5"
        assert len(application._gateways) == 1
        await application._running().gateway.aclose()

    asyncio.run(scenario())
    asyncio.run(scenario())


def test_other_kinds_of_connections_are_refused() -> None:
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(converse(asgi_app, {"type": "websocket"}))
