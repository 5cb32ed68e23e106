"""Web clients that go away while they are answered, under real web servers."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_httpgw import background
from pyro_httpgw.asgi import AsgiApplication
from pyro_httpgw.serving import disconnects
from support.hosting import DEADLINE
from support.sources import SOURCES, Reader, Sources
from support.web import NAME, Site
from support.web_servers import WEB_SERVERS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"


class Server:
    """What an ASGI server tells, and is told, about one request."""

    def __init__(self, *events: dict[str, Any], then_gone: bool = False) -> None:
        self.events = list(events) or [{"type": "http.request"}]
        self.then_gone = then_gone
        self.asked = 0
        self.sent: list[Any] = []
        self.told = threading.Semaphore(0)

    async def receive(self) -> Any:
        self.asked += 1
        self.told.release()
        if self.events:
            return self.events.pop(0)
        if self.then_gone:
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()

    async def send(self, event: Any) -> None:
        self.sent.append(event)


def answer_in(server: Server, site: Site, member: str) -> None:
    """Have a request answered, and check that its task can go on after that."""

    async def scenario() -> None:
        application = AsgiApplication(site.config)
        about = {
            "type": "http",
            "method": "GET",
            "path": f"/pyro/{NAME}/{member}",
            "headers": [],
        }
        await application(about, server.receive, server.send)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        async with asyncio.timeout(DEADLINE):
            await asyncio.sleep(0)
        await application.aclose()

    asyncio.run(scenario())


def test_a_quick_call_is_answered_without_listening_for_the_client(
    site: Site,
) -> None:
    server = Server(then_gone=True)
    answer_in(server, site, "heat")
    assert server.asked == 1
    assert server.sent[0]["status"] == 200


@pytest.mark.parametrize("rest", [0, 3])
def test_a_call_whose_client_has_gone_gets_no_answer(
    site: Site, rest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "MOMENT_SECONDS", 0.01)
    body = {"type": "http.request"}
    unread = [{"type": "http.request", "more_body": True}] * rest
    server = Server(body, *unread, then_gone=True)
    answer_in(server, site, "wait")
    assert server.sent == []
    assert server.asked == 2 + rest
    site.thermostat.release.set()


def test_a_server_that_does_not_tell_is_not_asked_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disconnects, "MOMENT_SECONDS", 0.01)
    server = Server(*[{"type": "http.request"}] * 10)

    def release_when_listened() -> None:
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        for _ in range(2):
            assert server.told.acquire(timeout=DEADLINE)
        site.thermostat.release.set()

    helper = threading.Thread(target=release_when_listened)
    helper.start()
    answer_in(server, site, "wait")
    helper.join()
    assert server.asked == 2
    assert server.sent[0]["status"] == 200


class Place(NamedTuple):
    location: str
    sources: Sources
    site: Site

    def read(self, method: str, accept: str = LINES) -> Reader:
        return Reader(self.location, f"/pyro/{SOURCES}/{method}", accept)


@pytest.fixture(params=WEB_SERVERS)
def place(request: pytest.FixtureRequest, site: Site) -> Iterator[Place]:
    sources = Sources()
    site.register(SOURCES, sources)
    with serving(request.param, site.config) as location:
        yield Place(location, sources, site)
        sources.go_on.set()
        site.thermostat.release.set()


def test_a_stream_comes_whole_and_the_connection_can_be_used_again(
    place: Place,
) -> None:
    client = http.client.HTTPConnection(place.location, timeout=DEADLINE)
    for _ in range(2):
        client.request("GET", f"/pyro/{SOURCES}/count")
        assert client.getresponse().read() == b"0\n1\n2\n"
    client.close()


def test_items_come_as_they_are_produced(place: Place) -> None:
    with place.read("silent") as reader:
        assert reader.response.status == 200
        assert reader.line() == b'"begins"\n'


@pytest.mark.parametrize("accept", [LINES, EVENTS])
def test_the_generator_is_closed_when_the_client_leaves_between_two_items(
    place: Place, accept: str
) -> None:
    reader = place.read("endless?size=100000", accept)
    assert reader.line()
    reader.leave()
    place.sources.wait_until_closed()


def test_a_client_that_does_not_read_stops_the_generator(place: Place) -> None:
    most = 16 * 1024 * 1024
    with place.read(f"endless?size={most}") as reader:
        # Two items do not fit into what the system keeps for a connection, and one
        # more may wait in the web server.
        place.read("count").leave()
        place.sources.wait_until_closed()
        assert place.sources.produced <= 3
        reader.leave()
        place.sources.wait_until_closed()


def test_an_answer_that_breaks_off_is_seen_to_be_incomplete(place: Place) -> None:
    with place.read("fail_later") as reader:
        assert reader.line() == b"1\n"
        assert b'"__exception__": true' in reader.line()
        with pytest.raises(http.client.IncompleteRead):
            reader.response.read()


def test_a_stream_of_events_ends_as_an_answer_should(place: Place) -> None:
    with place.read("fail_later", EVENTS) as reader:
        assert b"event: failure\n" in reader.response.read()


def test_a_call_is_given_up_when_its_client_leaves(place: Place) -> None:
    host, port = place.location.split(":")
    client = socket.create_connection((host, int(port)))
    client.sendall(
        f"GET /pyro/{NAME}/wait HTTP/1.1\r\nHost: {place.location}\r\n\r\n".encode()
    )
    assert place.site.thermostat.waiting.acquire(timeout=DEADLINE)
    client.close()
    # The gateway ends the connection over which the answer would come.
    place.site.daemon.wait_for_client_gone()
    assert not place.site.thermostat.release.is_set()


def test_a_call_goes_on_while_its_client_waits(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (background, disconnects):
        monkeypatch.setattr(module, "MOMENT_SECONDS", 0.001)
    client = http.client.HTTPConnection(place.location, timeout=DEADLINE)
    client.request("GET", f"/pyro/{NAME}/wait")
    assert place.site.thermostat.waiting.acquire(timeout=DEADLINE)
    # Meanwhile it is looked whether the client is still there.
    with place.read("count?most=500") as reader:
        assert reader.response.read().endswith(b"499\n")
    place.site.thermostat.release.set()
    assert client.getresponse().read() == b'"waited"'
    client.close()
