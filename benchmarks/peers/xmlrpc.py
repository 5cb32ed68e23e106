"""The standard library's XML-RPC, with connections that are kept."""

from __future__ import annotations

import platform
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from xmlrpc.client import MultiCall, ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from peers.connection import ProxyConnection
from peers.service import HOST, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["XmlRpcPeer"]


class _Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"  # by default each call connects anew


class _Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


class XmlRpcPeer:
    """A server with a thread for each connection, and its proxies."""

    version = f"xmlrpc of Python {platform.python_version()}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object.

        Raises:
            ValueError: there shall be a Unix socket.
        """
        if path:
            raise ValueError("xmlrpc has no Unix sockets")
        server = _Server((HOST, 0), _Handler, logRequests=False, use_builtin_types=True)
        server.register_instance(Service())
        server.register_multicall_functions()
        address: Any = server.server_address
        announce(str(address[1]))
        server.serve_forever()

    def connect(self, address: str) -> ProxyConnection:
        """Create a proxy."""
        proxy = ServerProxy(f"http://{HOST}:{address}", use_builtin_types=True)
        return ProxyConnection(proxy, close=proxy("close"), new_batch=MultiCall)
