from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.naming.attempts import (
    Broadcast,
    Connect,
    Host,
    attempts,
    name_server_in_answer,
    not_found,
)

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration


def places(found: list[Connect | Broadcast]) -> list[str | int | None]:
    return [
        one.port if isinstance(one, Broadcast) else one.uri.location
        for one in found
        if one != Connect(URI("PYRO:Pyro.NameServer@127.0.1.1:9090"), if_named=True)
    ]


def test_this_machine_comes_first_then_the_network(settings: Configuration) -> None:
    tried = attempts("", None, settings, broadcast=True)
    assert places(tried) == ["localhost:9090", 9091]


def test_a_configured_host_elsewhere_comes_after_the_network(
    settings: Configuration,
) -> None:
    settings.NS_HOST = "names.example.com"
    settings.NS_PORT = 1234
    tried = attempts("", None, settings, broadcast=True)
    assert places(tried) == [9091, "names.example.com:1234"]
    assert places(attempts("", None, settings, broadcast=False)) == [
        "names.example.com:1234"
    ]


def test_a_port_without_host_counts_here_and_for_the_broadcast(
    settings: Configuration,
) -> None:
    tried = attempts("", 7000, settings, broadcast=True)
    locations = places(tried)
    assert locations[0] == "localhost:7000"
    assert locations[-2:] == [7000, "localhost:9090"]


def test_ipv6_has_no_broadcast(settings: Configuration) -> None:
    settings.PREFER_IP_VERSION = 6
    settings.NS_HOST = "::1"
    tried = attempts("", None, settings, broadcast=True)
    assert places(tried) == ["[::1]:9090"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such address")
def test_the_machines_own_name_is_tried_if_the_address_has_one(
    settings: Configuration,
) -> None:
    own = attempts("", None, settings, broadcast=False)[1]
    assert own == Connect(URI("PYRO:Pyro.NameServer@127.0.1.1:9090"), if_named=True)


@pytest.mark.parametrize(
    ("host", "port", "location"),
    [
        ("example.com", None, "example.com:9090"),
        ("example.com", 5, "example.com:5"),
        ("2001:db8::1", 5, "[2001:db8::1]:5"),
        ("[2001:db8::1]", 5, "[2001:db8::1]:5"),
        ("./u:/run/names", None, "./u:/run/names"),
        (ipaddress.ip_address("192.0.2.7"), None, "192.0.2.7:9090"),
        (ipaddress.ip_address("2001:db8::1"), 5, "[2001:db8::1]:5"),
    ],
)
def test_with_a_host_only_that_host_is_tried(
    host: Host, port: int | None, location: str, settings: Configuration
) -> None:
    tried = attempts(host, port, settings, broadcast=True)
    assert places(tried) == [location]


def test_a_unix_socket_can_be_configured(settings: Configuration) -> None:
    settings.NS_HOST = "./u:/run/names"
    tried = attempts("", None, settings, broadcast=False)
    assert places(tried) == ["./u:/run/names"]


def test_an_answer_names_a_name_server() -> None:
    uri = URI("PYRO:Pyro.NameServer@192.0.2.7:9090")
    assert name_server_in_answer(str(uri).encode()) == uri


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\x00",
        b"GET_NSURI",
        b"PYRO:something.else@192.0.2.7:9090",
        b"PYRONAME:Pyro.NameServer@192.0.2.7:9090",
        b"PYRO:Pyro.NameServer@./u:/run/names",
        b"PYRO:Pyro.NameServer@192.0.2.7:99999",
        b"PYRO:Pyro.NameServer@" + b"a" * 600 + b":9090",
    ],
)
def test_any_other_answer_is_ignored(answer: bytes) -> None:
    assert name_server_in_answer(answer) is None


def test_a_failed_search_says_where_it_looked(settings: Configuration) -> None:
    error = not_found(attempts("", None, settings, broadcast=True))
    assert str(error).startswith("Failed to locate the nameserver")
    assert "localhost:9090" in str(error)
    assert "port 9091" in str(error)
