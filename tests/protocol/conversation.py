"""A server and its clients in memory: what one end sends is given to the other."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from protocol.golden import decode_all
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    ObjectRegistry,
    StreamTable,
)
from pyro_protocol.references import ProxyState, add_reference_provider
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ClientSession,
    ConnectAccepted,
    ConnectRequest,
    ServerConnection,
    ServerSession,
    Service,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.capabilities import SUPPORTED_CAPABILITIES
from pyro_protocol.wire import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyro_protocol.session import Signal

__all__ = ["ALL_SERIALIZERS", "Conversation", "Link", "Pair", "Server"]

ALL_SERIALIZERS = SessionSettings(
    accepted_serializers=frozenset(one.id for one in serializers.values())
)
"""Settings of a server that accepts marshal, too."""


class Server:
    """Objects and what serves them, without any connection."""

    def __init__(
        self,
        settings: SessionSettings | None = None,
        *,
        streaming: bool = True,
        location: str = "localhost:25502",
        new_stream_id: Callable[[], str] | None = None,
        **hooks: Any,
    ) -> None:
        numbers = count(1)
        self.now = 0.0
        self.location = location
        self.registry = ObjectRegistry(threading.RLock)
        self.streams = StreamTable(
            lambda: self.now, new_stream_id or (lambda: f"stream-{next(numbers)}")
        )
        dispatcher = Dispatcher(self.registry, self.streams, streaming=streaming)
        self.settings = settings or SessionSettings()
        self.service = Service(self.registry, dispatcher, self.settings, **hooks)
        self.registry.register(DaemonObject(self), DAEMON_NAME)
        add_reference_provider(self)

    def register(self, target: object, object_id: str) -> None:
        """Make an object reachable."""
        self.registry.register(target, object_id)

    def describe(self) -> str:
        """Return a line about the server."""
        return "a server in memory"

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here."""
        entry = self.registry.registration_of(obj)
        if entry is None:
            return None
        metadata = entry.members.metadata()
        return ProxyState(
            f"PYRO:{entry.object_id}@{self.location}",
            oneway=frozenset(metadata["oneway"]),
            methods=frozenset(metadata["methods"]),
            attributes=frozenset(metadata["attrs"]),
        )


class Link:
    """One connection, seen from the server: bytes in, frames out."""

    def __init__(self, server: Server, *, connected: bool = False) -> None:
        self.client = ClientConnection(("10.0.0.1", 4444))
        self.connection = ServerConnection(
            server.service, self.client, connected=connected
        )
        self.session = self.connection.session

    def send(self, data: bytes) -> bytes:
        """Give bytes to the server, have it handle them, and return its answers."""
        self.session.receive_data(data)
        return self.handle()

    def handle(self) -> bytes:
        """Have the server handle what has arrived, and return its answers."""
        while events := self.session.events_received():
            for event in events:
                coroutine = self.connection.handle(event)
                if coroutine is not None:
                    asyncio.run(_complete(coroutine))
        return b"".join(self.session.data_to_send())

    def exchange(self, data: bytes) -> list[Frame]:
        """Give bytes to the server and return its answers as frames."""
        return decode_all(self.send(data))

    @property
    def closing(self) -> bool:
        """Whether the server is about to close the connection."""
        return self.session.closing


async def _complete(coroutine: Any) -> None:
    await coroutine


class Conversation:
    """One connection, both ends of it ours."""

    def __init__(
        self,
        server: Server,
        object_id: str = "example.target",
        *,
        handshake: object = "hello",
        serializer: str = "serpent",
        settings: SessionSettings | None = None,
        capabilities: Sequence[str] = (),
    ) -> None:
        self.link = Link(server)
        self.serializer = serializers[serializer]
        self.client = ClientSession(
            settings or SessionSettings(), capabilities=capabilities
        )
        first = self.serializer if serializer != "native" else serializers["serpent"]
        self.client.send_connect(first, object_id, handshake)
        (self.accepted,) = self.pump()

    def pump(self) -> list[Any]:
        """Carry everything to the server and its answers back; return the events."""
        sent = b"".join(self.client.data_to_send())
        self.client.receive_data(self.link.send(sent))
        return self.client.events_received()

    def request(
        self,
        object_id: str,
        method: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        **options: Any,
    ) -> Frame | None:
        """Make a call and return its answer as a frame; None if there is none."""
        serializer = options.pop("serializer", self.serializer)
        self.client.send_call(serializer, object_id, method, args, kwargs, **options)
        events = self.pump()
        if not events:
            return None
        (frame,) = events
        assert isinstance(frame, Frame)
        return frame

    def call(self, method: str, *args: object, **kwargs: object) -> Any:
        """Call a method of the target; raise what it raises."""
        assert isinstance(self.accepted, ConnectAccepted)
        frame = self.request("example.target", method, args, kwargs)
        assert frame is not None
        return read_reply(frame, self.serializer.id)


class Pair:
    """Both sessions of one open connection, and nobody behind them.

    Args:
        capabilities: what both offer.
        client_settings: the settings of the client.
        server_settings: the settings of the server.
    """

    def __init__(
        self,
        capabilities: Iterable[str] = SUPPORTED_CAPABILITIES,
        *,
        client_settings: SessionSettings | None = None,
        server_settings: SessionSettings | None = None,
    ) -> None:
        offered = frozenset(capabilities)
        self.client = ClientSession(
            client_settings or SessionSettings(), capabilities=offered
        )
        self.server = ServerSession(
            server_settings or SessionSettings(), capabilities=offered
        )
        self.client.send_connect(serializers["serpent"], "thing", "hello")
        (request,) = self.to_server()
        assert isinstance(request, ConnectRequest)
        metadata: dict[str, list[str]] = {"methods": [], "oneway": [], "attrs": []}
        self.server.send_accept(request, "hello", metadata)
        (accepted,) = self.to_client()
        assert isinstance(accepted, ConnectAccepted)

    def to_server(self, piece: int = 0) -> list[Any]:
        """Carry what the client has to send, and return the server's events.

        Args:
            piece: how many bytes at once; 0 means all.
        """
        for data in _cut(b"".join(self.client.data_to_send()), piece):
            self.server.receive_data(data)
        return self.server.events_received()

    def to_client(self, piece: int = 0) -> list[Any]:
        """Carry what the server has to send, and return the client's events."""
        for data in _cut(b"".join(self.server.data_to_send()), piece):
            self.client.receive_data(data)
        return self.client.events_received()

    def client_signals(self) -> list[Signal]:
        """Carry what the server has to send; return the client's signals."""
        assert self.to_client() == []
        return self.client.signals_received()

    def server_signals(self) -> list[Signal]:
        """Carry what the client has to send; return the server's signals."""
        assert self.to_server() == []
        return self.server.signals_received()


def _cut(data: bytes, piece: int) -> list[bytes]:
    size = piece or len(data) or 1
    return [data[start : start + size] for start in range(0, len(data), size)]
