"""zerorpc from PyPI: ZeroMQ, gevent and msgpack."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from peers.connection import ProxyConnection
from peers.listening import free_port
from peers.service import HOST, IN_FLIGHT, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ZeroRpcConnection", "ZeroRpcPeer"]


class ZeroRpcPeer:
    """A server and its clients, with default settings."""

    def __init__(self) -> None:
        self._library: Any = import_module("zerorpc")
        self.version = f"zerorpc {version('zerorpc')}, gevent {version('gevent')}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        stream = self._library.stream

        class Streaming(Service):
            items = stream(Service.items)

        address = f"ipc://{path}" if path else f"tcp://{HOST}:{free_port()}"
        server = self._library.Server(Streaming())
        server.bind(address)
        announce(address)
        server.run()

    def connect(self, address: str) -> ZeroRpcConnection:
        """Create a client."""
        return ZeroRpcConnection(self._library.Client(address))


class ZeroRpcConnection(ProxyConnection):
    """A client, in place of a proxy.

    Args:
        client: the library's.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client, close=client.close)

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times at once."""
        add = self._proxy.add
        # The name of the option has become a keyword of Python.
        results = [add(2, 3, **{"async": True}) for _ in range(IN_FLIGHT)]
        return [result.get() for result in results]
