"""Which web pages may use the gateway."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyro_httpgw.admission.origins import (
    check_origin,
    cors_headers,
    options_response,
    parse_origins,
)
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings

OPEN = Settings(re.compile(r"http\."))
ONE = replace(OPEN, cors=("https://a.example",))
TWO = replace(OPEN, cors=("https://a.example", "https://b.example"))
ALL = replace(OPEN, cors=("*",))
FOREIGN = "https://evil.example"


def request(method: str = "GET", **headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/pyro/", headers={"host": "gw:8080"} | fields)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        # A proxy that speaks TLS makes the schemes differ.
        {"sec_fetch_site": "same-origin", "origin": "https://elsewhere.example"},
        {"origin": "http://gw:8080"},
        {"origin": "https://gw:8080"},
    ],
)
def test_programs_and_pages_of_the_gateway_itself_pass(headers: dict[str, str]) -> None:
    check_origin(request(**headers), OPEN)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": FOREIGN},
        {"origin": "null"},
        {"origin": "http://gw"},
        {"origin": "http://gw:8080.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": FOREIGN},
        # The same host with another scheme is another site.
        {"sec_fetch_site": "cross-site", "origin": "http://gw:8080"},
    ],
)
@pytest.mark.parametrize("settings", [OPEN, ONE])
def test_pages_of_other_origins_cannot_even_cause_calls(
    headers: dict[str, str], settings: Settings
) -> None:
    with pytest.raises(RequestRefusedError, match="other origins") as caught:
        check_origin(request(**headers), settings)
    assert caught.value.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_origins_that_are_named_pass(site: str) -> None:
    check_origin(request(origin="https://b.example", sec_fetch_site=site), TWO)


@pytest.mark.parametrize(
    "headers", [{"origin": FOREIGN}, {"sec_fetch_site": "cross-site"}]
)
def test_a_star_lets_all_pages_pass(headers: dict[str, str]) -> None:
    check_origin(request(**headers), ALL)


def test_pages_of_other_origins_are_told_nothing_unless_they_are_named() -> None:
    assert cors_headers(request(origin="https://a.example"), OPEN) == ()


def test_one_origin_is_told_to_everybody() -> None:
    headers = dict(cors_headers(request(), ONE))
    assert headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "X-Pyro-Correlation-Id" in headers["Access-Control-Expose-Headers"]


def test_of_several_origins_each_is_told_its_own() -> None:
    headers = dict(cors_headers(request(origin="https://b.example"), TWO))
    assert headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert headers["Vary"] == "Origin"
    assert cors_headers(request(origin="https://c.example"), TWO) == (
        ("Vary", "Origin"),
    )


def test_a_star_is_told_to_all() -> None:
    headers = dict(cors_headers(request(origin="https://c.example"), ALL))
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_a_browser_that_asks_is_told_what_it_may_send() -> None:
    asked = request(
        "OPTIONS", origin="https://a.example", access_control_request_method="PUT"
    )
    response = options_response(asked, ONE, ("GET", "PUT"))
    headers = dict(response.headers)
    assert response.status == 200
    assert headers["Allow"] == headers["Access-Control-Allow-Methods"] == "GET, PUT"
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {
        "authorization",
        "content-type",
        "traceparent",
        "x-pyro-correlation-id",
        "x-pyro-gateway-key",
        "x-pyro-options",
        "x-pyro-timeout",
    } <= set(allowed)


def test_others_are_told_the_methods_only() -> None:
    response = options_response(request("OPTIONS"), ONE, ("GET",))
    assert [name for name, _value in response.headers] == ["Content-Type", "Allow"]
    assert response.body == b"200 OK"


def test_origins_are_compared_in_small_letters() -> None:
    assert parse_origins(["HTTPS://A.example:8443", "*", "null"]) == (
        "https://a.example:8443",
        "*",
        "null",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "https://",
        "https://a.example/",
        "https://a.example/path",
        "https://*.example",
        "https://me@a.example",
        "",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin; give scheme, host and port"):
        parse_origins([text])
