"""What proxies in front of the gateway tell about the client.

Anybody can write ``X-Forwarded-For`` into a request. It counts only if the request
comes from a proxy that is trusted, and of several entries those of trusted proxies.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..messages import Request

__all__ = ["Network", "parse_networks", "see_through_proxies"]

Network = IPv4Network | IPv6Network | Literal["unix"]
"""Addresses; or whatever connects to a Unix socket, which has no address."""

_UNIX: Final = "unix"
_EVERYWHERE: Final[tuple[Network, ...]] = (
    ip_network("0.0.0.0/0"),
    ip_network("::/0"),
    _UNIX,
)
# No chain of proxies is longer; the rest of the field is a client's invention.
_MOST_PROXIES: Final = 32
_REMEMBERED: Final = 1024
_LONGEST_ADDRESS: Final = 64

_SCHEMES: Final = frozenset({"http", "https"})
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
# No two slashes at the beginning: a redirection would lead to another host.
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~%-]+)*/?")
# RFC 7239: name=token or name="text", separated by semicolons.
_PAIR: Final = re.compile(
    r'\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*(;|,|$)'
)


class _Hop(NamedTuple):
    """What one proxy says about the request that it got."""

    client: str
    scheme: str = ""
    host: str = ""
    prefix: str = ""


def parse_networks(values: Iterable[str]) -> tuple[Network, ...]:
    """Return networks, of addresses or in the form ``10.0.0.0/8``.

    ``*`` stands for all of them, and ``unix`` for what connects to a Unix socket.

    Raises:
        ValueError: one of them is none.
    """
    networks: list[Network] = []
    for text in values:
        if text == "*":
            networks += _EVERYWHERE
            continue
        if text == _UNIX:
            networks.append(_UNIX)
            continue
        try:
            networks.append(ip_network(text.strip("[]")))
        except ValueError as error:
            raise ValueError(
                f"{text!r} is no network: {error}; give an address or a network, such "
                "as 127.0.0.1 or 10.0.0.0/8"
            ) from None
    return tuple(networks)


def see_through_proxies(request: Request, trusted: tuple[Network, ...]) -> None:
    """Let a request say what it said to the first proxy that is trusted.

    Its client, scheme, host and mount are those that the client has used. The field
    ``Forwarded`` counts if there is no ``X-Forwarded-For``.

    Args:
        request: the request; it is changed.
        trusted: where trusted proxies are.
    """
    if not _is_trusted(request.client, trusted):
        return
    hops = _hops(request.headers)
    if not hops:
        return
    chosen = hops[0]
    for hop in hops:
        chosen = hop
        if not _is_trusted(hop.client, trusted):
            break
    request.client = chosen.client
    if chosen.scheme in _SCHEMES:
        request.scheme = chosen.scheme
    if _HOST.fullmatch(chosen.host):
        request.headers = {**request.headers, "host": chosen.host}
    if chosen.prefix and _PREFIX.fullmatch(chosen.prefix):
        request.mount = chosen.prefix.rstrip("/") + request.mount


def _hops(headers: Mapping[str, str]) -> list[_Hop]:
    """Return what the proxies say, the nearest first."""
    clients = _listed(headers, "x-forwarded-for")
    if not clients:
        return _forwarded(headers.get("forwarded", ""))
    schemes = _listed(headers, "x-forwarded-proto")
    hosts = _listed(headers, "x-forwarded-host")
    prefixes = _listed(headers, "x-forwarded-prefix")
    return [
        _Hop(
            _address_of(client),
            _entry(schemes, index).lower(),
            _entry(hosts, index),
            _entry(prefixes, index),
        )
        for index, client in enumerate(clients)
    ]


def _listed(headers: Mapping[str, str], name: str) -> list[str]:
    text = headers.get(name)
    if not text:
        return []
    return [part.strip() for part in text.split(",")[: -_MOST_PROXIES - 1 : -1]]


def _entry(values: list[str], index: int) -> str:
    """Return what the proxy says that has added the client of the same index.

    Many write these fields afresh instead of adding to them.
    """
    return values[min(index, len(values) - 1)] if values else ""


def _forwarded(text: str) -> list[_Hop]:
    """Return what is in a field ``Forwarded`` (RFC 7239), the nearest first."""
    hops: list[_Hop] = []
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None:
            # Nobody knows where the next entry begins.
            return []
        name, quoted, plain, separator = found.groups()
        value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        pairs[name.lower()] = value
        at = found.end()
        if separator != ";":
            hops.append(_hop_of(pairs))
            pairs = {}
    return hops[: -_MOST_PROXIES - 1 : -1]


def _hop_of(pairs: Mapping[str, str]) -> _Hop:
    return _Hop(
        _address_of(pairs.get("for", "")),
        pairs.get("proto", "").lower(),
        pairs.get("host", ""),
    )


def _address_of(text: str) -> str:
    """Return the address in a text that may have a port and brackets.

    What is no address, such as ``unknown``, is shortened: it will be in the log.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text[:_LONGEST_ADDRESS]


@lru_cache(maxsize=_REMEMBERED)
def _is_trusted(client: str, trusted: tuple[Network, ...]) -> bool:
    if not client:
        return _UNIX in trusted
    try:
        address = ip_address(client)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    networks = [one for one in trusted if one != _UNIX]
    return any((mapped or address) in network for network in networks)
