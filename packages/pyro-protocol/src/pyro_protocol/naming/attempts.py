"""Where a name server is looked for, and in which order.

Without a host: this machine, if that is where name servers are configured to be;
then whoever answers a broadcast; then the configured host. With a host: only there.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import NamingError, PyroError
from ..uri import URI
from .operations import NAMESERVER_NAME

if TYPE_CHECKING:
    from ..config import Configuration

__all__ = [
    "BROADCAST_REQUEST",
    "BROADCAST_ROUNDS",
    "BROADCAST_WAIT_SECONDS",
    "LARGEST_ANSWER",
    "MOST_ANSWERS",
    "Broadcast",
    "Connect",
    "Host",
    "attempts",
    "name_server_in_answer",
    "not_found",
]

BROADCAST_REQUEST: Final = b"GET_NSURI"
BROADCAST_ROUNDS: Final = 3
BROADCAST_WAIT_SECONDS: Final = 0.7
# A URI holds an object id of 15 characters and a host name, of 253 at most.
LARGEST_ANSWER: Final = 512
# A network has one name server, or a few; more answers than this are an attack.
MOST_ANSWERS: Final = 20

_UNIX_PREFIX: Final = "./u:"
# Where Debian and its kin put the machine's own name.
_OWN_NAME_ADDRESS: Final = "127.0.1.1"

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class Connect(NamedTuple):
    """Try to connect.

    Attributes:
        uri: the name server, if there is one.
        if_named: whether to try only if the address has a name.
    """

    uri: URI
    if_named: bool = False


class Broadcast(NamedTuple):
    """Ask the local network.

    Attributes:
        port: the UDP port that name servers answer on.
    """

    port: int


def attempts(
    host: Host, port: int | None, config: Configuration, *, broadcast: bool
) -> list[Connect | Broadcast]:
    """Return what to try, in this order, until something succeeds.

    Args:
        host: a host name or address, ``./u:`` and the path of a Unix socket, or
            the empty text if it is not known.
        port: the port there; without a host the port of broadcasts.
        config: the settings.
        broadcast: whether the local network may be asked.

    Raises:
        PyroError: the host is not valid.
    """
    if host:
        return [Connect(_uri(str(host), port or config.NS_PORT))]
    configured = config.NS_HOST
    result: list[Connect | Broadcast] = []
    if configured.startswith(("127.", _UNIX_PREFIX)) or configured in (
        "localhost",
        "::1",
    ):
        local_port = port or config.NS_PORT
        result.append(Connect(_uri(configured, local_port)))
        if sys.platform != "win32" and not configured.startswith(_UNIX_PREFIX):
            result.append(Connect(_uri(_OWN_NAME_ADDRESS, local_port), if_named=True))
    if broadcast and config.PREFER_IP_VERSION != 6:  # noqa: PLR2004 - it has no broadcast
        result.append(Broadcast(port or config.NS_BCPORT))
    last = Connect(_uri(configured, config.NS_PORT))
    if last not in result:
        result.append(last)
    return result


def name_server_in_answer(data: bytes) -> URI | None:
    """Return the name server that an answer to a broadcast names.

    Anybody on the network can answer; None if it is not the URI of a name server.
    """
    if len(data) > LARGEST_ANSWER:
        return None
    try:
        uri = URI(data.decode("iso-8859-1"))
    except PyroError:
        return None
    if uri.protocol != "PYRO" or uri.object != NAMESERVER_NAME or uri.host is None:
        return None
    return uri


def not_found(tried: list[Connect | Broadcast]) -> NamingError:
    """Return the error for a search without success."""
    places = [
        f"a broadcast to port {one.port}"
        if isinstance(one, Broadcast)
        else str(one.uri.location)
        for one in tried
    ]
    return NamingError(
        f"Failed to locate the nameserver; tried {', '.join(places)}; start one with "
        "pyro-ns, or say where it is (NS_HOST, NS_PORT)"
    )


def _uri(host: str, port: int) -> URI:
    if host.startswith(_UNIX_PREFIX):
        return URI(f"PYRO:{NAMESERVER_NAME}@{host}")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return URI(f"PYRO:{NAMESERVER_NAME}@{host}:{port}")
