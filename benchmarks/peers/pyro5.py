"""Pyro5 from PyPI, through the API it documents.

It runs in an environment of its own, so nothing here is imported elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from peers.service import HOST, ProxyConnection, Service, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pyro5Peer"]


class Pyro5Peer:
    """A Pyro5 daemon and its proxies, with the settings Pyro5 has by default.

    Args:
        serializer: the one that clients choose; the server follows.
    """

    def __init__(self, serializer: str) -> None:
        self._api: Any = import_module("Pyro5.api")  # has no type information
        self._api.config.SERIALIZER = serializer
        self._decode: Callable[[Any], bytes] = unchanged
        if serializer == "serpent":
            # serpent delivers bytes as a dictionary with base64 text
            self._decode = import_module("serpent").tobytes
        self.version = f"Pyro5 {version('Pyro5')}, {serializer} {version(serializer)}"

    def serve(self, announce: Callable[[str], None]) -> None:
        """Publish one service object."""
        with self._api.Daemon(host=HOST, port=0) as daemon:
            service = self._api.expose(Service)(self._decode)
            announce(str(daemon.register(service, "benchmark")))
            daemon.requestLoop()

    def connect(self, address: str) -> ProxyConnection:
        """Create a proxy."""
        proxy = self._api.Proxy(address)
        return ProxyConnection(proxy, self._decode, proxy._pyroRelease)
