"""RPyC from PyPI: a server with a thread for each connection."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from peers.connection import ProxyConnection
from peers.listening import announce_when_listening
from peers.service import HOST, IN_FLIGHT, ONEWAY_SIZE, RECORDS, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RpycConnection", "RpycPeer"]


class RpycPeer:
    """A server with one service object, whose public methods may be called.

    Lists and dictionaries are passed by reference unless they are fetched, which
    takes pickle.
    """

    def __init__(self) -> None:
        self._library: Any = import_module("rpyc")
        self._obtain = import_module("rpyc.utils.classic").obtain
        self._config = {
            "allow_public_attrs": True,
            "allow_pickle": True,
            "sync_request_timeout": None,
        }
        self.version = f"rpyc {version('rpyc')}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        obtain = self._obtain

        class Fetching(Service):
            def echo(self, value: Any) -> Any:
                return obtain(value)

        class Root(self._library.Service):  # type: ignore[misc, name-defined] # untyped
            exposed_service = Fetching()

        servers: Any = import_module("rpyc.utils.server")
        place = {"socket_path": path} if path else {"hostname": HOST, "port": 0}
        server = servers.ThreadedServer(Root, protocol_config=self._config, **place)
        announce_when_listening(announce, path or str(server.port))
        server.start()

    def connect(self, address: str) -> RpycConnection:
        """Connect and fetch the reference to the service object."""
        if address.startswith("/"):
            factory: Any = import_module("rpyc.utils.factory")
            connection = factory.unix_connect(address, config=self._config)
        else:
            connection = self._library.connect(HOST, int(address), config=self._config)
        return RpycConnection(self._library, connection, self._obtain)


class RpycConnection(ProxyConnection):
    """A reference to the service object.

    Args:
        library: the module.
        connection: the library's.
        obtain: fetches what was returned by reference.
    """

    def __init__(
        self, library: Any, connection: Any, obtain: Callable[[Any], Any]
    ) -> None:
        super().__init__(connection.root.service, close=connection.close)
        self._asynchronous = library.async_
        self._obtain = obtain

    def records(self) -> object:
        """Have the server fetch the records, and fetch what it returns."""
        return self._obtain(self._proxy.echo(RECORDS))

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times at once."""
        add = self._asynchronous(self._proxy.add)
        results = [add(2, 3) for _ in range(IN_FLIGHT)]
        return [result.value for result in results]

    def oneway(self) -> object:
        """Make calls whose answers are waited for at the end."""
        note = self._asynchronous(self._proxy.note)
        results = [note(number) for number in range(ONEWAY_SIZE)]
        for result in results:
            result.wait()
        return len(results)
