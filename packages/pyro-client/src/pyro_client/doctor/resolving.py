"""From a host to its addresses, with a reason for each failure."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from pyro_protocol.transport.addresses import format_location, preferred_family

from .report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import Configuration

__all__ = [
    "Address",
    "addresses_text",
    "find_addresses",
    "in_time",
    "is_loopback",
    "other_family",
    "resolve_host",
]

T = TypeVar("T")

# A server has an address or two; with each more, an unlucky examination waits longer.
_MOST_ADDRESSES: Final = 8
_FAMILY_NAMES: Final = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


class Address(NamedTuple):
    """One address of a host.

    Attributes:
        family: IPv4 or IPv6.
        target: what a socket connects to.
    """

    family: socket.AddressFamily
    target: Any

    def __str__(self) -> str:
        return format_location(str(self.target[0]), self.target[1])


def is_loopback(host: str) -> bool:
    """Whether a host, by its text alone, is the machine that says so."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def find_addresses(
    host: str, port: int, config: Configuration, timeout: float
) -> list[Address]:
    """Return the addresses of a host, in the order in which a client tries them.

    Raises:
        Finding: there are none.
    """
    wanted = preferred_family(config)
    try:
        return resolve_host(host, port, wanted, timeout)
    except (OSError, ValueError) as error:
        others = other_family(host, port, wanted, timeout)
        if others:
            names = "/".join(sorted({_FAMILY_NAMES[one.family] for one in others}))
            raise Finding(
                "wrong-family",
                f"{host} has only {names} addresses ({_listed(others)}), and "
                f"PREFER_IP_VERSION is {config.PREFER_IP_VERSION}",
            ) from error
        again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        cause = "resolver-failed" if again else "unknown-host"
        detail = (isinstance(error, OSError) and error.strerror) or str(error)
        raise Finding(cause, f"{host}: {detail}") from error


def resolve_host(
    host: str, port: int, family: socket.AddressFamily, timeout: float
) -> list[Address]:
    """Return what the system's resolver knows about a host.

    Raises:
        Finding: it does not answer in time.
        OSError: it knows nothing.
        ValueError: the host is none.
    """
    answer = in_time(
        lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM),
        timeout,
        f"no answer about {host}",
    )
    found = dict.fromkeys(Address(one[0], one[-1]) for one in answer)
    return list(found)[:_MOST_ADDRESSES]


def in_time(ask: Callable[[], T], timeout: float, complaint: str) -> T:
    """Ask the system's resolver, which nothing can interrupt, in a thread.

    Raises:
        Finding: it does not answer in time.
        OSError: what asking has raised.
        ValueError: the same.
    """
    answers: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except (OSError, ValueError) as error:
            answers.put((None, error))

    threading.Thread(target=run, name="resolver", daemon=True).start()
    try:
        answer, error = answers.get(timeout=timeout)
    except queue.Empty:
        raise Finding("resolver-slow", f"{complaint} within {timeout:g} s") from None
    if error is not None:
        raise error
    return cast("T", answer)


def other_family(
    host: str, port: int, wanted: socket.AddressFamily, timeout: float
) -> list[Address]:
    """Return the addresses that the configured IP version rules out.

    Args:
        host: the host.
        port: the port to connect to.
        wanted: the address family that is configured.
        timeout: how many seconds that may take.
    """
    if wanted == socket.AF_UNSPEC:
        return []
    try:
        found = resolve_host(host, port, socket.AF_UNSPEC, timeout)
    except (OSError, ValueError, Finding):
        return []
    return [one for one in found if one.family != wanted]


def addresses_text(host: str, addresses: list[Address]) -> str:
    """Return what is known about a host, for people."""
    found = _listed(addresses)
    return f"{host} is an address" if found == host else f"{host} is {found}"


def _listed(addresses: list[Address]) -> str:
    return ", ".join(str(one.target[0]) for one in addresses)
