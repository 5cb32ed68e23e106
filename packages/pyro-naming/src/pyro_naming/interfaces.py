"""The networks that this machine is on, and what can be reached by them.

It needs a library that comes with the extra ``zeroconf``.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Address", "Interface", "own_interfaces", "within_reach"]

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

# The order in which addresses are tried: those that can hardly be wrong come first.
_NEIGHBOUR, _OWN, _LINK_LOCAL, _ELSEWHERE = range(4)


def own_interfaces() -> list[Interface]:
    """Return the addresses of this machine, each with the network that it is on."""
    import ifaddr  # noqa: PLC0415 - an extra

    return [
        ipaddress.ip_interface(
            f"{ip.ip if isinstance(ip.ip, str) else ip.ip[0]}/{ip.network_prefix}"
        )
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def within_reach(addresses: Iterable[str], own: Collection[Interface]) -> list[str]:
    """Return the addresses of another machine that are worth a try, the best first.

    A machine tells all addresses that it has, also those of networks that only it is
    on. To connect to one of these could take minutes to fail, or lead to this very
    machine. They are left out if there are others.

    Args:
        addresses: what the other machine has told.
        own: the addresses of this machine, with their networks.
    """
    ranked = sorted(((_rank(one, own), one) for one in addresses), key=lambda it: it[0])
    if ranked and ranked[0][0] < _ELSEWHERE:
        ranked = [one for one in ranked if one[0] < _ELSEWHERE]
    return [address for _, address in ranked]


def _rank(text: str, own: Collection[Interface]) -> int:
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.is_link_local:
        return _LINK_LOCAL
    if any(address == one.ip for one in own):
        return _OWN
    if any(address in one.network for one in own):
        return _NEIGHBOUR
    return _ELSEWHERE
