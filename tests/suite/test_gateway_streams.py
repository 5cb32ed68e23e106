"""Streams from our daemons to web clients, whose items come by themselves."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_suite import Daemon
from support.daemons import serving as serving_daemon
from support.hosting import DEADLINE
from support.sources import SOURCES, Reader, Sources
from support.web import Site
from support.web_servers import WEB_SERVERS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_suite import Configuration

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

# A generator is that far ahead, and a part of that may be on its way.
AHEAD = 250


class Place(NamedTuple):
    """A gateway in a web server, and the object behind it."""

    location: str
    sources: Sources

    def read(self, method: str, accept: str = LINES) -> Reader:
        """Return what reads a stream."""
        return Reader(self.location, f"/pyro/{SOURCES}/{method}", accept)


@pytest.fixture(params=WEB_SERVERS[:2])
def place(
    request: pytest.FixtureRequest, servertype: str, server_settings: Configuration
) -> Iterator[Place]:
    server_settings.SERVERTYPE = servertype
    sources = Sources()
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(Site())
        daemon = stack.enter_context(serving_daemon(Daemon(config=server_settings)))
        site.names._uris[SOURCES] = daemon.register(sources)
        location = stack.enter_context(serving(request.param, site.config))
        yield Place(location, sources)
        sources.go_on.set()


def test_a_stream_comes_whole_and_in_order(place: Place) -> None:
    with place.read("count?most=20000") as reader:
        lines = reader.response.read().splitlines()
    assert list(map(int, lines)) == list(range(20_000))
    place.sources.wait_until_closed()


def test_the_end_tells_what_the_generator_has_returned(place: Place) -> None:
    with place.read("count?most=1", EVENTS) as reader:
        assert reader.response.read() == (
            b'id: 1\ndata: 0\n\nevent: end\nid: end\ndata: "all"\n\n'
        )


@pytest.mark.parametrize("accept", [LINES, EVENTS])
@pytest.mark.parametrize("method", ["endless", "silent"])
def test_the_generator_is_closed_when_the_client_leaves(
    place: Place, accept: str, method: str
) -> None:
    reader = place.read(method, accept)
    assert reader.line()
    reader.leave()
    place.sources.wait_until_closed()


def test_the_generator_is_closed_when_the_client_leaves_before_an_item(
    place: Place,
) -> None:
    host, port = place.location.split(":")
    client = socket.create_connection((host, int(port)))
    path = f"/pyro/{SOURCES}/mute"
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert place.sources.begun.acquire(timeout=DEADLINE)
    client.close()
    place.sources.wait_until_closed()


def test_a_client_that_does_not_read_stops_the_generator(place: Place) -> None:
    with place.read("endless?size=1000000") as reader:
        place.read("count").leave()
        place.sources.wait_until_closed()
        assert place.sources.produced <= AHEAD
        reader.leave()
        place.sources.wait_until_closed()


def test_a_failure_is_told_at_its_place(place: Place) -> None:
    with place.read("fail_later") as reader:
        assert reader.line() == b"1\n"
        failure: dict[str, Any] = json.loads(reader.line())
        assert failure["__class__"] == "builtins.TimeoutError"
        assert failure["attributes"] == {}
        with pytest.raises(http.client.IncompleteRead):
            reader.response.read()


@pytest.mark.parametrize("accept", [LINES, EVENTS])
def test_a_stream_that_fails_at_once_is_a_failed_call(
    place: Place, accept: str
) -> None:
    with place.read("fail_at_once", accept) as reader:
        assert reader.response.status == 500
        assert json.loads(reader.response.read())["args"] == ["nothing there"]


def test_an_item_that_cannot_be_shown_ends_the_stream_on_both_sides(
    place: Place,
) -> None:
    with place.read("unusable", EVENTS) as reader:
        body = reader.response.read()
    assert b"data: 1\n\n" in body
    assert b"event: failure\n" in body
    place.sources.wait_until_closed()


def test_many_streams_go_on_at_the_same_time(place: Place) -> None:
    readers = [place.read("silent") for _ in range(60)]
    for reader in readers:
        assert reader.line() == b'"begins"\n'
    for reader in readers:
        reader.leave()
    for _ in readers:
        place.sources.wait_until_closed()
