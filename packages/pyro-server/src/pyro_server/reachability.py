"""Telling whom a daemon can be reached by, and what that means."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["report_reachability"]

_logger = logging.getLogger("pyro.server")


def report_reachability(
    sock: socket.socket,
    location: str,
    *,
    tls: ssl.SSLContext | None,
    authenticated: bool,
) -> None:
    """Warn if other machines can reach a listening socket that is not protected.

    Args:
        sock: the socket.
        location: where it listens, for people.
        tls: the context to accept connections with, or None.
        authenticated: whether clients have to show who they are.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(sock.getsockname()[0])
    # An address with a zone is never a loopback one.
    if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    if tls is None:
        _logger.warning(
            "the daemon at %s (bound to %s) can be reached by other machines, and has "
            "no TLS: anyone on that network can %sread and change what is sent. Use "
            "TLS (ssl_context=, or SSL in the configuration) together with client "
            "certificates or authenticate=, or listen on localhost",
            location, host, "" if authenticated else "call its objects, and ",
        )  # fmt: skip
        return
    import ssl  # noqa: PLC0415 - whoever has made the context has it

    if not authenticated and tls.verify_mode != ssl.CERT_REQUIRED:
        _logger.info(
            "the daemon at %s (bound to %s) can be reached by other machines, and "
            "serves every client; ask for client certificates, or use authenticate=, "
            "to know who calls",
            location, host,
        )  # fmt: skip
