"""Pyro5 and Pyro4 from PyPI, through the API they document.

They run in environments of their own, so nothing here is imported elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from peers.connection import ProxyConnection
from peers.scale import register_classes, register_objects
from peers.service import HOST, Service, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PyroPeer"]

_MODULES: Final = {"Pyro5": "Pyro5.api", "Pyro4": "Pyro4"}


class PyroPeer:
    """A Pyro daemon and its proxies, with the settings Pyro has by default.

    Args:
        library: ``"Pyro5"`` or ``"Pyro4"``.
        serializer: the one that clients choose; the server follows.
    """

    def __init__(self, library: str, serializer: str) -> None:
        self._api: Any = import_module(_MODULES[library])  # has no type information
        self._api.config.SERIALIZER = serializer
        if library == "Pyro4":  # a server of Pyro4's reads but some
            self._api.config.SERIALIZERS_ACCEPTED.add(serializer)
            self._new_batch = self._api.batch
        else:
            self._new_batch = self._api.BatchProxy
            register_classes(self._api)
        self._decode: Callable[[Any], bytes] = unchanged
        if serializer == "serpent":
            # serpent delivers bytes as a dictionary with base64 text
            self._decode = import_module("serpent").tobytes
        self.version = f"{library} {version(library)}, {_with_version(serializer)}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        with self._api.Daemon(host=HOST, port=0, unixsocket=path) as daemon:
            self._api.oneway(Service.note)
            service = self._api.expose(Service)(self._decode)
            announce(str(daemon.register(service, "benchmark")))
            register_objects(daemon)
            daemon.requestLoop()

    def connect(self, address: str) -> ProxyConnection:
        """Create a proxy."""
        proxy = self._api.Proxy(address)
        return ProxyConnection(proxy, self._decode, proxy._pyroRelease, self._new_batch)


def _with_version(serializer: str) -> str:
    try:
        return f"{serializer} {version(serializer)}"
    except PackageNotFoundError:  # it is Python's own
        return serializer
