"""Who may do what."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyro_httpgw.access import check_key, check_name, cors_headers, is_exposed
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings

OPEN = Settings(re.compile(r"http\."))
LOCKED = replace(OPEN, gateway_key=b"secr\xc3\xa9t")


def request(**headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/pyro/", headers=fields)


def test_without_a_key_everybody_passes() -> None:
    check_key(request(), {}, OPEN)


@pytest.mark.parametrize("key", ["secrét"])
def test_the_right_key_passes_as_header_or_as_parameter(key: str) -> None:
    check_key(request(x_pyro_gateway_key=key), {}, LOCKED)
    check_key(request(), {"$key": [key]}, LOCKED)


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [
        ({}, {}),
        ({"x_pyro_gateway_key": "wrong"}, {}),
        ({"x_pyro_gateway_key": ""}, {}),
        ({}, {"$key": ["wrong"]}),
        ({}, {"$key": ["secrét", "secrét"]}),
        ({"x_pyro_gateway_key": "wrong"}, {"$key": ["secrét"]}),
        ({"x_pyro_gateway_key": "\udcff"}, {}),
    ],
)
def test_any_other_key_is_refused_without_showing_it(
    headers: dict[str, str], parameters: dict[str, list[str]]
) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        check_key(request(**headers), parameters, LOCKED)
    assert caught.value.status == 403
    assert str(caught.value) == "403 Forbidden - incorrect gateway api key"


def test_a_name_is_exposed_that_begins_with_a_match() -> None:
    check_name("http.thermostat", OPEN)
    assert is_exposed("http.thermostat", OPEN)


@pytest.mark.parametrize("name", ["Pyro.NameServer", "a.http.b", "httpx"])
def test_a_name_is_refused_that_does_not(name: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        check_name(name, OPEN)
    assert caught.value.status == 403
    assert "access to the requested object has been denied" in str(caught.value)


def test_the_empty_expression_exposes_every_name() -> None:
    check_name("Pyro.NameServer", Settings(re.compile("")))


def test_pages_of_other_origins_get_nothing_unless_they_are_named() -> None:
    assert cors_headers(request(origin="https://a.example"), OPEN) == ()


def test_one_origin_is_told_to_everybody() -> None:
    settings = replace(OPEN, cors=("https://a.example",))
    headers = dict(cors_headers(request(), settings))
    assert headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "X-Pyro-Gateway-Key" in headers["Access-Control-Allow-Headers"]
    assert headers["Access-Control-Expose-Headers"] == "X-Pyro-Correlation-Id"


def test_of_several_origins_each_is_told_its_own() -> None:
    settings = replace(OPEN, cors=("https://a.example", "https://b.example"))
    headers = dict(cors_headers(request(origin="https://b.example"), settings))
    assert headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert headers["Vary"] == "Origin"
    strange = cors_headers(request(origin="https://c.example"), settings)
    assert strange == (("Vary", "Origin"),)


def test_a_star_allows_all_origins() -> None:
    settings = replace(OPEN, cors=("*",))
    headers = dict(cors_headers(request(origin="https://c.example"), settings))
    assert headers["Access-Control-Allow-Origin"] == "*"
