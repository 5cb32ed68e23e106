"""The object every server has: what can be asked about the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ..context import current_context
from ..contract import expose
from ..errors import DaemonError

if TYPE_CHECKING:
    from .registry import ObjectRegistry
    from .streams import StreamTable

__all__ = ["DAEMON_NAME", "DaemonObject"]

DAEMON_NAME: Final = "Pyro.Daemon"


class _Server(Protocol):
    """What the daemon object needs of the server it describes."""

    @property
    def registry(self) -> ObjectRegistry: ...

    @property
    def streams(self) -> StreamTable: ...

    def describe(self) -> str: ...


@expose
class DaemonObject:
    """The object ``Pyro.Daemon``: remote access to the server's own services."""

    def __init__(self, daemon: Any) -> None:
        self.daemon = daemon

    @property
    def _server(self) -> _Server:
        server: _Server = self.daemon
        return server

    def registered(self) -> list[str]:
        """Return the ids of the registered objects."""
        return [entry.object_id for entry in self._server.registry]

    def ping(self) -> None:
        """Do nothing: an answer shows that the server is alive."""

    def info(self) -> str:
        """Return a line about the server, for people."""
        return self._server.describe()

    def get_metadata(self, objectId: str) -> dict[str, set[str]]:
        """Return the names an object offers: ``methods``, ``oneway``, ``attrs``.

        Raises:
            DaemonError: there is no such object.
        """
        entry = self._server.registry.get(objectId)
        if entry is None:
            raise DaemonError(f"unknown object {objectId!r}")
        return entry.members.metadata()

    def get_next_stream_item(self, streamId: str) -> Any:
        """Return the next item of a stream.

        Raises:
            StopIteration: the stream has ended.
            PyroError: there is no such stream.
        """
        return self._server.streams.next_item(current_context.client, streamId)

    def close_stream(self, streamId: str) -> None:
        """End a stream early; an unknown id is ignored."""
        self._server.streams.close(streamId)
