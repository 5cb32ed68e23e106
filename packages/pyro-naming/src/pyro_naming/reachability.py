"""Telling whom a name server can be reached by, and what that means."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyro_protocol import Configuration

__all__ = ["report_reachability"]

_logger = logging.getLogger("pyro.naming")


def report_reachability(
    sock: socket.socket | None, config: Configuration, *, guarded: bool
) -> None:
    """Warn if other machines can reach a listening socket that is not protected.

    Args:
        sock: the socket.
        config: the settings.
        guarded: whether there are rules that say who may do what.
    """
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host, port = sock.getsockname()[:2]
    # An address with a zone is never a loopback one.
    address = ipaddress.ip_address(host.partition("%")[0])
    if (getattr(address, "ipv4_mapped", None) or address).is_loopback:
        return
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not config.SSL and not guarded:
        _logger.warning(
            "the name server at %s can be reached by other machines, and has neither "
            "TLS nor access rules: anyone on that network can register names and read "
            "them. Use TLS (SSL in the configuration) and rules (NS_ACCESS), or listen "
            "on localhost",
            where,
        )
    elif not config.SSL:
        _logger.warning(
            "the name server at %s can be reached by other machines, and has no TLS: "
            "anyone on that network can read the tokens of its clients. Use TLS (SSL "
            "in the configuration), or listen on localhost",
            where,
        )
    elif not guarded and not config.SSL_REQUIRECLIENTCERT:
        _logger.warning(
            "the name server at %s can be reached by other machines, and serves every "
            "client: anyone on that network can register names. Ask for client "
            "certificates (SSL_REQUIRECLIENTCERT), or use rules (NS_ACCESS)",
            where,
        )
