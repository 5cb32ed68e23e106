"""Where a name server is looked for, and in which order.

Without a host: this machine, if that is where name servers are configured to be;
then whoever answers a broadcast, or is found in another way; then the configured host.
Several configured addresses come before all others. With a host: only there.
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
    "DISCOVERY_SECONDS",
    "LARGEST_ANSWER",
    "MOST_ANSWERS",
    "Attempt",
    "Broadcast",
    "Connect",
    "Discovery",
    "Host",
    "attempts",
    "name_server_in_answer",
    "not_found",
    "without_token",
]

BROADCAST_REQUEST: Final = b"GET_NSURI"
BROADCAST_ROUNDS: Final = 3
BROADCAST_WAIT_SECONDS: Final = 0.7
# A URI holds an object id of 15 characters and a host name, of 253 at most.
LARGEST_ANSWER: Final = 512
# A network has one name server, or a few; more answers than this are an attack.
MOST_ANSWERS: Final = 20
# As long as a broadcast takes.
DISCOVERY_SECONDS: Final = BROADCAST_ROUNDS * BROADCAST_WAIT_SECONDS

_UNIX_PREFIX: Final = "./u:"
# Where Debian and its kin put the machine's own name.
_OWN_NAME_ADDRESS: Final = "127.0.1.1"

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class Connect(NamedTuple):
    """Try to connect.

    Attributes:
        uri: the name server, if there is one.
        if_named: whether to try only if the address has a name.
        others: those that were given together with it, and answer as it does.
    """

    uri: URI
    if_named: bool = False
    others: tuple[URI, ...] = ()


class Broadcast(NamedTuple):
    """Ask the local network.

    Attributes:
        port: the UDP port that name servers answer on.
    """

    port: int


class Discovery(NamedTuple):
    """Ask what else has been installed to find name servers.

    Attributes:
        seconds: how long it may take.
    """

    seconds: float


Attempt = Connect | Broadcast | Discovery
"""Anything to try."""


def attempts(
    host: Host, port: int | None, config: Configuration, *, broadcast: bool
) -> list[Attempt]:
    """Return what to try, in this order, until something succeeds.

    Args:
        host: a host name or address, ``./u:`` and the path of a Unix socket, or
            several with commas between them, also with ports of their own; the empty
            text if it is not known.
        port: the port there; without a host the port of broadcasts.
        config: the settings.
        broadcast: whether the local network may be asked.

    Raises:
        PyroError: the host is not valid.
    """
    if host:
        return [_together(str(host), port or config.NS_PORT)]
    configured = _together(config.NS_HOST, port or config.NS_PORT)
    here = configured.uri
    result: list[Attempt] = []
    if configured.others:
        # Whoever names several does not want to wait for a broadcast, nor for it to
        # find another one.
        result.append(configured)
    elif _is_here(here):
        result.append(configured)
        if sys.platform != "win32" and here.host is not None:
            own = _uri(_OWN_NAME_ADDRESS, here.port or config.NS_PORT)
            result.append(Connect(own, if_named=True))
    if broadcast and config.PREFER_IP_VERSION != 6:  # noqa: PLR2004 - it has no broadcast
        result.append(Broadcast(port or config.NS_BCPORT))
    if broadcast:
        result.append(Discovery(DISCOVERY_SECONDS))
    last = _together(config.NS_HOST, config.NS_PORT)
    if last not in result:
        result.append(last)
    return result


def _is_here(uri: URI) -> bool:
    host = uri.host or ""
    return uri.sockname is not None or (
        host.startswith("127.") or host in ("localhost", "::1")
    )


def _together(hosts: str, port: int) -> Connect:
    """Return what an address, or several with commas between them, stands for.

    Args:
        hosts: the addresses.
        port: the port of those that do not say theirs.
    """
    parts = [part.strip() for part in hosts.split(",")]
    uris = dict.fromkeys(_uri(part, port) for part in parts if part)
    if not uris:
        raise NamingError(
            f"no name server is named by {hosts!r}; it must be like localhost or "
            "one.example.com,two.example.com:9091"
        )
    first, *others = uris
    return Connect(first, others=tuple(others))


def without_token(
    config: Configuration, host: Host = "", port: int | None = None
) -> Configuration:
    """Return settings for a name server that the program has not been told of.

    Anybody can answer a broadcast, and register a name that leads to a name server
    elsewhere. The token is not for them, unless their certificates are checked.

    Args:
        config: the settings.
        host: where it is said to be, as for `attempts`. The configured name servers
            are shown the token even so.
        port: its port.
    """
    if not config.NS_TOKEN or config.SSL:
        return config
    if host:
        named = _together(str(host), port or config.NS_PORT)
        known = _together(config.NS_HOST, config.NS_PORT)
        if {named.uri, *named.others} <= {known.uri, *known.others}:
            return config
    result = config.copy()
    result.NS_TOKEN = ""
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


def not_found(tried: list[Attempt]) -> NamingError:
    """Return the error for a search without success."""
    places: list[str] = []
    for one in tried:
        if isinstance(one, Broadcast):
            places.append(f"a broadcast to port {one.port}")
        elif isinstance(one, Connect):
            places += [str(uri.location) for uri in (one.uri, *one.others)]
    return NamingError(
        f"Failed to locate the nameserver; tried {', '.join(places)}; start one with "
        "pyro-ns, or say where it is (NS_HOST, NS_PORT)"
    )


def _uri(host: str, port: int) -> URI:
    if host.startswith(_UNIX_PREFIX):
        return URI(f"PYRO:{NAMESERVER_NAME}@{host}")
    if host.startswith("["):
        has_port = not host.endswith("]")
    else:
        has_port = host.count(":") == 1
        if ":" in host and not has_port:
            host = f"[{host}]"
    location = host if has_port else f"{host}:{port}"
    return URI(f"PYRO:{NAMESERVER_NAME}@{location}")
