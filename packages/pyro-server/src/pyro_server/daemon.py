"""The daemon: registers objects and serves the calls to them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.config import Configuration, config
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    ObjectRegistry,
    Registration,
    StreamTable,
)
from pyro_protocol.errors import DaemonError, PyroError
from pyro_protocol.references import ProxyState, add_reference_provider, make_proxy
from pyro_protocol.session import Service, SessionSettings
from pyro_protocol.transport.addresses import (
    format_location,
    listening_socket,
    location_of,
)
from pyro_protocol.transport.tls import server_tls_context
from pyro_protocol.uri import URI
from pyro_protocol.wire import NO_ANNOTATIONS

from .coroutines import CoroutineThread
from .hosts import ConnectedSocketHost, MultiplexHost, SelectorHost, ThreadHost

if TYPE_CHECKING:
    import socket

__all__ = ["Daemon"]

_logger = logging.getLogger("pyro.server")

_HOSTS: Final[dict[str, type[SelectorHost]]] = {
    "thread": ThreadHost,
    "multiplex": MultiplexHost,
}

CallErrorHandler = Callable[
    [Any, Any, Callable[..., Any], Sequence[Any], Mapping[str, Any], Exception], None
]


class Daemon:
    """Makes objects reachable for other processes.

    Register objects, then let `requestLoop` serve them. It listens from the
    moment it is made. Used as a context manager it closes at the end.

    Args:
        host: where to listen; None means ``config.HOST``, which is localhost
            unless changed; the empty text means all interfaces.
        port: the TCP port; 0 lets the system choose.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host that URIs name instead; None means ``config.NATHOST``.
        natport: the port that URIs name; 0 means the real one.
        interface: the class of the object ``Pyro.Daemon``.
        connected_socket: a socket to serve instead of listening; all arguments
            before it are ignored.
        config: the settings.

    Raises:
        ValueError: arguments or settings that do not go together.
        PyroError: the configured server type does not exist.
        CommunicationError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int = 0,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        interface: type = DaemonObject,
        connected_socket: socket.socket | None = None,
        *,
        config: Configuration = config,
    ) -> None:
        self._config = config
        self._closed = False
        self._closing_lock = threading.Lock()
        self._unixsocket: str | None = None
        self.registry: ObjectRegistry = ObjectRegistry(threading.RLock)
        self.streams: StreamTable = StreamTable(
            time.monotonic,
            lambda: str(uuid.uuid4()),
            lifetime=config.ITER_STREAM_LIFETIME,
            linger=config.ITER_STREAM_LINGER,
            most_per_client=config.MAX_STREAMS,
        )
        self.methodcall_error_handler: CallErrorHandler = _log_call_error
        self._coroutines = CoroutineThread()
        service = self._make_service()
        self._host: SelectorHost | ConnectedSocketHost
        self.natLocationStr: str | None = None
        if connected_socket is not None:
            self._host = ConnectedSocketHost(
                service,
                connected_socket,
                config,
                self.streams,
                housekeeping=self._keep_house,
            )
            self.locationStr: str = location_of(connected_socket)
        else:
            nat = self._nat_address(nathost, natport, unixsocket)
            self._host = self._listen(
                service, None if host is None else str(host), port, unixsocket
            )
            if nat is not None:
                self.natLocationStr = format_location(
                    nat[0], nat[1] or self.sock.getsockname()[1]
                )
        try:
            self.registry.register(interface(self), DAEMON_NAME)
        except BaseException:
            self.close()
            raise
        add_reference_provider(self)

    def _make_service(self) -> Service:
        settings = self._config
        dispatcher = Dispatcher(
            self.registry,
            self.streams,
            streaming=settings.ITER_STREAMING,
            detailed_traceback=settings.DETAILED_TRACEBACK,
            most_batch_calls=settings.MAX_BATCH_CALLS,
            error_handler=self._on_call_error,
            run_coroutine=self._coroutines.run,
        )
        return Service(
            self.registry,
            dispatcher,
            SessionSettings.from_config(settings),
            validate_handshake=self.validateHandshake,
            annotations=self.annotations,
            client_disconnect=self.clientDisconnect,
        )

    def _listen(
        self, service: Service, host: str | None, port: int, unixsocket: str | None
    ) -> SelectorHost:
        settings = self._config
        host_class = _HOSTS[settings.SERVERTYPE]
        tls = server_tls_context(settings)
        sock = listening_socket(host, port, settings, unixsocket)
        self._unixsocket = unixsocket
        shown = settings.HOST if host is None else host
        self.locationStr = location_of(sock, shown or None)
        try:
            return host_class(
                service,
                sock,
                settings,
                self.streams,
                housekeeping=self._keep_house,
                tls=tls,
                inline_handshake=self._keeps("validateHandshake", "annotations"),
                inline_farewell=self._keeps("clientDisconnect"),
            )
        except BaseException:
            self._remove_socket_file()
            sock.close()
            raise

    def _remove_socket_file(self) -> None:
        """Remove the file of the Unix socket, before anybody else can listen there."""
        if self._unixsocket and not self._unixsocket.startswith("\0"):
            Path(self._unixsocket).unlink(missing_ok=True)

    def _keeps(self, *hooks: str) -> bool:
        """Whether the program has left hooks as they are here."""
        return all(getattr(type(self), one) is getattr(Daemon, one) for one in hooks)

    def _nat_address(
        self, nathost: str | None, natport: int | None, unixsocket: str | None
    ) -> tuple[str, int] | None:
        """Return host and port for the URIs, port 0 meaning the real one."""
        host = self._config.NATHOST if nathost is None else nathost
        if host is None:
            if natport:
                raise ValueError("natport is of no use without nathost")
            return None
        if unixsocket:
            raise ValueError("nathost cannot be combined with a Unix socket")
        return host, self._config.NATPORT if natport is None else natport

    @property
    def sock(self) -> socket.socket:
        """The listening socket, or the connected one."""
        return self._host.sock

    @property
    def sockets(self) -> list[Any]:
        """The sockets that a foreign event loop has to watch for reading.

        They change as clients come and go, so ask for them before each wait. While
        an answer waits for a slow reader the selector is one of them.

        Raises:
            PyroError: the daemon serves a connected socket.
        """
        if isinstance(self._host, ConnectedSocketHost):
            raise PyroError("a daemon on a connected socket has no event loop to join")
        return self._host.sockets

    @property
    def selector(self) -> Any:
        """The selector of the multiplex server.

        Raises:
            TypeError: the server is of another type.
        """
        if not isinstance(self._host, MultiplexHost):
            raise TypeError("only the multiplex server type has a selector to share")
        return self._host.selector

    @property
    def transportServer(self) -> SelectorHost | ConnectedSocketHost:
        """The host that moves the bytes."""
        return self._host

    @property
    def objectsById(self) -> dict[str, Any]:
        """A snapshot of the registered objects, classes and weak references, by id."""
        return {entry.object_id: entry.target for entry in self.registry}

    @property
    def streaming_responses(self) -> StreamTable:
        """The open item streams."""
        return self.streams

    def register(
        self,
        obj_or_class: Any,
        objectId: str | None = None,
        force: bool = False,
        weak: bool = False,
    ) -> URI:
        """Make an object, or the instances of a class, reachable.

        Args:
            obj_or_class: the object or class; only its exposed members can be
                reached.
            objectId: its id; without it a random one is made.
            force: whether it may replace another object of that id, and be
                registered a second time.
            weak: whether the object may vanish when nothing else refers to it.

        Returns:
            The URI of the object.

        Raises:
            TypeError: the id is not text, or a class is registered weakly.
            DaemonError: the id or the object is registered already.
        """
        entry = self.registry.register(
            obj_or_class, objectId or None, force=force, weak=weak
        )
        with contextlib.suppress(AttributeError, TypeError):
            # Documented, and absent on objects that take no attributes.
            obj_or_class._pyroId = entry.object_id
            obj_or_class._pyroDaemon = weakref.proxy(self)
        return self.uriFor(entry.object_id)

    def unregister(self, objectOrId: Any) -> None:
        """Make an object unreachable; an unknown id is ignored.

        Raises:
            ValueError: nothing was given.
            DaemonError: an object was given that is not registered here.
        """
        if objectOrId is None:
            raise ValueError("an object or an object id is needed")
        if DAEMON_NAME in (objectOrId, self.registry.id_of(objectOrId)):
            return
        entry = self.registry.unregister(objectOrId)
        if entry is not None:
            self._unmark(entry)

    def _unmark(self, entry: Registration) -> None:
        """Take back what `register` wrote onto an object or class."""
        # The object may be gone, have taken no attributes, or be registered anew.
        with contextlib.suppress(AttributeError, TypeError, DaemonError):
            target = entry.object()
            if target._pyroId == entry.object_id:
                del target._pyroId, target._pyroDaemon

    def uriFor(self, objectOrId: Any, nat: bool = True) -> URI:
        """Return the URI of an object or object id.

        Args:
            objectOrId: the object, or an id.
            nat: whether the URI names the NAT address, if there is one.

        Raises:
            DaemonError: the object is not registered here.
        """
        object_id = (
            objectOrId if isinstance(objectOrId, str) else self._id_of(objectOrId)
        )
        location = (self.natLocationStr if nat else None) or self.locationStr
        return URI(f"PYRO:{object_id}@{location}")

    def _id_of(self, target: Any) -> str:
        object_id = self.registry.id_of(target)
        if object_id is None:
            raise DaemonError(f"object {target!r} is not registered here")
        return object_id

    def proxyFor(self, objectOrId: Any, nat: bool = True) -> Any:
        """Return a proxy for a registered object, which knows its metadata already.

        Without pyro-client installed the proxy can be passed on, but not used.

        Raises:
            DaemonError: the object is not registered here.
        """
        entry = self.registry.get(
            objectOrId if isinstance(objectOrId, str) else self._id_of(objectOrId)
        )
        if entry is None:
            raise DaemonError(f"object {objectOrId!r} is not registered here")
        return make_proxy(self._state_of(entry, nat=nat))

    def _state_of(self, entry: Registration, *, nat: bool = True) -> ProxyState:
        metadata = entry.members.metadata()
        return ProxyState(
            uri=str(self.uriFor(entry.object_id, nat)),
            oneway=frozenset(metadata["oneway"]),
            methods=frozenset(metadata["methods"]),
            attributes=frozenset(metadata["attrs"]),
        )

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here, else None."""
        entry = self.registry.registration_of(obj)
        if entry is None or self._closed:
            return None
        return self._state_of(entry)

    def resetMetadataCache(self, objectOrId: Any, nat: bool = True) -> None:
        """Work out anew what an object offers, after its class was changed."""
        del nat
        self.registry.reset_members(objectOrId)

    def requestLoop(self, loopCondition: Callable[[], bool] = lambda: True) -> None:
        """Serve requests until `shutdown` is called, or Ctrl-C is pressed.

        Args:
            loopCondition: asked every now and then; the loop ends when it is
                false. It is asked at least every ``POLLTIMEOUT`` seconds.
        """
        with contextlib.suppress(KeyboardInterrupt):
            self._host.loop(loopCondition)

    @staticmethod
    def serveSimple(
        objects: Mapping[Any, str | None],
        host: str | None = None,
        port: int = 0,
        daemon: Daemon | None = None,
        ns: bool = True,
        verbose: bool = True,
    ) -> None:
        """Serve objects until interrupted; the older spelling of `serve`."""
        from .serving import serve  # noqa: PLC0415 - it is made of daemons

        serve(objects, host, port, daemon, use_ns=ns, verbose=verbose)

    def events(self, eventsockets: Sequence[Any]) -> None:
        """Handle what is ready, on behalf of a foreign event loop.

        Args:
            eventsockets: the sockets, out of `sockets`, that are ready. Any others
                that are ready too are also handled.

        Raises:
            PyroError: the daemon serves a connected socket.
        """
        del eventsockets
        if isinstance(self._host, ConnectedSocketHost):
            raise PyroError("a daemon on a connected socket has no event loop to join")
        self._host.turn(0)

    def combine(self, daemon: Daemon) -> None:
        """Serve another daemon in this daemon's loop as well.

        Raises:
            TypeError: one of the two is not a multiplex server.
            PyroError: one of the two serves a connected socket.
        """
        hosts = (self._host, daemon._host)
        if any(isinstance(host, ConnectedSocketHost) for host in hosts):
            raise PyroError("a daemon on a connected socket cannot be combined")
        mine, other = hosts
        if not (isinstance(mine, MultiplexHost) and isinstance(other, MultiplexHost)):
            raise TypeError("only daemons of the multiplex server type can be combined")
        mine.combine(other)

    def shutdown(self) -> None:
        """End the request loop and close the daemon; can be called by any thread.

        Called by another thread, it waits up to 5 seconds for that. Called by an
        exposed method, a hook or a signal handler, the daemon is closed as soon as
        the requests being handled are answered, before `requestLoop` returns.
        """
        self.close()

    def close(self) -> None:
        """Stop listening, end all connections, and release everything.

        A request loop is ended first, as by `shutdown`.
        """
        if not self._closed:
            self.streams.clear()
            # A coroutine must not wait for itself.
            wait = not self._coroutines.runs_current_thread()
            self._host.stop(self._release, wait=wait)

    def _release(self) -> None:
        with self._closing_lock:
            if self._closed:
                return
            self._closed = True
            self._remove_socket_file()
            self._coroutines.stop()
            self._host.close()
            self.streams.clear()
            for entry in self.registry:
                self._unmark(entry)
            self.registry.clear()

    def annotations(self) -> Mapping[str, Any]:
        """Return what every reply is to carry; override as needed.

        Returns:
            Bytes by annotation id, which is four ASCII characters.
        """
        return NO_ANNOTATIONS

    def validateHandshake(self, conn: ClientConnection, data: Any) -> Any:
        """Check a client's handshake value; override, and raise to refuse it.

        Args:
            conn: the client; ``conn.sock`` and ``conn.getpeercert()`` tell more.
            data: the value its proxy has as ``_pyroHandshake``.

        Returns:
            The value for the client's own check.
        """
        del conn, data
        return "hello"

    def clientDisconnect(self, conn: ClientConnection) -> None:
        """Take notice that a client has gone; override as needed."""

    def housekeeping(self) -> None:
        """Do what has to be done every few seconds; override as needed."""

    def _keep_house(self) -> None:
        try:
            self.housekeeping()
        except Exception:
            _logger.exception("the housekeeping hook failed")

    def _on_call_error(
        self,
        client: ClientConnection,
        method: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        error: Exception,
    ) -> None:
        self.methodcall_error_handler(self, client, method, args, kwargs, error)

    def describe(self) -> str:
        """Return a line about the daemon, for people."""
        nat = f", NAT {self.natLocationStr}" if self.natLocationStr else ""
        kind = type(self._host).__name__
        return (
            f"daemon at {self.locationStr}{nat}, {len(self.registry)} objects, {kind}"
        )

    def __enter__(self) -> Self:
        if self._closed:
            raise PyroError("a closed daemon cannot be used again; make a new one")
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.registry)} objects"
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{name} at 0x{id(self):x}; {self.locationStr}; {state}>"


def _log_call_error(
    daemon: Any,
    client: Any,
    method: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    error: Exception,
) -> None:
    """Take a note; the error itself is logged where it was caught."""
    _logger.debug(
        "%s: %s called by %s with %d and %d arguments raised %s",
        daemon, method, client, len(args), len(kwargs), type(error).__name__,
    )  # fmt: skip
