"""This project: the daemon of pyro-server and the proxy of pyro-client."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import serpent

import pyro_protocol
from peers.connection import ProxyConnection
from peers.scale import register_classes, register_objects
from peers.service import HOST, IN_FLIGHT, Service, unchanged
from pyro_client import AsyncProxy, BatchProxy, Proxy
from pyro_protocol import config
from pyro_server import Daemon, expose, oneway

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OurConnection", "OurPeer"]


class OurPeer:
    """A daemon and its proxies, with all settings at their defaults.

    Args:
        serializer: the one that clients choose; ``"auto"`` is the default.
    """

    def __init__(self, serializer: str) -> None:
        config.SERIALIZER = serializer
        register_classes(pyro_protocol)
        # serpent delivers bytes as a dictionary with base64 text
        self._decode: Callable[[Any], bytes] = (
            serpent.tobytes if serializer == "serpent" else unchanged
        )
        self.version = (
            f"pyro-client {version('pyro-client')},"
            f" pyro-server {version('pyro-server')}, serializer {serializer}"
        )

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        with Daemon(host=HOST, port=0, unixsocket=path) as daemon:
            oneway(Service.note)
            service = expose(Service)(self._decode)
            announce(str(daemon.register(service, "benchmark")))
            register_objects(daemon)
            daemon.requestLoop()

    def connect(self, address: str) -> OurConnection:
        """Create a proxy."""
        return OurConnection(address, self._decode)


class OurConnection(ProxyConnection):
    """A proxy, and for many calls at once an asynchronous one.

    Args:
        address: the URI of the service.
        decode: turns what is delivered for a bytes result into bytes.
    """

    def __init__(self, address: str, decode: Callable[[Any], bytes]) -> None:
        proxy = Proxy(address)
        super().__init__(proxy, decode, proxy._pyroRelease, BatchProxy)
        self._address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._async_proxy: AsyncProxy | None = None

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times at once, over one connection."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._async_proxy = AsyncProxy(self._address)
        return self._loop.run_until_complete(self._add_together())

    async def _add_together(self) -> list[Any]:
        add = self._async_proxy.add  # type: ignore[union-attr] # made before
        return await asyncio.gather(*[add(2, 3) for _ in range(IN_FLIGHT)])

    def close(self) -> None:
        """Release the proxies."""
        super().close()
        if self._loop is not None and self._async_proxy is not None:
            self._loop.run_until_complete(self._async_proxy._pyroRelease())
            self._loop.close()
