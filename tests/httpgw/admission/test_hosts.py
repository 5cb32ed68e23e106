"""Under which names the gateway may be addressed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyro_httpgw.admission.hosts import check_host, hosts_at, parse_hosts
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings

ANYTHING = Settings(re.compile(""))
LOCAL = replace(ANYTHING, bound_address="127.0.0.1")
PUBLIC = replace(
    ANYTHING,
    bound_address="0.0.0.0",
    allowed_hosts=parse_hosts(["gw.example.org", "*.lab.example.org", "[2001:db8::1]"]),
)


def request(host: str | None) -> Request:
    return Request("GET", "/", headers={} if host is None else {"host": host})


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("localhost", LOCAL),
        ("LOCALHOST:8080", LOCAL),
        ("127.0.0.1:8080", LOCAL),
        ("[::1]:8080", LOCAL),
        ("[::1]", LOCAL),
        ("localhost.", LOCAL),
        (None, LOCAL),
        ("gw.example.org", PUBLIC),
        ("gw.example.org.:443", PUBLIC),
        ("a.lab.example.org", PUBLIC),
        ("b.a.lab.example.org:80", PUBLIC),
        ("[2001:db8::1]:8080", PUBLIC),
        ("anything.example", ANYTHING),
        ("anything.example", replace(LOCAL, allowed_hosts=frozenset({"*"}))),
        ("own.example", replace(LOCAL, allowed_hosts=frozenset({"own.example"}))),
        ("localhost", replace(LOCAL, allowed_hosts=frozenset({"own.example"}))),
    ],
)
def test_a_name_that_the_gateway_may_have_passes(
    host: str | None, settings: Settings
) -> None:
    check_host(request(host), settings)


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("evil.example", LOCAL),
        ("localhost.evil.example", LOCAL),
        ("127.0.0.1.evil.example:8080", LOCAL),
        ("192.168.0.1", LOCAL),
        ("[::2]", LOCAL),
        ("[", LOCAL),
        ("[]", LOCAL),
        (":80", LOCAL),
        ("[::1].evil.example", LOCAL),
        ("localhost:80.evil.example", LOCAL),
        ("@localhost", LOCAL),
        ("localhost", PUBLIC),
        ("lab.example.org", PUBLIC),
        ("evillab.example.org", PUBLIC),
    ],
)
def test_any_other_name_is_refused(host: str, settings: Settings) -> None:
    with pytest.raises(RequestRefusedError, match="not known as") as caught:
        check_host(request(host), settings)
    assert caught.value.status == 403
    assert "allowed_hosts" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "bound", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.1.1"]
)
def test_at_an_address_of_this_machine_only_names_of_this_machine_count(
    bound: str,
) -> None:
    hosts = hosts_at(bound, frozenset({"more"}))
    assert {"localhost", "127.0.0.1", "::1", "more"} <= hosts
    assert bound.strip("[]") in hosts


@pytest.mark.parametrize("bound", [None, "", "0.0.0.0", "::", "10.0.0.1", "gw.example"])
def test_elsewhere_only_what_was_told_counts(bound: str | None) -> None:
    assert hosts_at(bound, frozenset()) == frozenset()
    assert hosts_at(bound, frozenset({"gw"})) == {"gw"}


@pytest.mark.parametrize(
    "text", ["gw:80", "http://gw", "", "a b", "*.", "*x", "[::1]:80", "-", "a/b", "::x"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no host; give names"):
        parse_hosts([text])
