"""What proxies tell about the client."""

from __future__ import annotations

import pytest

from pyro_httpgw.admission.proxies import parse_networks, see_through_proxies
from pyro_httpgw.messages import Request

TRUSTED = parse_networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


def seen(client: str = "127.0.0.1", **headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(
        "GET", "/", headers={"host": "inside"} | fields, mount="/app", client=client
    )
    see_through_proxies(request, TRUSTED)
    return request


def test_a_proxy_says_how_the_client_came_to_it() -> None:
    request = seen(
        x_forwarded_for="192.0.2.1",
        x_forwarded_proto="HTTPS",
        x_forwarded_host="gw.example.org:8443",
        x_forwarded_prefix="/lab/",
    )
    assert request.client == "192.0.2.1"
    assert request.scheme == "https"
    assert request.headers["host"] == "gw.example.org:8443"
    assert request.mount == "/lab/app"


def test_a_client_is_not_believed() -> None:
    request = seen(
        "192.0.2.9",
        x_forwarded_for="127.0.0.1",
        x_forwarded_proto="https",
        x_forwarded_host="evil",
        x_forwarded_prefix="/evil",
        forwarded="for=127.0.0.1",
    )
    assert request.client == "192.0.2.9"
    assert request.scheme == "http"
    assert request.headers["host"] == "inside"
    assert request.mount == "/app"


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("6.6.6.6,192.0.2.1,10.0.0.2, 10.9.9.9", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("6.6.6.6, ::ffff:10.0.0.2", "6.6.6.6"),
        ("unknown", "unknown"),
        ("6.6.6.6, " + "x" * 1000, "x" * 64),
        ("[" + "x" * 1000, "x" * 64),
        (", " * 5000 + "192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_client_is_whoever_the_last_trusted_proxy_has_seen(
    text: str, client: str
) -> None:
    assert seen(x_forwarded_for=text).client == client


def test_each_proxy_is_believed_what_it_has_added_itself() -> None:
    request = seen(
        x_forwarded_for="6.6.6.6, 192.0.2.1, 10.0.0.2",
        x_forwarded_proto="ftp, https, http",
        x_forwarded_host="evil, gw.example.org, inner",
    )
    assert (request.scheme, request.headers["host"]) == ("https", "gw.example.org")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for=192.0.2.1", ("192.0.2.1", "http", "inside")),
        (
            'For="[2001:db8::1]:4711";Proto=https;by=10.0.0.1;host="gw:80"',
            ("2001:db8::1", "https", "gw:80"),
        ),
        (
            "for=6.6.6.6;host=evil, for=192.0.2.1;proto=https, for=10.0.0.2;proto=http",
            ("192.0.2.1", "https", "inside"),
        ),
        (r'for="192.0.2.\1"', ("192.0.2.1", "http", "inside")),
        ("for=_hidden", ("_hidden", "http", "inside")),
        ("for=192.0.2.1, nonsense", ("127.0.0.1", "http", "inside")),
        ('for="', ("127.0.0.1", "http", "inside")),
        ("for=6.6.6.6," * 1000 + "for=192.0.2.1", ("192.0.2.1", "http", "inside")),
    ],
)
def test_the_standard_field_counts_too(
    text: str, expected: tuple[str, str, str]
) -> None:
    request = seen(forwarded=text)
    assert (request.client, request.scheme, request.headers["host"]) == expected


def test_the_standard_field_does_not_count_beside_the_other() -> None:
    # A proxy that writes only the other passes on what a client has made up.
    request = seen(forwarded="for=6.6.6.6", x_forwarded_for="192.0.2.1")
    assert request.client == "192.0.2.1"


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "lab", "/a b", "/a\r\nb", "/a?b", "/a//b", "/"]
)
def test_a_prefix_that_is_no_path_does_not_count(prefix: str) -> None:
    request = seen(x_forwarded_for="192.0.2.1", x_forwarded_prefix=prefix)
    assert request.mount == "/app"


@pytest.mark.parametrize("host", ["a b", "evil/x", "a@b", "[", "a:b", ""])
def test_a_host_that_is_none_does_not_count(host: str) -> None:
    request = seen(x_forwarded_for="192.0.2.1", x_forwarded_host=host)
    assert request.headers["host"] == "inside"


def test_a_star_trusts_everybody() -> None:
    request = Request(
        "GET", "/", headers={"x-forwarded-for": "192.0.2.1"}, client="::1"
    )
    see_through_proxies(request, parse_networks(["*"]))
    assert request.client == "192.0.2.1"


def test_at_a_unix_socket_nobody_is_trusted_unless_it_is_said() -> None:
    assert seen("", x_forwarded_for="192.0.2.1").client == ""
    request = Request("GET", "/", headers={"x-forwarded-for": "192.0.2.1"})
    see_through_proxies(request, parse_networks(["unix"]))
    assert request.client == "192.0.2.1"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no network.*such as 127\.0\.0\.1"):
        parse_networks([text])
