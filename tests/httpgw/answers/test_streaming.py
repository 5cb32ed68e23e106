"""Streams as answers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_httpgw.answers import streaming
from pyro_httpgw.answers.stream_counts import MOST_PER_CLIENT
from pyro_httpgw.background import BackgroundGateway, BackgroundParts
from pyro_httpgw.messages import Request, Response
from pyro_httpgw.settings import Settings
from support.sources import SOURCES, Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Site

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"


class Follower:
    """Somebody who follows streams."""

    def __init__(self, gateway: BackgroundGateway, settings: Settings) -> None:
        self._gateway = gateway
        self._settings = settings

    def ask(
        self, method: str, accept: str = "", query: str = "", **fields: str
    ) -> Response:
        """Return the answer, whose parts have to be closed."""
        headers = {"accept": accept, "host": "localhost", **fields}
        path = f"/pyro/{SOURCES}/{method}"
        return self._gateway.respond(
            Request("GET", path, query, headers, client="192.0.2.1"), self._settings
        )

    def parts(self, response: Response) -> BackgroundParts:
        """Return what comes behind the beginning of an answer."""
        assert response.parts is not None, response
        return BackgroundParts(self._gateway, response.parts, None)

    def whole(self, response: Response) -> bytes:
        """Return all of a body that ends as it should."""
        parts = self.parts(response)
        try:
            return response.body + b"".join(parts)
        finally:
            parts.close()

    def broken(self, response: Response) -> bytes:
        """Return the body of an answer that breaks off."""
        parts = self.parts(response)
        got = [response.body]
        try:
            with pytest.raises(ConnectionAbortedError):
                got.extend(iter(parts.__next__, None))
        finally:
            parts.close()
        return b"".join(got)


class Place(NamedTuple):
    sources: Sources
    follower: Follower


@pytest.fixture
def place(site: Site, open_settings: Settings) -> Iterator[Place]:
    sources = Sources()
    site.register(SOURCES, sources)
    gateway = BackgroundGateway(site.config)
    yield Place(sources, Follower(gateway, open_settings))
    sources.go_on.set()
    gateway.close()


@pytest.fixture
def open_settings() -> Settings:
    return Settings(re.compile(""))


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream as a browser reads them, without the comments."""
    found = []
    for block in body.decode().split("\n\n")[:-1]:
        fields: dict[str, Any] = {}
        for line in block.split("\n"):
            name, _colon, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
        if fields:
            fields["data"] = json.loads(fields["data"])
            found.append(fields)
    return found


def test_each_item_is_a_line_of_json(place: Place) -> None:
    response = place.follower.ask("count")
    assert response.status == 200
    assert ("Content-Type", LINES) in response.headers
    assert place.follower.whole(response) == b"0\n1\n2\n"
    place.sources.wait_until_closed()


def test_each_item_is_an_event_if_that_is_wanted(place: Place) -> None:
    response = place.follower.ask("count", EVENTS)
    assert ("Content-Type", EVENTS) in response.headers
    assert events_of(place.follower.whole(response)) == [
        {"id": "1", "data": 0},
        {"id": "2", "data": 1},
        {"id": "3", "data": 2},
        {"event": "end", "id": "end", "data": None},
    ]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", LINES),
        ("application/jsonl", "application/jsonl"),
        ("application/*", LINES),
        ("text/event-stream, */*;q=0.5", EVENTS),
        ("application/json, text/plain, */*", LINES),
        ("text/*", EVENTS),
    ],
)
def test_the_client_chooses_the_form(place: Place, accept: str, expected: str) -> None:
    response = place.follower.ask("count", accept)
    assert ("Content-Type", expected) in response.headers
    place.follower.whole(response)


def test_who_takes_neither_form_is_told_so_and_the_generator_is_closed(
    place: Place,
) -> None:
    response = place.follower.ask("endless", "application/json")
    assert response.status == 406
    assert "text/event-stream" in json.loads(response.body)["hint"]
    place.sources.wait_until_closed()


@pytest.mark.parametrize("accept", [EVENTS, LINES])
def test_items_are_rendered_as_results_are(place: Place, accept: str) -> None:
    body = place.follower.whole(place.follower.ask("values", accept))
    expected = [
        {"nan": None, "bytes": {"data": "AA==", "encoding": "base64"}},
        "two\nlines\r\n",
        None,
    ]
    if accept == EVENTS:
        assert [event["data"] for event in events_of(body)][:3] == expected
    else:
        assert [json.loads(line) for line in body.splitlines()] == expected


def test_a_stream_of_nothing_is_an_empty_answer(place: Place) -> None:
    response = place.follower.ask("nothing")
    assert response.status == 200
    assert place.follower.whole(response) == b""
    events = place.follower.whole(place.follower.ask("nothing", EVENTS))
    assert [event["event"] for event in events_of(events)] == ["end"]


@pytest.mark.parametrize("accept", [EVENTS, LINES])
def test_a_stream_that_fails_at_once_is_a_failed_call(
    place: Place, accept: str
) -> None:
    response = place.follower.ask("fail_at_once", accept)
    assert (response.status, response.parts) == (500, None)
    problem = json.loads(response.body)
    assert problem["__class__"] == "builtins.KeyError"
    assert problem["args"] == ["nothing there"]


def test_a_failure_is_the_last_event(place: Place) -> None:
    response = place.follower.ask("fail_later", EVENTS)
    assert response.status == 200
    item, failure = events_of(place.follower.whole(response))
    assert item["data"] == 1
    assert (failure["event"], failure["id"]) == ("failure", "end")
    assert failure["data"]["__class__"] == "builtins.TimeoutError"
    assert failure["data"]["status"] == 500


def test_a_failure_is_the_last_line_and_the_answer_breaks_off(place: Place) -> None:
    body = place.follower.broken(place.follower.ask("fail_later"))
    item, failure = map(json.loads, body.splitlines())
    assert item == 1
    assert failure["__exception__"] is True
    assert failure["args"] == ["too late"]


@pytest.mark.parametrize("allowed", [True, False])
def test_the_traceback_of_a_failure_is_told_to_who_may_have_it(
    place: Place, open_settings: Settings, allowed: bool
) -> None:
    told = replace(open_settings, tracebacks="always" if allowed else "never")
    place.follower._settings = told
    body = place.follower.whole(place.follower.ask("fail_later", EVENTS))
    assert (b"_pyroTraceback" in body) is allowed
    assert (b"sources.py" in body) is allowed


def test_an_item_that_cannot_be_shown_ends_the_stream_on_both_sides(
    place: Place,
) -> None:
    item, failure = events_of(
        place.follower.whole(place.follower.ask("unusable", EVENTS))
    )
    assert item["data"] == 1
    assert failure["event"] == "failure"
    assert failure["data"]["__class__"] == "Pyro5.errors.SerializeError"
    place.sources.wait_until_closed()


def test_a_first_item_that_cannot_be_shown_is_a_failed_call(place: Place) -> None:
    response = place.follower.ask("unusable_at_once")
    assert response.status == 502
    place.sources.wait_until_closed()


def test_large_items_come_through(place: Place) -> None:
    response = place.follower.ask("endless", query="size=3000000")
    parts = place.follower.parts(response)
    assert response.body == next(parts) == b'"%b"\n' % (b"x" * 3_000_000)
    parts.close()
    place.sources.wait_until_closed()


def test_a_stream_that_was_not_begun_to_be_read_is_closed(place: Place) -> None:
    place.follower.parts(place.follower.ask("endless")).close()
    place.sources.wait_until_closed()


def test_closing_twice_is_harmless(place: Place) -> None:
    parts = place.follower.parts(place.follower.ask("endless"))
    parts.close()
    parts.close()
    assert list(parts) == []


def test_who_follows_a_slow_stream_is_told_that_it_has_begun(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "FIRST_ITEM_SECONDS", 0.0)
    response = place.follower.ask("pausing", EVENTS)
    assert (response.status, response.body) == (200, b":\n\n")
    place.sources.go_on.set()
    events = events_of(place.follower.whole(response))
    assert events[0] == {"id": "1", "data": "at last"}


def test_silence_is_filled_with_comments_and_loses_no_item(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "FIRST_ITEM_SECONDS", 0.0)
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.01)
    response = place.follower.ask("pausing", EVENTS)
    parts = place.follower.parts(response)
    assert [next(parts) for _ in range(3)] == [b":\n\n"] * 3
    place.sources.go_on.set()
    rest = b"".join(parts)
    parts.close()
    assert [event["data"] for event in events_of(rest)] == ["at last", None]


def test_a_client_has_only_so_many_streams(place: Place) -> None:
    follower = place.follower
    open_ones = [follower.parts(follower.ask("endless")) for _ in range(3)]
    counts = follower._gateway._gateway.streams
    assert counts.count == 3
    counts._most_per_client = 3
    refused = follower.ask("endless")
    assert refused.status == 429
    assert ("Retry-After", "10") in refused.headers
    # That of the one that was refused is closed as well.
    place.sources.wait_until_closed()
    for parts in open_ones:
        parts.close()
        place.sources.wait_until_closed()
    assert counts.count == 0
    follower.whole(follower.ask("count"))
    assert MOST_PER_CLIENT >= 6, "a browser has that many connections"


def test_a_browser_that_connects_again_after_the_end_is_told_to_stop(
    place: Place,
) -> None:
    response = place.follower.ask("endless", EVENTS, **{"last-event-id": "end"})
    assert (response.status, response.parts) == (204, None)
    assert place.sources.produced == 0


def test_nothing_is_asked_for_that_nobody_has_taken(place: Place) -> None:
    parts = place.follower.parts(place.follower.ask("endless"))
    assert next(parts) == b'"x"\n'
    place.follower.whole(place.follower.ask("count"))
    # The one that was asked for first is in the beginning of the answer.
    assert place.sources.produced == 2
    parts.close()
    place.sources.wait_until_closed()


def test_a_gateway_that_is_closed_ends_its_streams(
    site: Site, open_settings: Settings
) -> None:
    sources = Sources()
    site.register(SOURCES, sources)
    gateway = BackgroundGateway(site.config)
    follower = Follower(gateway, open_settings)
    parts = follower.parts(follower.ask("endless"))
    gateway.close()
    with pytest.raises(ConnectionAbortedError):
        next(parts)
    parts.close()
    site.daemon.wait_for_client_gone()
