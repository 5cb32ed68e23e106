"""Finding the name server, waiting for answers."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from ..config import Configuration, config
from ..errors import CommunicationError, SecurityError
from .attempts import (
    BROADCAST_REQUEST,
    BROADCAST_ROUNDS,
    BROADCAST_WAIT_SECONDS,
    LARGEST_ANSWER,
    MOST_ANSWERS,
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
from .client import NameServerClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..uri import URI

__all__ = ["candidates", "locate_ns"]


def locate_ns(
    host: Host = "",
    port: int | None = None,
    broadcast: bool = True,
    *,
    config: Configuration = config,
) -> NameServerClient:
    """Find the name server and connect to it.

    Without a host it is looked for on this machine if ``config.NS_HOST`` says so,
    then by a broadcast on the local network, then on ``config.NS_HOST``. Whoever
    answers a broadcast is believed: on a network that is not yours, name the host.
    ``config.NS_TOKEN`` is shown to name servers that are named, and to others only if
    their certificates are checked.

    Several addresses with commas between them, here or in ``config.NS_HOST``, are
    taken for name servers that answer alike. They are tried in this order, and the
    client goes on with the next if one fails.

    Args:
        host: its host name or address, also with a port, or ``./u:`` and the path of
            its Unix socket; or several. With a host, nothing else is tried.
        port: its port; without a host, the port of broadcasts too.
        broadcast: whether the local network may be asked.
        config: the settings.

    Raises:
        NamingError: there is none, or it cannot be reached.
        SecurityError: it refuses this program.
        PyroError: the host is not valid.
    """
    tried = attempts(host, port, config, broadcast=broadcast)
    failure: CommunicationError | None = None
    refusal: SecurityError | None = None
    for attempt in tried:
        told = isinstance(attempt, Connect)
        settings = config if told else without_token(config)
        for uri, *others in candidates(attempt, config):
            client = NameServerClient(uri, others=others, config=settings)
            try:
                client._pyroBind()
            except CommunicationError as error:
                failure = error
            except SecurityError as error:
                refusal = refusal or error
            else:
                return client
    if refusal is not None:
        raise refusal
    raise not_found(tried) from failure


def candidates(attempt: Attempt, config: Configuration) -> Iterator[tuple[URI, ...]]:
    """Return the places that an attempt stands for; a broadcast asks for them.

    Args:
        attempt: what to try.
        config: the settings.

    Returns:
        For each place, the name servers there that answer alike.
    """
    if isinstance(attempt, Broadcast):
        return ((uri,) for uri in _answers(attempt.port, config))
    if isinstance(attempt, Discovery):
        from .discovery import discovered  # noqa: PLC0415 - most searches end before

        return ((uri,) for uri in discovered(attempt.seconds, config))
    if attempt.if_named and not _has_name(str(attempt.uri.host)):
        return iter(())
    return iter(((attempt.uri, *attempt.others),))


def _has_name(address: str) -> bool:
    try:
        socket.gethostbyaddr(address)
    except OSError:
        return False
    return True


def _answers(port: int, config: Configuration) -> Iterator[URI]:
    """Ask the local network, and return each name server that answers."""
    known: set[URI] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(BROADCAST_ROUNDS):
            if not _ask(sock, port, config):
                return
            deadline = time.monotonic() + BROADCAST_WAIT_SECONDS
            while (remaining := deadline - time.monotonic()) > 0:
                sock.settimeout(remaining)
                try:
                    data = sock.recv(LARGEST_ANSWER + 1)
                except TimeoutError:
                    break
                except OSError:
                    # Some systems report here that a host has no such port open.
                    continue
                uri = name_server_in_answer(data)
                if uri is None or uri in known:
                    continue
                if len(known) == MOST_ANSWERS:
                    return
                known.add(uri)
                yield uri


def _ask(sock: socket.socket, port: int, config: Configuration) -> bool:
    """Send the question to every broadcast address; False if none can be sent to."""
    sent = False
    for address in config.BROADCAST_ADDRS:
        try:
            sock.sendto(BROADCAST_REQUEST, (address, port))
        except OSError:
            # The machine may lack a route to some of them.
            continue
        sent = True
    return sent
