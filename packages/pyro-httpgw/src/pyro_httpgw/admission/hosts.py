"""Under which names the gateway may be addressed.

A page of an attacker can have its own name lead to this machine (DNS rebinding), and is
then allowed by the browser to use whatever answers here. Its requests are known by the
name, which stands in the field ``Host``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ..errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import Request
    from ..settings import Settings

__all__ = ["LOOPBACK_HOSTS", "check_host", "hosts_at", "parse_hosts"]

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this machine is called by itself."""

_ANY: Final = "*"
_SUBDOMAINS: Final = "*."
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^:]*))(?::[0-9]*)?", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9a-f:.]+", re.ASCII)
# Enough for all the names of one gateway; others are asked for by attackers only.
_REMEMBERED: Final = 256


def parse_hosts(value: Iterable[str]) -> frozenset[str]:
    """Return names of hosts in the form in which they are compared.

    ``*.example.org`` stands for all names below, and ``*`` for any name.

    Raises:
        ValueError: one of them is no name of a host, or has a port.
    """
    hosts = set()
    for text in value:
        host = text.strip().lower()
        if host != _SUBDOMAINS:
            host = host.removesuffix(".")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        usable = host == _ANY or _HOST.fullmatch(host)
        if not usable and not (":" in host and _is_address(host)):
            raise ValueError(
                f"{text!r} is no host; give names or addresses without a port, such "
                "as gateway.example.org or *.example.org"
            )
        hosts.add(host)
    return frozenset(hosts)


def hosts_at(bound: str | None, allowed: frozenset[str]) -> frozenset[str]:
    """Return under which names a gateway may be addressed; nothing stands for any.

    Args:
        bound: the host that it listens on; None if that is not known.
        allowed: the names that it was told.
    """
    if bound is None or not _is_loopback(bound):
        return allowed
    return allowed | LOOPBACK_HOSTS | {_bare(bound)}


def check_host(request: Request, settings: Settings) -> None:
    """Let a request pass that addresses the gateway by a name it may have.

    One that says no name is not from a browser, and passes.

    Raises:
        RequestRefusedError: it does not.
    """
    text = request.headers.get("host")
    if text and not is_known_host(text, settings):
        raise RequestRefusedError(
            HTTPStatus.FORBIDDEN,
            f"this gateway is not known as {text[:100]!r}",
            "add the name to the allowed hosts of the gateway (allowed_hosts) if it "
            "is to be reached under it",
        )


def is_known_host(text: str | None, settings: Settings) -> bool:
    """Whether the gateway may be addressed like this; None stands for no name."""
    known = settings.known_hosts
    return not (known and text) or _is_allowed(text, known)


@lru_cache(maxsize=_REMEMBERED)
def _is_allowed(text: str, hosts: frozenset[str]) -> bool:
    if _ANY in hosts:
        return True
    host = _bare(text)
    if host in hosts:
        return True
    return any(
        host.endswith(known[1:]) for known in hosts if known.startswith(_SUBDOMAINS)
    )


def _bare(text: str) -> str:
    """Return the host alone, without the port and the brackets of IPv6."""
    text = text.strip().lower()
    found = _WITH_PORT.fullmatch(text)
    if found is None:
        # IPv6 without brackets, or nothing that can be allowed.
        return text
    return (found[1] or found[2] or "").removesuffix(".")


def _is_loopback(host: str) -> bool:
    host = _bare(host)
    if host == "localhost":
        return True
    return _is_address(host) and ip_address(host).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return _ADDRESS.fullmatch(text) is not None
