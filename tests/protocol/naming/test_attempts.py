from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import NamingError
from pyro_protocol.naming.attempts import (
    Attempt,
    Broadcast,
    Connect,
    Discovery,
    Host,
    attempts,
    name_server_in_answer,
    not_found,
    without_token,
)

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration


def places(found: list[Attempt]) -> list[str | int | None]:
    result: list[str | int | None] = []
    for one in found:
        if isinstance(one, Broadcast):
            result.append(one.port)
        elif isinstance(one, Connect) and not one.if_named:
            result += [uri.location for uri in (one.uri, *one.others)]
    return result


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
    assert places(tried) == ["localhost:7000", 7000, "localhost:9090"]


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
        ("example.com:7", None, "example.com:7"),
        ("example.com:7", 5, "example.com:7"),
        ("[2001:db8::1]:7", 5, "[2001:db8::1]:7"),
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


def test_several_addresses_belong_together_and_keep_their_order(
    settings: Configuration,
) -> None:
    hosts = "b, a:9091,[::1]:9092,2001:db8::1,./u:/run/names,,b"
    (only,) = attempts(hosts, 5, settings, broadcast=True)
    assert isinstance(only, Connect)
    assert places([only]) == [
        "b:5",
        "a:9091",
        "[::1]:9092",
        "[2001:db8::1]:5",
        "./u:/run/names",
    ]


def test_several_configured_addresses_come_before_the_network(
    settings: Configuration,
) -> None:
    settings.NS_HOST = "one.example.com,two.example.com:9091"
    tried = attempts("", None, settings, broadcast=True)
    assert places(tried) == ["one.example.com:9090", "two.example.com:9091", 9091]
    assert "one.example.com:9090, two.example.com:9091" in str(not_found(tried))


def test_a_configured_port_counts_here_too(settings: Configuration) -> None:
    settings.NS_HOST = "localhost:7000"
    tried = attempts("", None, settings, broadcast=True)
    assert places(tried) == ["localhost:7000", 9091]


def test_other_ways_of_finding_come_after_a_broadcast(settings: Configuration) -> None:
    tried = attempts("", None, settings, broadcast=True)
    kinds = [type(one) for one in tried]
    assert kinds.index(Discovery) == kinds.index(Broadcast) + 1
    without = attempts("", None, settings, broadcast=False)
    assert {type(one) for one in without} == {Connect}


def test_no_address_at_all_is_said_to_be_none(settings: Configuration) -> None:
    with pytest.raises(NamingError, match="no name server is named by ' ,'"):
        attempts(" ,", None, settings, broadcast=True)


def test_the_token_is_not_for_name_servers_that_nobody_has_named(
    settings: Configuration,
) -> None:
    assert without_token(settings) is settings
    settings.NS_TOKEN = "secret"
    settings.NS_HOST = "one.example.com,two.example.com"
    assert without_token(settings).NS_TOKEN == ""
    assert without_token(settings, "other.example.com").NS_TOKEN == ""
    assert without_token(settings, "two.example.com", 9090).NS_TOKEN == "secret"
    assert without_token(settings, "two.example.com", 1).NS_TOKEN == ""
    settings.SSL = True
    assert without_token(settings).NS_TOKEN == "secret"


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
