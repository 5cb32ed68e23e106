"""Objects and their clients in one thread, joined by bytes and nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from ..config import Configuration
from ..dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    ObjectRegistry,
    StreamTable,
)
from ..dispatch.calls import GET_ATTRIBUTE, SET_ATTRIBUTE
from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..references import ProxyState, add_reference_provider
from ..session import (
    ClientSession,
    ConnectRefused,
    ServerConnection,
    Service,
    SessionSettings,
    StreamReference,
    read_reply,
)
from ..transport.blocking_channel import choose_serializer, connect_serializer
from ..wire import FLAG_ONEWAY, Frame
from .faults import NO_FAULTS, Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from ..session import ConnectAccepted
    from ..session.client import ClientEvent

__all__ = ["MemoryConnection", "MemoryServer"]

# Nobody can connect there: the top-level name is reserved for that (RFC 2606).
_LOCATION: Final = "memory.invalid:1"


class MemoryServer:
    """Serves objects without sockets and threads.

    Everything that is said is encoded, carried as bytes, and decoded, as on a network;
    a call runs in the thread that makes it. Methods that are ``async def`` run in an
    event loop of the server's, so no other may run in that thread. It is for tests of
    what travels, and of how an object looks from afar. Only what needs two sides at the
    same time is left out: callbacks, streams that are sent ahead, calls in flight
    together.

    Args:
        objects: what is served, objects or classes, by their ids.
        config: the settings; the built-in ones if left out.
        validate_handshake: called with the client and what it says when it
            connects; what it returns goes to the client, what it raises refuses it.
    """

    def __init__(
        self,
        objects: Mapping[str, object] | None = None,
        *,
        config: Configuration | None = None,
        validate_handshake: Callable[[ClientConnection, Any], Any] | None = None,
    ) -> None:
        self.config: Configuration = config or Configuration(use_environment=False)
        self.registry: ObjectRegistry = ObjectRegistry(threading.RLock)
        self.streams: StreamTable = StreamTable(
            time.monotonic,
            lambda: uuid.uuid4().hex,
            lifetime=self.config.ITER_STREAM_LIFETIME,
            linger=self.config.ITER_STREAM_LINGER,
        )
        streaming = self.config.ITER_STREAMING
        self._service = Service(
            self.registry,
            Dispatcher(self.registry, self.streams, streaming=streaming),
            SessionSettings.from_config(self.config),
        )
        if validate_handshake is not None:
            self._service.validate_handshake = validate_handshake
        self._connections: list[MemoryConnection] = []
        self._runner: asyncio.Runner | None = None
        self.register(DaemonObject(self), DAEMON_NAME)
        for object_id, target in (objects or {}).items():
            self.register(target, object_id)
        add_reference_provider(self)

    def register(self, target: object, object_id: str) -> None:
        """Make an object reachable, or the instances of a class.

        Raises:
            DaemonError: the object or the id is registered already.
        """
        self.registry.register(target, object_id)

    def connect(
        self,
        object_id: str,
        *,
        handshake: object = "hello",
        serializer: str = "auto",
        timeout: float | None = None,
        faults: Faults = NO_FAULTS,
    ) -> MemoryConnection:
        """Connect to an object.

        Args:
            object_id: the object.
            handshake: what the server is told first.
            serializer: the name of the format that calls are written in; see
                ``SERIALIZER`` among the settings.
            timeout: after how many seconds of delay a call fails; None for never.
                Nobody waits: delays are added up.
            faults: what goes wrong on the way.

        Raises:
            CommunicationError: the server refuses the client, or the connection does
                not survive that.
        """
        connection = MemoryConnection(
            self._service,
            self._run,
            object_id,
            handshake,
            serializer,
            timeout,
            faults,
        )
        self._connections.append(connection)
        return connection

    def describe(self) -> str:
        """Return a line about the server."""
        return f"a server in memory with {len(list(self.registry))} objects"

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference that stands for an object which is served here."""
        entry = self.registry.registration_of(obj)
        if entry is None:
            return None
        metadata = entry.members.metadata()
        return ProxyState(
            f"PYRO:{entry.object_id}@{_LOCATION}",
            oneway=frozenset(metadata["oneway"]),
            methods=frozenset(metadata["methods"]),
            attributes=frozenset(metadata["attrs"]),
        )

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        # One event loop for all calls, as generators go on from one to the next.
        if self._runner is None:
            self._runner = asyncio.Runner()
        self._runner.run(coroutine)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self.streams.clear()
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


class _Way:
    """One direction of a connection, with what goes wrong there."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.sent = 0

    def carry(self, data: bytes) -> tuple[bytes, bool]:
        """Return what arrives, and whether the connection is cut behind it."""
        arrived, cut = data, False
        before = self.sent
        self.sent += len(data)
        if self.fault.drop_after is not None:
            arrived = arrived[: max(self.fault.drop_after - before, 0)]
        if self.fault.cut_after is not None and self.sent >= self.fault.cut_after:
            arrived = arrived[: max(self.fault.cut_after - before, 0)]
            cut = True
        return arrived, cut


class MemoryConnection:
    """A client's connection to one object of a `MemoryServer`.

    `MemoryServer.connect` makes it.

    Attributes:
        methods: names of the methods that the object offers.
        oneway: names of those whose callers do not wait.
        attributes: names of its attributes.
        handshake: what the server has said to the client's handshake.
        delayed: seconds that messages were under way, together.
        closed: whether the connection has ended.
    """

    def __init__(
        self,
        service: Service,
        run: Callable[[Coroutine[Any, Any, None]], None],
        object_id: str,
        handshake: object,
        serializer: str,
        timeout: float | None,
        faults: Faults,
    ) -> None:
        self._run = run
        self._object_id = object_id
        self._serializer = choose_serializer(serializer, native=True)
        self._timeout = timeout
        self._up, self._down = _Way(faults.to_server), _Way(faults.to_client)
        self.delayed: float = 0.0
        self.closed: bool = False
        client = ClientConnection(("127.0.0.1", 0))
        self._server = ServerConnection(service, client)
        self._session = ClientSession(service.settings)
        first = connect_serializer(serializer)
        self._session.send_connect(first, object_id, handshake)
        accepted = self._accepted(self._exchange("connecting"))
        self.handshake: Any = accepted.handshake
        self.methods: frozenset[str] = accepted.methods
        self.oneway: frozenset[str] = accepted.oneway
        self.attributes: frozenset[str] = accepted.attributes

    @property
    def to_server(self) -> int:
        """How many bytes the client has sent."""
        return self._up.sent

    @property
    def to_client(self) -> int:
        """How many bytes the server has sent."""
        return self._down.sent

    def call(self, method: str, *args: object, **kwargs: object) -> Any:
        """Call a method, and return its result; a stream is an iterator here.

        Of a method that is marked ``@oneway`` nothing is returned.

        Raises:
            CommunicationError: the connection is lost or too slow; ``outcome`` says
                whether the call can have been run.
            Exception: whatever the method raises.
        """
        flags = FLAG_ONEWAY if method in self.oneway else 0
        return self._call(self._object_id, method, args, kwargs, flags)

    def get(self, attribute: str) -> Any:
        """Return the value of an attribute; raises as `call` does."""
        return self._call(self._object_id, GET_ATTRIBUTE, (attribute,), None)

    def set(self, attribute: str, value: object) -> None:
        """Set an attribute; raises as `call` does."""
        self._call(self._object_id, SET_ATTRIBUTE, (attribute, value), None)

    def close(self) -> None:
        """End the connection; harmless if it has ended."""
        if not self.closed:
            self.closed = True
            self._session.end()
            self._server.close()

    def _call(
        self,
        object_id: str,
        method: str,
        args: tuple[object, ...],
        kwargs: dict[str, object] | None,
        flags: int = 0,
    ) -> Any:
        if self.closed:
            self._fail(ConnectionClosedError("the connection is closed"), sent=False)
        self._session.send_call(
            self._serializer, object_id, method, args, kwargs, flags
        )
        events = self._exchange(method, answered=not flags & FLAG_ONEWAY)
        if not events:
            return None
        (frame,) = events
        if not isinstance(frame, Frame):
            raise CommunicationError(f"the server answers a call with {frame!r}")
        result = read_reply(frame, self._serializer.id)
        if isinstance(result, StreamReference):
            return self._items(result.stream_id)
        return result

    def _items(self, stream_id: str) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._call(
                        DAEMON_NAME, "get_next_stream_item", (stream_id,), {}
                    )
                except StopIteration:
                    return
        finally:
            if not self.closed:
                self._call(DAEMON_NAME, "close_stream", (stream_id,), {})

    def _exchange(self, what: str, *, answered: bool = True) -> list[ClientEvent]:
        """Carry what the client has to send, and the server's answer to it."""
        delay = self._up.fault.delay
        request = b"".join(self._session.data_to_send())
        arrived, cut = self._up.carry(request)
        sent = len(arrived) == len(request)
        self._server.session.receive_data(arrived)
        answer = self._handled()
        if cut:
            self._fail(
                ConnectionClosedError(f"{what}: the connection was cut"), sent=sent
            )
        arrived, cut = self._down.carry(answer)
        delay += self._down.fault.delay if answer else 0.0
        self.delayed += delay
        self._session.receive_data(arrived)
        events = self._session.events_received()
        if answered and self._timeout is not None and delay > self._timeout:
            self._fail(
                TimeoutError(f"{what}: no answer in {self._timeout} s"), sent=sent
            )
        if cut and answered and not events:
            self._fail(
                ConnectionClosedError(f"{what}: the connection was cut"), sent=sent
            )
        if answered and not events:
            self._fail(TimeoutError(f"{what}: no answer comes"), sent=sent)
        if cut:
            self.close()
        return events

    def _handled(self) -> bytes:
        """Have the server handle what has arrived, and return what it says."""
        session = self._server.session
        while events := session.events_received():
            for event in events:
                coroutine = self._server.handle(event)
                if coroutine is not None:
                    self._run(coroutine)
        return b"".join(session.data_to_send())

    def _accepted(self, events: list[ClientEvent]) -> ConnectAccepted:
        (event,) = events
        if isinstance(event, ConnectRefused):
            self._fail(CommunicationError(f"rejected: {event.reason}"), sent=False)
        if isinstance(event, Frame):
            self._fail(
                CommunicationError("the server does not shake hands"), sent=False
            )
        return event

    def _fail(self, error: CommunicationError, *, sent: bool) -> NoReturn:
        """End the connection with an error; ``sent`` is whether a call can have run."""
        error.outcome = "unknown" if sent else "not_sent"
        self.close()
        raise error
