"""This project: the daemon of pyro-server and the proxy of pyro-client."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import serpent

from peers.service import HOST, ProxyConnection, Service, unchanged
from pyro_client import Proxy
from pyro_protocol import config
from pyro_server import Daemon, expose

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OurPeer"]


class OurPeer:
    """A daemon and its proxies, with all settings at their defaults.

    Args:
        serializer: the one that clients choose; ``"auto"`` is the default.
    """

    def __init__(self, serializer: str) -> None:
        config.SERIALIZER = serializer
        # serpent delivers bytes as a dictionary with base64 text
        self._decode: Callable[[Any], bytes] = (
            serpent.tobytes if serializer == "serpent" else unchanged
        )
        self.version = (
            f"pyro-client {version('pyro-client')},"
            f" pyro-server {version('pyro-server')}, serializer {serializer}"
        )

    def serve(self, announce: Callable[[str], None]) -> None:
        """Publish one service object."""
        with Daemon(host=HOST, port=0) as daemon:
            service = expose(Service)(self._decode)
            announce(str(daemon.register(service, "benchmark")))
            daemon.requestLoop()

    def connect(self, address: str) -> ProxyConnection:
        """Create a proxy."""
        proxy = Proxy(address)
        return ProxyConnection(proxy, self._decode, proxy._pyroRelease)
