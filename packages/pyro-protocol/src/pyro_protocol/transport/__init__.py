"""The thin drivers every package shares: sockets, channels, the asyncio host."""

from __future__ import annotations

from .addresses import connect_socket, format_location, listening_socket, location_of
from .asyncio_channel import AsyncChannel
from .asyncio_host import AsyncioHost
from .blocking_channel import BlockingChannel
from .tls import client_tls_context, server_tls_context

__all__ = [
    "AsyncChannel",
    "AsyncioHost",
    "BlockingChannel",
    "client_tls_context",
    "connect_socket",
    "format_location",
    "listening_socket",
    "location_of",
    "server_tls_context",
]
