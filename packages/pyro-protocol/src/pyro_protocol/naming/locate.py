"""Finding the name server, waiting for answers."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from ..config import Configuration, config
from ..errors import CommunicationError
from .attempts import (
    BROADCAST_REQUEST,
    BROADCAST_ROUNDS,
    BROADCAST_WAIT_SECONDS,
    LARGEST_ANSWER,
    MOST_ANSWERS,
    Broadcast,
    Connect,
    Host,
    attempts,
    name_server_in_answer,
    not_found,
)
from .client import NameServerClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..uri import URI

__all__ = ["locate_ns"]


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

    Args:
        host: its host name or address, or ``./u:`` and the path of its Unix
            socket. With a host, nothing else is tried.
        port: its port; without a host, the port of broadcasts too.
        broadcast: whether the local network may be asked.
        config: the settings.

    Raises:
        NamingError: there is none, or it cannot be reached.
        PyroError: the host is not valid.
    """
    tried = attempts(host, port, config, broadcast=broadcast)
    failure: CommunicationError | None = None
    for attempt in tried:
        for uri in _candidates(attempt, config):
            client = NameServerClient(uri, config=config)
            try:
                client._pyroBind()
            except CommunicationError as error:
                failure = error
            else:
                return client
    raise not_found(tried) from failure


def _candidates(attempt: Connect | Broadcast, config: Configuration) -> Iterator[URI]:
    if isinstance(attempt, Broadcast):
        return _answers(attempt.port, config)
    if attempt.if_named and not _has_name(str(attempt.uri.host)):
        return iter(())
    return iter((attempt.uri,))


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
