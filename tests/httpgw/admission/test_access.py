"""Who may do what."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.admission.access import (
    Credential,
    caller_with,
    check_name,
    credential_of,
    is_exposed,
)
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from pyro_protocol.authentication import TokenAuthentication
from pyro_protocol.dispatch import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN = Settings(re.compile(r"http\."))
LOCKED = replace(OPEN, gateway_key=b"secr\xc3\xa9t")
TOKEN = "a token of sixteen"
OTHER_TOKEN = "another token of sixteen"
WITH_TOKENS = replace(
    OPEN,
    tokens=TokenAuthentication(
        {TOKEN: Identity("alice"), OTHER_TOKEN: Identity("bob")}
    ),
)


def request(**headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/pyro/", headers=fields)


def key(secret: str) -> Credential:
    return Credential(secret, bearer=False)


def bearer(secret: str) -> Credential:
    return Credential(secret, bearer=True)


def refused_as(credential: Credential, settings: Settings) -> RequestRefusedError:
    with pytest.raises(RequestRefusedError) as caught:
        caller_with(credential, settings)
    assert not credential.secret or credential.secret not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "parameters", "expected"),
    [
        ({}, {}, None),
        ({"x_pyro_gateway_key": ""}, {}, None),
        ({"x_pyro_gateway_key": "one"}, {"$key": ["two"]}, key("one")),
        ({"authorization": "Bearer one"}, {"$key": ["two"]}, bearer("one")),
        ({"authorization": "bearer  one "}, {}, bearer("one")),
        ({"authorization": "Bearer"}, {}, bearer("")),
        ({"x_pyro_gateway_key": "secrét"}, {}, key("secrét")),
        ({"x_pyro_gateway_key": "secr\xc3\xa9t"}, {}, key("secrét")),
        ({"authorization": "Bearer secr\xc3\xa9t"}, {}, bearer("secrét")),
        ({"authorization": "Basic YTpi"}, {}, None),
        ({"authorization": "Basic YTpi"}, {"$key": ["k"]}, key("k")),
        ({}, {"$key": ["two"]}, key("two")),
        ({}, {"$key": ["two", "two"]}, key("")),
    ],
)
def test_what_a_request_presents_is_found_and_taken_from_the_parameters(
    headers: dict[str, str],
    parameters: dict[str, list[str]],
    expected: Credential | None,
) -> None:
    assert credential_of(request(**headers), parameters) == expected
    assert parameters == {}


@pytest.mark.parametrize("presented", [key, bearer])
def test_the_right_key_passes_in_every_way(
    presented: Callable[[str], Credential],
) -> None:
    caller = caller_with(presented("secrét"), LOCKED)
    assert caller.authenticated
    assert caller.name == ""


@pytest.mark.parametrize("presented", [key, bearer])
def test_a_token_passes_in_every_way_and_says_who_it_is(
    presented: Callable[[str], Credential],
) -> None:
    assert caller_with(presented(TOKEN), WITH_TOKENS).name == "alice"
    assert caller_with(presented(OTHER_TOKEN), WITH_TOKENS).name == "bob"


def test_key_and_tokens_may_be_there_together() -> None:
    settings = replace(WITH_TOKENS, gateway_key=b"secret")
    assert caller_with(key("secret"), settings).name == ""
    assert caller_with(bearer(TOKEN), settings).name == "alice"


@pytest.mark.parametrize("secret", ["wrong", "", "secr", "\ud800"])
@pytest.mark.parametrize("settings", [LOCKED, WITH_TOKENS])
def test_any_other_key_is_forbidden_without_showing_it(
    secret: str, settings: Settings
) -> None:
    refused = refused_as(key(secret), settings)
    assert refused.status == 403
    assert str(refused) == "incorrect gateway key"


@pytest.mark.parametrize("settings", [LOCKED, WITH_TOKENS])
def test_any_other_bearer_token_is_asked_for_again(settings: Settings) -> None:
    refused = refused_as(bearer("wrong"), settings)
    assert refused.status == 401
    assert dict(refused.headers)["WWW-Authenticate"] == (
        'Bearer realm="pyro", error="invalid_token"'
    )


def test_a_name_is_exposed_that_begins_with_a_match() -> None:
    check_name("http.thermostat", OPEN)
    assert is_exposed("http.thermostat", OPEN)


@pytest.mark.parametrize("name", ["Pyro.NameServer", "a.http.b", "httpx"])
def test_a_name_is_refused_that_does_not(name: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        check_name(name, OPEN)
    assert caught.value.status == 403
    assert str(caught.value) == f"access to {name!r} is denied"


def test_the_empty_expression_exposes_every_name() -> None:
    check_name("Pyro.NameServer", Settings(re.compile("")))
