from __future__ import annotations

import ipaddress

import pytest

from pyro_naming.interfaces import own_interfaces, within_reach

# A machine on a local network and on one of its own, for containers.
OWN = [
    ipaddress.ip_interface(text)
    for text in (
        "127.0.0.1/8",
        "192.168.1.5/24",
        "172.17.0.1/16",
        "2001:db8:1::5/64",
        "fe80::5/64",
    )
]


@pytest.mark.parametrize(
    ("told", "tried"),
    [
        (["192.168.1.9"], ["192.168.1.9"]),
        # Both machines have a network for containers, with the same address there.
        (["172.17.0.1", "192.168.1.9"], ["192.168.1.9", "172.17.0.1"]),
        (["10.9.9.9", "192.168.1.9"], ["192.168.1.9"]),
        (["10.9.9.9"], ["10.9.9.9"]),
        (["fe80::9%2", "2001:db8:1::9"], ["2001:db8:1::9", "fe80::9%2"]),
        (["192.168.1.5", "127.0.0.1"], ["192.168.1.5", "127.0.0.1"]),
        ([], []),
    ],
)
def test_addresses_on_the_same_network_are_tried_first(
    told: list[str], tried: list[str]
) -> None:
    assert within_reach(told, OWN) == tried


def test_this_machine_is_on_the_loopback_network() -> None:
    pytest.importorskip("ifaddr")
    assert any(
        ipaddress.ip_address("127.0.0.1") in one.network for one in own_interfaces()
    )
