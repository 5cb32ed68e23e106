"""``Pyro5.core``: URIs, and what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_protocol import DAEMON_NAME, NAMESERVER_NAME, URI, resolve, type_meta
from pyro_protocol import locate_ns as _locate_ns

from .client import Proxy

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = [
    "DAEMON_NAME",
    "NAMESERVER_NAME",
    "URI",
    "locate_ns",
    "resolve",
    "type_meta",
]


def locate_ns(
    host: str | IPv4Address | IPv6Address = "",
    port: int | None = None,
    broadcast: bool = True,
) -> Proxy:
    """Find the name server, and return a connected proxy for it.

    Args:
        host: its host name or address, or ``./u:`` and the path of its Unix socket;
            empty to look for it.
        port: its port; without a host, the port of broadcasts too.
        broadcast: whether the local network may be asked.

    Raises:
        NamingError: there is none, or it cannot be reached.
    """
    with _locate_ns(str(host or ""), port, broadcast) as found:
        proxy = Proxy(found._pyroUri)
        # While the other connection shows that it is there.
        proxy._pyroBind()
    return proxy
