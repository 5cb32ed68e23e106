"""The standard library's remote objects: ``multiprocessing.managers``."""

from __future__ import annotations

import platform
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any, Final

from peers.connection import ProxyConnection
from peers.service import HOST, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ManagersPeer"]

_KEY: Final = b"benchmark"  # both ends must know one; it protects nothing here


class _Manager(BaseManager):
    """A manager apart from the standard one, whose registry is its class's."""


class ManagersPeer:
    """A manager's server, and the proxies it generates."""

    version = f"multiprocessing of Python {platform.python_version()}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        service = Service()
        _Manager.register("service", callable=lambda: service)
        server = _Manager(address=path or (HOST, 0), authkey=_KEY).get_server()
        address: Any = server.address
        announce(path or str(address[1]))
        server.serve_forever()

    def connect(self, address: str) -> ProxyConnection:
        """Obtain a proxy; it has one connection for each thread."""
        _Manager.register("service")
        place: Any = address if address.startswith("/") else (HOST, int(address))
        manager: Any = _Manager(address=place, authkey=_KEY)
        manager.connect()
        return ProxyConnection(manager.service())
