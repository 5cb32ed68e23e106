"""thriftpy2 from PyPI: its C protocol over buffered streams, its defaults."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from peers.connection import ProxyConnection
from peers.listening import announce_when_listening, free_port
from peers.service import HOST, RECORDS, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ThriftConnection", "ThriftPeer"]

_INTERFACE: Final = Path(__file__).with_name("service.thrift")
_NEVER: Final = 3_600_000
"""Milliseconds of waiting for the next request; by default 3,000."""


class ThriftPeer:
    """A server with a thread for each connection, and its clients."""

    def __init__(self) -> None:
        library: Any = import_module("thriftpy2")
        self._rpc: Any = import_module("thriftpy2.rpc")
        self._types = library.load(str(_INTERFACE), module_name="service_thrift")
        self.version = f"thriftpy2 {version('thriftpy2')}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        address = path or str(free_port())
        announce_when_listening(announce, address)
        self._rpc.make_server(
            self._types.Benchmark, Service(), client_timeout=_NEVER, **_place(address)
        ).serve()

    def connect(self, address: str) -> ThriftConnection:
        """Create a client."""
        client = self._rpc.make_client(
            self._types.Benchmark, timeout=_NEVER, **_place(address)
        )
        return ThriftConnection(client, self._types)


class ThriftConnection(ProxyConnection):
    """A client, in place of a proxy.

    Args:
        client: the library's.
        types: classes made from the interface file.
    """

    def __init__(self, client: Any, types: Any) -> None:
        super().__init__(client, close=client.close)
        self._types = types

    def records(self) -> object:
        """Make records of the interface from ours, and ours from the answer."""
        types = self._types
        records = [
            types.Record(**{**one, "position": types.Position(**one["position"])})
            for one in RECORDS
        ]
        return [
            {**vars(one), "position": vars(one.position)}
            for one in self._proxy.echo(records)
        ]


def _place(address: str) -> dict[str, object]:
    if address.startswith("/"):
        return {"unix_socket": address}
    return {"host": HOST, "port": int(address)}
