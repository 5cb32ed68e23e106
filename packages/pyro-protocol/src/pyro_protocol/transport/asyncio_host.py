"""The asyncio host: serves objects inside a running event loop.

Thousands of connections cost one thread. Ordinary methods run in the loop, one
after the other, so that an object's state needs no lock; they must not block.
Coroutine methods are awaited, and other connections are served meanwhile; the
requests of one connection are handled one at a time and in order, except that no
request waits for a oneway one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ..config import Configuration, config
from ..context import call_state
from ..dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    LeaseTable,
    ObjectRegistry,
    StreamTable,
)
from ..dispatch.gates import GateTable
from ..dispatch.leases import LEASE_SECONDS
from ..errors import DaemonError
from ..references import ProxyState, add_reference_provider
from ..session import ServerConnection, Service, SessionSettings
from ..session.plain_calls import new_hold, plain_calls
from ..uri import URI
from ..wire import FLAG_ONEWAY, Frame
from .addresses import format_location, listening_socket, location_of, prepare_connected
from .asyncio_receiver import AsyncioReceiver
from .credentials import peer_credentials
from .tls import server_tls_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable

    from ..dispatch.runtime import Turn
    from ..session.plain_calls import Outcome
    from ..session.server import ServerEvent, ServerSession

__all__ = ["AsyncioHost"]

T = TypeVar("T")

_logger = logging.getLogger("pyro.server")

# A client that sends faster than it is served is not read any further beyond this.
_MOST_WAITING: Final = 100
_HOUSEKEEPING_INTERVAL: Final = 2.0
# How long a client that is dropped has to read why, and to go.
_FAREWELL_SECONDS: Final = 2.0
_current_state = call_state.get
_set_state = call_state.set


class AsyncioHost:
    """Serves registered objects in the event loop it is started in.

    Args:
        config: the settings.
        validate_handshake: called with the client and its handshake value;
            returns the value for the client, or raises to refuse it.
        nathost: the host that URIs name instead of the one bound to.
        natport: the port that URIs name; 0 means the real one.
    """

    def __init__(
        self,
        *,
        config: Configuration = config,
        validate_handshake: Callable[[ClientConnection, Any], Any] | None = None,
        nathost: str | None = None,
        natport: int = 0,
    ) -> None:
        self._config = config
        self._nathost = nathost
        self._natport = natport
        self.registry: ObjectRegistry = ObjectRegistry(nullcontext)
        self.streams: StreamTable = StreamTable(
            time.monotonic,
            lambda: str(uuid.uuid4()),
            lifetime=config.ITER_STREAM_LIFETIME,
            linger=config.ITER_STREAM_LINGER,
            most_per_client=config.MAX_STREAMS,
            run_later=self._run_later,
        )
        self.leases: LeaseTable = LeaseTable(
            self.registry,
            time.monotonic,
            nullcontext,
            linger=config.LEASE_LINGER,
            most_per_client=config.MAX_LEASES,
        )
        dispatcher = Dispatcher(
            self.registry,
            self.streams,
            streaming=config.ITER_STREAMING,
            detailed_traceback=config.DETAILED_TRACEBACK,
            tracebacks=config.REMOTE_TRACEBACKS,
            most_batch_calls=config.MAX_BATCH_CALLS,
            gates=GateTable(nullcontext),
            runtime=_LoopRuntime(),
        )
        self.service: Service = Service(
            self.registry, dispatcher, SessionSettings.from_config(config)
        )
        if validate_handshake is not None:
            self.service.validate_handshake = validate_handshake
        self.registry.register(DaemonObject(self), DAEMON_NAME)
        add_reference_provider(self)
        self._protocols: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sock: socket.socket | None = None
        self._housekeeper: asyncio.Task[None] | None = None
        self._stopped = False
        self._location = ""
        self._unixsocket: str | None = None

    async def start(
        self,
        host: str | None = None,
        port: int = 0,
        unixsocket: str | None = None,
    ) -> None:
        """Begin to listen.

        Args:
            host: where to listen; None means ``config.HOST``.
            port: the TCP port; 0 lets the system choose.
            unixsocket: the path of a Unix socket to listen on instead.

        Raises:
            CommunicationError: the address cannot be listened on.
        """
        self._stopped = False
        loop = asyncio.get_running_loop()
        context = server_tls_context(self._config)
        sock = listening_socket(host, port, self._config, unixsocket)
        shown = self._config.HOST if host is None else host
        self._location = location_of(sock, shown or None)
        self._unixsocket = unixsocket
        timeout = self._config.HANDSHAKE_TIMEOUT if context else None
        create = loop.create_unix_server if unixsocket else loop.create_server
        self._server = await create(
            lambda: _Connection(self),
            sock=sock,
            ssl=context,
            ssl_handshake_timeout=timeout,
        )
        self._sock = sock
        self._housekeeper = asyncio.create_task(self._keep_house())

    @property
    def location(self) -> str:
        """The location bound to, as in a URI."""
        return self._location

    @property
    def nat_location(self) -> str | None:
        """The location that URIs name instead, or None."""
        if self._nathost is None:
            return None
        port = self._natport or (self._sock.getsockname()[1] if self._sock else 0)
        return format_location(self._nathost, port)

    @property
    def sock(self) -> socket.socket | None:
        """The listening socket, or None before the start."""
        return self._sock

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._protocols)

    def register(
        self,
        target: Any,
        object_id: str | None = None,
        *,
        force: bool = False,
        expose: Iterable[str] | None = None,
        writable: Iterable[str] | None = None,
        interface: type | None = None,
        idempotent: Iterable[str] | None = None,
    ) -> URI:
        """Make an object or class reachable and return its URI.

        Args:
            target: the object or class.
            object_id: its id; without it a random one is made.
            force: whether it may replace another, or be registered a second time.
            expose: the names of its members that can be reached, instead of those
                that are marked.
            writable: the names of the attributes that can be written; with ``expose``.
            interface: a class that says what can be reached, instead of names.
            idempotent: the names of methods that may be run twice; with ``expose``.

        Raises:
            TypeError: the object does not have all that the interface has.
            AttributeError: a name is private, or there is nothing of that name.
            DaemonError: the id, or the object, is registered already.
        """
        entry = self.registry.register(
            target,
            object_id,
            force=force,
            expose=expose,
            writable=writable,
            interface=interface,
            idempotent=idempotent,
        )
        return self.uri_for(entry.object_id)

    def lease(self, target: T, seconds: float = LEASE_SECONDS) -> T:
        """Make a temporary object reachable, and return it; see `LeaseTable`.

        A method returns what this returns, which travels as a reference.

        Args:
            target: the object.
            seconds: how long it may go unused.

        Raises:
            TypeError: it is a class.
            ValueError: the time is not positive.
            PyroError: the client that is being served holds too many leased objects.
        """
        self.leases.lease(target, seconds)
        return target

    def uri_for(self, object_id: str, *, nat: bool = True) -> URI:
        """Return the URI of an object id.

        Raises:
            DaemonError: the host is not listening yet.
        """
        location = (self.nat_location if nat else None) or self._location
        if not location:
            raise DaemonError("the server has no location before it listens")
        return URI(f"PYRO:{object_id}@{location}")

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here, else None."""
        entry = self.registry.registration_of(obj)
        if entry is None or not self._location:
            return None
        metadata = entry.members.metadata()
        return ProxyState(
            uri=str(self.uri_for(entry.object_id)),
            oneway=frozenset(metadata["oneway"]),
            methods=frozenset(metadata["methods"]),
            attributes=frozenset(metadata["attrs"]),
            lease=None if entry.lease is None else entry.lease.refer(),
        )

    def describe(self) -> str:
        """Return a line about the server, for people."""
        return (
            f"asyncio server at {self._location}, NAT {self.nat_location}, "
            f"{len(self.registry)} objects"
        )

    async def stop(self) -> None:
        """Stop listening, end all connections and streams."""
        self._stopped = True
        if self._housekeeper is not None:
            self._housekeeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._housekeeper
            self._housekeeper = None
        if self._server is not None:
            await _accept_no_more(self._server)
            self._server.close()
            self._server = None
            if self._unixsocket and not self._unixsocket.startswith("\0"):
                Path(self._unixsocket).unlink(missing_ok=True)  # noqa: ASYNC240 - at the end, and quick
        for task in self._tasks:
            task.cancel()
        ended = [protocol.abort() for protocol in list(self._protocols)]
        if ended:
            await asyncio.wait(ended)
        self.streams.clear()
        self.leases.clear()
        self.registry.clear()

    def _run_later(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have an asynchronous generator clean up."""
        self.keep(asyncio.get_running_loop().create_task(coroutine))

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_INTERVAL)
            self.streams.expire()
            self.leases.expire()

    def admit(self, protocol: _Connection) -> bool:
        """Count a new connection in, unless there are too many, or it is the end."""
        if self._stopped:
            # It was accepted before, and would be served by nobody.
            return False
        most = self._config.MAX_CONNECTIONS
        if most and len(self._protocols) >= most:
            _logger.warning("a connection was refused: there are %d already", most)
            return False
        self._protocols.add(protocol)
        return True

    def keep(self, task: asyncio.Task[None]) -> None:
        """Let a oneway request come to its end, whatever becomes of its client."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def dismiss(self, protocol: _Connection) -> None:
        """Count a connection out."""
        self._protocols.discard(protocol)

    @property
    def handshake_timeout(self) -> float:
        """How many seconds a client has to complete its handshake."""
        return self._config.HANDSHAKE_TIMEOUT

    @property
    def config(self) -> Configuration:
        """The settings."""
        return self._config


class _LoopRuntime:
    """How calls wait here, where all methods run in the event loop."""

    async def wait_for(self, turn: Turn) -> None:
        came = asyncio.Event()
        turn.on(came.set)
        await came.wait()

    async def run(self, function: Callable[[], Any]) -> Any:
        return function()


async def _accept_no_more(server: asyncio.Server) -> None:
    """Leave new connections to the system, and let those in that were accepted.

    A server that is closed at that moment forgets them, and leaves them open.
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        # Some loops listen in another way.
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.remove_reader(sock.fileno())
    # One turn for them to become connections, and one for these to be refused.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class _Connection(AsyncioReceiver):
    """One connection of the host."""

    def __init__(self, host: AsyncioHost) -> None:
        self._host = host
        self._waiting: deque[ServerEvent] = deque()
        self._task: asyncio.Task[None] | None = None
        # Oneway requests that are being awaited; they outlive the connection.
        self._beside: set[asyncio.Task[None]] = set()
        self._writable = True
        self._reading = True
        self._departing = False
        self._carry_out: Callable[[bytes], Outcome] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop do not derive from it.
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()
        sock = transport.get_extra_info("socket")
        self._client = ClientConnection(
            transport.get_extra_info("peername"),
            sock,
            tls=transport.get_extra_info("ssl_object"),
        )
        self._client.peer_credentials = peer_credentials(sock)
        self._connection = ServerConnection(self._host.service, self._client)
        self._session = self._connection.session
        self._deadline: asyncio.TimerHandle | None = None
        if not self._host.admit(self):
            self._transport.abort()
            return
        prepare_connected(sock, self._host.config)
        self._deadline = loop.call_later(self._host.handshake_timeout, self._too_late)

    def _too_late(self) -> None:
        if not self._client.established:
            _logger.warning("%s did not complete its handshake in time", self._client)
            self._transport.abort()

    def receiving_session(self) -> ServerSession | None:
        return None if self._departing else self._session

    def receive_whole(self, data: bytes) -> bool:
        carry_out = self._carry_out
        if (
            carry_out is None
            or self._task is not None
            or self._waiting
            or not self._writable
        ):
            carry_out = self._carry_out = self._new_short_way()
            if carry_out is None:
                return False
        before = _current_state()
        try:
            outcome = carry_out(data)
        finally:
            _set_state(before)
        if type(outcome) is bytes and outcome:
            self._write(outcome)
            return True
        if outcome is None:
            # It may be the beginning of a message, which the session keeps.
            self._carry_out = None
            return False
        if type(outcome) is tuple:
            self._await(*outcome)
        self._proceed()
        return True

    def _new_short_way(self) -> Callable[[bytes], Outcome] | None:
        """Return what carries out plain requests; None if others come first."""
        if (
            self._waiting
            or self._task is not None
            or self._departing
            or not (self._writable and self._client.established)
        ):
            return None
        plain = plain_calls(self._connection, new_hold())
        next(plain)
        return plain.send

    def session_received(self) -> None:
        self._proceed()

    def eof_received(self) -> bool | None:
        if not self._departing:
            self._session.receive_eof()
            self._proceed()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._deadline is not None:
            self._deadline.cancel()
        if self._task is not None:
            self._task.cancel()
        self._waiting.clear()
        self._host.dismiss(self)
        self._host.streams.client_gone(self._client)
        self._connection.close()
        if not self._ended.done():
            self._ended.set_result(None)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._proceed()

    def abort(self) -> asyncio.Future[None]:
        """Drop the connection; the result is set when it has ended."""
        self._transport.abort()
        return self._ended

    def _proceed(self) -> None:
        """Handle requests until one has to be awaited, or the client must read."""
        waiting = self._waiting
        waiting.extend(self._session.events_received())
        while waiting and self._task is None and self._writable:
            event = waiting.popleft()
            coroutine = self._connection.handle(event)
            if coroutine is not None:
                self._await(event, coroutine)
            self._flush()
            waiting.extend(self._session.events_received())
        self._flush()
        reading = len(waiting) < _MOST_WAITING or self._departing
        if reading is not self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _await(self, event: ServerEvent, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        if self._runs_beside(event):
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)
            self._host.keep(task)
        else:
            self._task = task
            task.add_done_callback(self._awaited)

    def _runs_beside(self, event: ServerEvent) -> bool:
        """Whether the next request need not wait for this one: nobody waits for it."""
        return (
            isinstance(event, Frame)
            and bool(event.flags & FLAG_ONEWAY)
            and len(self._beside) < self._host.config.MAX_ONEWAY_QUEUE
        )

    def _awaited(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            _logger.error("handling a request failed", exc_info=task.exception())
            self._transport.abort()
            return
        self._proceed()

    def _flush(self) -> None:
        # Not writelines: in some versions of Python it forgets to pause the writer.
        for buffer in self._session.data_to_send():
            # What cannot be written at once is kept as it is, without a copy, and
            # the program goes on with its objects.
            unchanging = memoryview(buffer).readonly
            self._transport.write(buffer if unchanging else bytes(buffer))
        if self._session.closing and not self._waiting and self._task is None:
            if self._session.error:
                _logger.warning("%s was dropped: %s", self._client, self._session.error)
                self._session.error = None
            self._depart()

    def _depart(self) -> None:
        """End the connection in such a way that the client gets the last answer.

        Closing it while there are bytes that were not read would reset it, and
        the answer could be lost.
        """
        if self._departing or self._transport.is_closing():
            return
        self._departing = True
        self._carry_out = None
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(_FAREWELL_SECONDS, self._transport.abort)
