"""The thin drivers every package shares: sockets, channels, the asyncio host."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .addresses import connect_socket, format_location, listening_socket, location_of
from .blocking_channel import BlockingChannel
from .tls import client_tls_context, server_tls_context

if TYPE_CHECKING:
    from .asyncio_calls import AsyncCallingChannel
    from .asyncio_channel import AsyncChannel
    from .asyncio_host import AsyncioHost

__all__ = [
    "AsyncCallingChannel",
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

_MODULES = {
    "AsyncCallingChannel": "asyncio_calls",
    "AsyncChannel": "asyncio_channel",
    "AsyncioHost": "asyncio_host",
}


def __getattr__(name: str) -> object:
    """Import what needs asyncio when it is used: that takes long."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
