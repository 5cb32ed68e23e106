"""The object every server has: what can be asked about the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ..context import current_context
from ..contract import expose
from ..errors import DaemonError

if TYPE_CHECKING:
    from .leases import LeaseTable
    from .registry import ObjectRegistry, Registration
    from .streams import StreamTable

__all__ = ["DAEMON_NAME", "DaemonObject"]

DAEMON_NAME: Final = "Pyro.Daemon"


class _Server(Protocol):
    """What the daemon object needs of the server it describes."""

    @property
    def registry(self) -> ObjectRegistry: ...

    @property
    def streams(self) -> StreamTable: ...

    @property
    def leases(self) -> LeaseTable: ...

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
        """Return the ids of the registered objects, without those on lease."""
        # Knowing the id of a temporary object is what entitles to use it.
        return [one.object_id for one in self._server.registry if one.lease is None]

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
        return self._entry(objectId).members.metadata()

    def get_description(self, objectId: str) -> dict[str, Any]:
        """Return what an object offers, for tools: signatures, types and docstrings.

        It is plain data; its format is in docs/protocol.md. Servers of Pyro5 do not
        have this method.

        Raises:
            DaemonError: there is no such object.
        """
        return self._entry(objectId).description()

    def _entry(self, object_id: str) -> Registration:
        entry = self._server.registry.get(object_id)
        if entry is None:
            raise DaemonError(f"unknown object {object_id!r}")
        return entry

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

    def release(self, references: list[Any]) -> None:
        """Give back references to leased objects, so that they can be released.

        Only what was received over the same connection counts; anything else is
        ignored. Servers of Pyro5 do not have this method.

        Args:
            references: object ids, each alone or in a pair with the number of the last
                reference that was received.

        Raises:
            TypeError: the argument is of another form.
        """
        # Going through anything else could run code, or call over the network.
        if type(references) is not list:
            raise TypeError("release takes a list of object ids")
        self._server.leases.release(
            current_context.client, [_reference(one) for one in references]
        )


def _reference(value: Any) -> tuple[str, int | None]:
    if type(value) is str:
        return value, None
    if type(value) in (list, tuple) and [*map(type, value)] == [str, int]:
        return value[0], value[1]
    raise TypeError("release takes object ids, each alone or with a number")
