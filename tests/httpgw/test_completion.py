"""The header fields that every answer has."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import pytest

from pyro_httpgw.completion import complete
from pyro_httpgw.exchange import ANYBODY, Exchange
from pyro_httpgw.messages import Request, Response, json_response
from pyro_httpgw.settings import Settings

OPEN = Settings(re.compile(""))
OWN = "0f8fad5b-d9cb-469f-a165-70867728950e"


def completed(response: Response, settings: Settings = OPEN) -> dict[str, str]:
    # Nothing is called.
    nothing = cast("Any", None)
    request = Request("GET", "/", headers={"origin": "https://b.example"})
    exchange = Exchange(
        request, settings, {}, ANYBODY, nothing, nothing, nothing, correlation=OWN
    )
    headers = complete(response, exchange).headers
    fields = {name.lower(): value for name, value in headers}
    assert len(fields) == len(headers)
    return fields


def test_an_answer_says_how_long_it_is_and_what_it_answers() -> None:
    headers = completed(json_response(200, b"[1]"))
    assert headers["content-length"] == "3"
    assert headers["x-pyro-correlation-id"] == OWN


def test_nothing_may_be_done_with_a_result_but_read_it() -> None:
    headers = completed(json_response(200, b"[1]"))
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"].split("; ")
    assert policy == ["default-src 'none'", "frame-ancestors 'none'", "sandbox"]


def test_what_an_answer_says_itself_counts() -> None:
    own = (("cache-control", "no-cache"), ("Content-Security-Policy", "mine"))
    headers = completed(Response(200, own))
    assert headers["cache-control"] == "no-cache"
    assert headers["content-security-policy"] == "mine"
    assert headers["x-content-type-options"] == "nosniff"


def test_an_answer_may_depend_on_more_than_the_origin() -> None:
    own = (("Content-Type", "text/plain"), ("Vary", "Accept"))
    nothing = cast("Any", None)
    settings = replace(OPEN, cors=("https://a.example", "https://b.example"))
    exchange = Exchange(
        Request("GET", "/"), settings, {}, ANYBODY, nothing, nothing, nothing
    )
    headers = complete(Response(200, own), exchange).headers
    assert [value for name, value in headers if name == "Vary"] == ["Accept", "Origin"]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_tells_no_length(status: int) -> None:
    assert "content-length" not in completed(Response(status))


def test_a_stream_tells_no_length() -> None:
    async def parts() -> Any:
        yield b"1"

    response = Response(200, parts=cast("Any", parts()))
    assert "content-length" not in completed(response)


def test_pages_of_origins_that_are_named_may_read_it() -> None:
    cors = ("https://a.example", "https://b.example")
    headers = completed(json_response(200, b"[1]"), replace(OPEN, cors=cors))
    assert headers["access-control-allow-origin"] == "https://b.example"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    headers = completed(json_response(200, b"[1]"), replace(OPEN, cors=("*",)))
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
