"""The daemon: registers objects and serves the calls to them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pyro_protocol.config import Configuration, config
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    CallDetails,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    GuardedDispatcher,
    HookTable,
    LeaseTable,
    ObjectRegistry,
    Registration,
    StreamTable,
)
from pyro_protocol.dispatch.gates import GateTable
from pyro_protocol.dispatch.leases import LEASE_SECONDS
from pyro_protocol.errors import DaemonError, LocalProtocolError, PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.references import ProxyState, add_reference_provider, make_proxy
from pyro_protocol.session import Service, SessionSettings
from pyro_protocol.session.capabilities import (
    CALLBACKS,
    CANCEL,
    CHUNKS,
    DEADLINE,
    HEARTBEAT,
    MULTIPLEX,
    NATIVE,
)
from pyro_protocol.transport.addresses import (
    format_location,
    listening_socket,
    location_of,
)
from pyro_protocol.transport.tls import check_server_context, server_tls_context
from pyro_protocol.uri import URI
from pyro_protocol.wire import NO_ANNOTATIONS

from .admission import Admission
from .connections import ConnectionInfo
from .coroutines import CoroutineLoop
from .hosts import MultiplexHost, SelectorHost, ThreadHost
from .interruption import CtrlC
from .reachability import report_reachability
from .runtime import DaemonRuntime

if TYPE_CHECKING:
    import socket
    import ssl

    from pyro_protocol.dispatch import Authorizer

    from .authentication import Authenticator
    from .hosts.connected import ConnectedSocketHost
    from .publication import NameKeeper

__all__ = ["Daemon"]

T = TypeVar("T")

_logger = logging.getLogger("pyro.server")

_CAPABILITIES: Final = frozenset(
    {NATIVE, MULTIPLEX, CANCEL, CALLBACKS, CHUNKS, DEADLINE, HEARTBEAT}
)

CallErrorHandler = Callable[
    [Any, Any, Callable[..., Any], Sequence[Any], Mapping[str, Any], Exception], None
]


def _host_class(server_type: str) -> type[SelectorHost]:
    """Return what serves connections, for a configured type of server."""
    if server_type == "asyncio":
        # It takes as long to import as all the rest, and most daemons do without.
        from .hosts.event_loop import EventLoopHost  # noqa: PLC0415

        return EventLoopHost
    return MultiplexHost if server_type == "multiplex" else ThreadHost


def _new_stream_id() -> str:
    import uuid  # noqa: PLC0415 - few programs send streams item by item

    return str(uuid.uuid4())


def _capabilities(server_type: str) -> frozenset[str]:
    """Return the capabilities that a daemon agrees to.

    While a method runs in the thread of the loop, nobody answers a client that asks
    for a sign of life. It would take a server for dead that has much to do.
    """
    if server_type == "multiplex":
        return _CAPABILITIES - {HEARTBEAT}
    return _CAPABILITIES


def _always() -> bool:
    return True


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
        listener: a listening socket to serve, instead of making one; the daemon
            closes it at its end. The file of a Unix socket stays.
        config: the settings.
        ssl_context: the TLS context to accept connections with, instead of what the
            ``SSL`` items say.
        authenticate: finds out who a client is: takes the connection and the
            handshake value, and returns its `Identity`. None refuses the client, and
            so does an exception. See `pyro_server.authentication`.
        authorize: asked about each call, besides `authorize`; see there.

    Raises:
        ValueError: arguments or settings that do not go together.
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
        listener: socket.socket | None = None,
        config: Configuration = config,
        ssl_context: ssl.SSLContext | None = None,
        authenticate: Authenticator | None = None,
        authorize: Authorizer | None = None,
    ) -> None:
        if connected_socket is not None and (ssl_context or authenticate):
            raise ValueError(
                "a connected socket has no handshake: ssl_context and authenticate "
                "are of no use with it"
            )
        self._config = config
        self._ssl_context = ssl_context
        self._admission = None if authenticate is None else Admission(authenticate)
        self._check_call: Authorizer | None = authorize
        self._hooks: HookTable = HookTable()
        self._closed = False
        self._closing_lock = threading.Lock()
        self._unixsocket: str | None = None
        self._names: NameKeeper | None = None
        self.registry: ObjectRegistry = ObjectRegistry(threading.RLock)
        self.streams: StreamTable = StreamTable(
            time.monotonic,
            _new_stream_id,
            lifetime=config.ITER_STREAM_LIFETIME,
            linger=config.ITER_STREAM_LINGER,
            most_per_client=config.MAX_STREAMS,
            run_later=self._clean_up,
        )
        self.leases: LeaseTable = LeaseTable(
            self.registry,
            time.monotonic,
            threading.RLock,
            linger=config.LEASE_LINGER,
            most_per_client=config.MAX_LEASES,
            ended=self._unmark,
        )
        self.methodcall_error_handler: CallErrorHandler = _log_call_error
        self._coroutines = CoroutineLoop()
        service = self._service = self._make_service()
        self._host: SelectorHost | ConnectedSocketHost
        self.natLocationStr: str | None = None
        if connected_socket is not None:
            from .hosts.connected import (  # noqa: PLC0415 - most programs do without
                ConnectedSocketHost,
            )

            self._host = ConnectedSocketHost(
                service,
                connected_socket,
                config,
                self.streams,
                self._coroutines,
                housekeeping=self._keep_house,
            )
            self.locationStr: str = location_of(connected_socket)
        else:
            nat = self._nat_address(nathost, natport, unixsocket)
            self._host = self._listen(
                service,
                None if host is None else str(host),
                port,
                unixsocket,
                listener,
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
            tracebacks=settings.REMOTE_TRACEBACKS,
            most_batch_calls=settings.MAX_BATCH_CALLS,
            error_handler=self._on_call_error,
            gates=GateTable(threading.Lock),
            runtime=DaemonRuntime(self._submit),
        )
        if self._check_call is not None or not self._keeps("authorize"):
            dispatcher = self._guarded(dispatcher)
        return Service(
            self.registry,
            dispatcher,
            SessionSettings.from_config(settings),
            validate_handshake=(
                self.validateHandshake if self._admission is None else self._admit
            ),
            annotations=None if self._keeps("annotations") else self.annotations,
            client_disconnect=self.clientDisconnect,
            capabilities=_capabilities(settings.SERVERTYPE),
            clock=time.monotonic,
        )

    def _listen(
        self,
        service: Service,
        host: str | None,
        port: int,
        unixsocket: str | None,
        listener: socket.socket | None,
    ) -> SelectorHost:
        settings = self._config
        host_class = _host_class(settings.SERVERTYPE)
        tls = self._ssl_context
        if tls is None:
            tls = server_tls_context(settings)
        else:
            check_server_context(tls, settings)
        if listener is None:
            sock = listening_socket(host, port, settings, unixsocket)
            self._unixsocket = unixsocket
            shown = (settings.HOST if host is None else host) or None
        else:
            sock = listener
            sock.setblocking(False)  # noqa: FBT003 - the name tells
            shown = host or None
        self.locationStr = location_of(sock, shown)
        report_reachability(
            sock, self.locationStr, tls=tls, authenticated=self._admission is not None
        )
        try:
            return host_class(
                service,
                sock,
                settings,
                self.streams,
                self._coroutines,
                housekeeping=self._keep_house,
                tls=tls,
                inline_handshake=self._admission is None
                and self._keeps("validateHandshake", "annotations"),
                inline_farewell=self._keeps("clientDisconnect"),
            )
        except BaseException:
            self._remove_socket_file()
            sock.close()
            raise

    def _remove_socket_file(self) -> None:
        """Remove the file of the Unix socket, before anybody else can listen there."""
        if self._unixsocket and not self._unixsocket.startswith("\0"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._unixsocket)  # noqa: PTH108 - pathlib takes long to import

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
        if not isinstance(self._host, SelectorHost):
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
        *,
        expose: Iterable[str] | None = None,
        writable: Iterable[str] | None = None,
        interface: type | None = None,
        idempotent: Iterable[str] | None = None,
    ) -> URI:
        """Make an object, or the instances of a class, reachable.

        Only what is exposed can be reached: what is marked with `expose`, or, of a
        class that cannot be marked, what is said here. In the second case nothing is
        written onto the object or class, its own marks do not count, and it may be
        of any kind: a list, a module, an object of an extension written in C.

        Args:
            obj_or_class: the object or class.
            objectId: its id; without it a random one is made.
            force: whether it may replace another object of that id, and be
                registered a second time.
            weak: whether the object may vanish when nothing else refers to it.
            expose: the names of the methods that can be called, and of the attributes
                that can be read. What the instances of a class hold in themselves is
                known only if the class annotates it.
            writable: the names of the attributes that can be written; this goes with
                ``expose``.
            interface: a Protocol, an abstract class or any class, instead of names.
                What it marks with `expose` is reachable, or else all that is public in
                it; its marks, annotations and docstrings count. A property is written
                only if it has a setter there, a variable with an annotation unless
                that is ``Final`` or ``ClassVar``.
            idempotent: the names of the methods that clients may call again when they
                do not know whether a call was run; this goes with ``expose``. Classes
                and interfaces mark them with `idempotent`.

        Returns:
            The URI of the object.

        Raises:
            TypeError: the id is not text, a class is registered weakly, or the object
                does not have all that the interface has.
            AttributeError: a name in ``expose`` or ``writable`` is private, or there
                is nothing of that name.
            DaemonError: the id or the object is registered already, or the id cannot be
                part of a URI.
        """
        entry = self.registry.register(
            obj_or_class,
            objectId or None,
            force=force,
            weak=weak,
            expose=expose,
            writable=writable,
            interface=interface,
            idempotent=idempotent,
        )
        self._mark(entry, obj_or_class)
        return self.uriFor(entry.object_id)

    def lease(
        self,
        obj: T,
        seconds: float = LEASE_SECONDS,
        *,
        close: bool = True,
        expose: Iterable[str] | None = None,
        writable: Iterable[str] | None = None,
        interface: type | None = None,
    ) -> T:
        """Make a temporary object reachable until nobody needs it any more.

        A method returns what this returns: ``return daemon.lease(Cursor())``. The
        client gets a proxy. The object is unregistered when

        - the clients have dropped all proxies they were sent (proxies of Pyro5 do not
          tell);
        - the last connection that was sent one, or used the object, was lost, and
          ``LEASE_LINGER`` seconds have passed;
        - it was not called for so many seconds, which must be more than a call takes;
        - the daemon is closed, or `unregister` is called.

        An object that has a lease already gets a new one; one that was registered
        with `register` stays so. `leases` shows what there is.

        Args:
            obj: the object.
            seconds: how long it may go unused.
            close: whether its method ``close()``, if it has one, is called in the end,
                other than by `unregister`. It should be quick.
            expose: what can be called or read, as in `register`.
            writable: what can be written, likewise.
            interface: what is reachable, likewise.

        Returns:
            The object.

        Raises:
            TypeError: it is a class, or what `register` raises it for.
            ValueError: the time is not positive.
            AttributeError: a name in ``expose`` or ``writable`` cannot be exposed.
            PyroError: the client that is being served holds ``MAX_LEASES`` leased
                objects.
        """
        entry = self.leases.lease(
            obj,
            seconds,
            closes=close,
            expose=expose,
            writable=writable,
            interface=interface,
        )
        if entry is not None:
            self._mark(entry, obj)
        return obj

    def _mark(self, entry: Registration, target: Any) -> None:
        """Write onto an object or class what is documented, if it takes that."""
        if entry.view is None:
            # Their classes may refuse attributes in any way.
            with contextlib.suppress(Exception):
                target._pyroId = entry.object_id
                target._pyroDaemon = weakref.proxy(self)

    def unregister(self, objectOrId: Any) -> None:
        """Make an object unreachable; an unknown id is ignored.

        Names that were announced for it are removed soon after.

        Raises:
            ValueError: nothing was given.
            DaemonError: an object was given that is not registered here.
        """
        if objectOrId is None:
            raise ValueError("an object or an object id is needed")
        object_id = (
            objectOrId
            if isinstance(objectOrId, str)
            else self.registry.id_of(objectOrId)
        )
        if object_id == DAEMON_NAME:
            return
        entry = self.registry.unregister(objectOrId)
        if entry is not None:
            self.leases.forget(entry)
            self._unmark(entry)
            if self._names is not None:
                self._names.withdraw_uri(self.uriFor(entry.object_id))

    def _unmark(self, entry: Registration) -> None:
        """Take back what `_mark` wrote onto an object or class."""
        if entry.view is not None:
            return
        # The object may be gone, have taken no attributes, or be registered anew.
        with contextlib.suppress(AttributeError, TypeError, DaemonError):
            target = entry.object()
            if target._pyroId == entry.object_id:
                del target._pyroId, target._pyroDaemon

    def announce(
        self,
        name: str,
        objectOrId: Any,
        *,
        metadata: Iterable[str] | None = None,
        ttl: float | None = None,
        owner: str | None = None,
        safe: bool = False,
        force: bool = False,
    ) -> None:
        """Register a name for an object in the name server, and keep it there.

        It returns when the name is registered, and then a thread of the daemon renews
        it, so that the name server forgets it soon after this program was killed. It
        is registered again when the name server has lost it, and left alone, with a
        warning in the log, while it is somebody else's. Closing the daemon removes it.

        A name server that knows no leases, such as that of Pyro5, keeps it until it
        is removed, and it is nobody's there. In an event loop, and in the loop of the
        daemon, have a thread do this, as it waits for the name server:
        ``await asyncio.to_thread(daemon.announce, "lab.lamp", lamp)``.

        Args:
            name: the name; one that was announced before gets the new object.
            objectOrId: the object, or its id; it must be registered here.
            metadata: tags to find the name by.
            ttl: after how many seconds without a sign of life the name is forgotten,
                0 meaning never; None means ``config.NS_TTL``. It is renewed three
                times as often.
            owner: in whose name it is registered; only they can replace it. None
                means ``config.NS_OWNER``, or else user and machine, so that a program
                which is started again takes its names back. The empty text means
                nobody.
            safe: whether to refuse a name that is registered already, whoever has it;
                but not what a program of the same owner has left that was killed.
            force: whether to take the name from another owner.

        Raises:
            NamingError: there is no name server, or the name is another's; the text
                says whose.
            SecurityError: the name server does not permit it.
            PyroError: the name server cannot be asked, or the daemon is closed.
            DaemonError: the object is not registered here.
            TypeError: an argument is of a wrong type.
            ValueError: the ttl is negative, or too short or long for the name server.
        """
        from .announcements import Announcement  # noqa: PLC0415 - see NameKeeper

        keeper = self._keeper_of_names()
        keeper.announce(
            Announcement.of(
                name,
                self._uri_of_registered(objectOrId),
                self._config,
                metadata=metadata,
                ttl=ttl,
                owner=owner,
                safe=safe,
                force=force,
            )
        ).result()

    def withdraw(self, name: str) -> None:
        """Remove a name that was announced from the name server; ignore any other.

        It is not removed if it has become somebody else's.

        Raises:
            PyroError: the name server cannot be asked. The name is not kept any more
                in that case too, so it is forgotten when its ttl is over.
        """
        if self._names is not None and not self._closed:
            self._names.withdraw(name).result()

    def _keeper_of_names(
        self, make: Callable[[], NameKeeper] | None = None
    ) -> NameKeeper:
        """Return what keeps the names; the first time it is made, perhaps specially.

        Raises:
            PyroError: the daemon is closed.
        """
        with self._closing_lock:
            if self._closed:
                raise PyroError("a closed daemon has no names; make a new one")
            if self._names is None:
                if make is None:
                    # What asks name servers is not needed by other programs.
                    from .publication import NameKeeper  # noqa: PLC0415

                    make = partial(NameKeeper, self._config)
                self._names = make()
                # For programs that let go of a daemon without a word.
                weakref.finalize(self, self._names.stop).atexit = False
            return self._names

    def _uri_of_registered(self, target: Any) -> URI:
        object_id = target if isinstance(target, str) else self._id_of(target)
        if self.registry.get(object_id) is None:
            raise DaemonError(f"object {target!r} is not registered here")
        return self.uriFor(object_id)

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

    def _state_of(
        self, entry: Registration, *, nat: bool = True, lease: str | None = None
    ) -> ProxyState:
        metadata = entry.members.metadata()
        return ProxyState(
            uri=str(self.uriFor(entry.object_id, nat)),
            oneway=frozenset(metadata["oneway"]),
            methods=frozenset(metadata["methods"]),
            attributes=frozenset(metadata["attrs"]),
            lease=lease,
        )

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here, else None."""
        entry = self.registry.registration_of(obj)
        if entry is None or self._closed:
            return None
        lease = None if entry.lease is None else entry.lease.refer()
        return self._state_of(entry, lease=lease)

    def resetMetadataCache(self, objectOrId: Any, nat: bool = True) -> None:
        """Work out anew what an object offers, after its class was changed."""
        del nat
        self.registry.reset_members(objectOrId)

    def requestLoop(self, loopCondition: Callable[[], bool] = _always) -> None:
        """Serve requests until `shutdown` is called, or Ctrl-C is pressed.

        Args:
            loopCondition: asked every now and then; the loop ends when it is
                false. It is asked at least every ``POLLTIMEOUT`` seconds.
        """
        with contextlib.suppress(KeyboardInterrupt), CtrlC() as ctrl_c:
            # Asked in each turn: with nothing else to ask, in one function.
            self._host.loop(
                ctrl_c.is_awaited
                if loopCondition is _always
                else lambda: ctrl_c.is_awaited() and loopCondition()
            )

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
        if not isinstance(self._host, SelectorHost):
            raise PyroError("a daemon on a connected socket has no event loop to join")
        self._host.turn(0)

    def combine(self, daemon: Daemon) -> None:
        """Serve another daemon in this daemon's loop as well.

        Raises:
            TypeError: one of the two is not a multiplex server.
            PyroError: one of the two serves a connected socket.
        """
        hosts = (self._host, daemon._host)
        if not all(isinstance(host, SelectorHost) for host in hosts):
            raise PyroError("a daemon on a connected socket cannot be combined")
        mine, other = hosts
        if not (isinstance(mine, MultiplexHost) and isinstance(other, MultiplexHost)):
            raise TypeError("only daemons of the multiplex server type can be combined")
        mine.combine(other)

    async def serve_forever(self) -> None:
        """Serve requests in the running event loop, until `shutdown` is called.

        The server type must be ``asyncio``. Coroutine methods run in this event loop,
        all others in worker threads. Use the daemon as an asynchronous context
        manager, so that it is closed at the end::

            async with Daemon(config=settings) as daemon:
                daemon.register(Thermostat, "thermostat")
                await daemon.serve_forever()

        Raises:
            PyroError: the server is of another type, or is being served already.
        """
        from .hosts.event_loop import EventLoopHost  # noqa: PLC0415 - see _host_class

        if not isinstance(self._host, EventLoopHost):
            raise PyroError(
                "only the server type 'asyncio' lives in a running event loop; set "
                "SERVERTYPE, or call requestLoop in a thread"
            )
        await self._host.serve()

    def connections(self) -> list[ConnectionInfo]:
        """Return the open connections, each with a ``close`` method.

        The list is empty for a daemon on a connected socket.
        """
        if not isinstance(self._host, SelectorHost):
            return []
        host = self._host
        return [ConnectionInfo.of(one, host) for one in host.connections]

    def shutdown(self, drain: float | None = None) -> None:
        """End the request loop and close the daemon; can be called by any thread.

        Names that were announced are removed first, while calls are still taken.
        Called by another thread, it waits for that, up to 5 seconds longer than it
        may take. Called by an exposed method, a hook or a signal handler, the daemon
        is closed as soon as the requests being handled are answered, before
        `requestLoop` returns.

        Args:
            drain: how many seconds the calls that are running may go on, and their
                answers be sent. Meanwhile no connection is accepted, and those on
                which nothing is going on are closed. None means to close at once.
        """
        host = self._host
        if drain is None or self._closed or not isinstance(host, SelectorHost):
            self.close()
            return
        self._end(lambda wait: host.drain(self._release, drain, wait=wait))

    def close(self) -> None:
        """Stop listening, end all connections, and release everything.

        A request loop is ended first, as by `shutdown`.
        """
        if not self._closed:
            self.streams.clear()
            self._end(lambda wait: self._host.stop(self._release, wait=wait))

    def _end(self, end: Callable[[bool], None]) -> None:
        """Take the names back, for nobody is to be sent here any more, and then end.

        Args:
            end: ends it; is told whether it is to wait for the end.
        """
        # A coroutine must not wait for itself.
        wait = not self._coroutines.runs_current_thread()
        names = self._names
        if names is None or not names.running:
            end(wait)
            return
        names.stop()
        if wait and not self._host.would_wait_for_itself():
            names.join()
            end(True)  # noqa: FBT003 - described above
            return

        def end_later() -> None:
            names.join()
            end(False)  # noqa: FBT003 - described above

        threading.Thread(target=end_later, name="pyro-shutdown", daemon=True).start()

    def _release(self) -> None:
        with self._closing_lock:
            if self._closed:
                return
            self._closed = True
            if self._names is not None:
                self._names.stop()
            self._remove_socket_file()
            self._coroutines.stop()
            self._host.close()
            self.streams.clear()
            self.leases.clear()
            for entry in self.registry:
                self._unmark(entry)
            self.registry.clear()

    def annotations(self) -> Mapping[str, Any]:
        """Return what every reply is to carry; override as needed.

        Returns:
            Bytes by annotation id, which is four ASCII characters.
        """
        return NO_ANNOTATIONS

    @property
    def busy_refusals(self) -> int:
        """How many requests were refused because there was no room for them."""
        return self._service.busy_refusals

    @property
    def _pyroHmacKey(self) -> bytes | None:
        """The key that Pyro4 clients sign their messages with; None if there is none.

        Set it, as text or bytes, before they connect: it holds for connections that
        begin afterwards. It needs ``PYRO4_CLIENTS``; `LocalProtocolError` is raised
        without, and on a connected socket. ``PYRO4_HMAC_KEY`` is the same for all
        daemons with a configuration.
        """
        pyro4 = self._service.settings.pyro4
        key = None if pyro4 is None else pyro4.hmac_key
        return None if key is None else key.reveal()

    @_pyroHmacKey.setter
    def _pyroHmacKey(self, key: str | bytes | None) -> None:
        from pyro_protocol.pyro4 import HmacKey  # noqa: PLC0415 - few programs need it

        service = self._service
        if key is not None and not isinstance(self._host, SelectorHost):
            raise LocalProtocolError(
                "no messages are signed on a connected socket; use TLS on the socket, "
                "or let the daemon listen"
            )
        service.settings = service.settings.with_hmac_key(
            None if key is None else HmacKey(key)
        )

    def add_hook(self, hook: object) -> None:
        """Have a hook told about the calls from now on; several can be added.

        Args:
            hook: an object with some of the methods of `CallHook`. If it has a method
                ``added_to``, that is called with the daemon.

        Raises:
            TypeError: it has none of these methods.
        """
        with self._closing_lock:
            self._hooks = HookTable((*self._hooks.hooks, hook))
            self._service.dispatcher = self._guarded(self._service.dispatcher)
        added_to = getattr(hook, "added_to", None)
        if callable(added_to):
            added_to(self)

    def _guarded(self, dispatcher: Dispatcher) -> Dispatcher:
        return GuardedDispatcher(
            dispatcher, time.perf_counter, self._may_call, self._hooks
        )

    def _may_call(self, call: CallDetails) -> bool | None:
        verdict = self.authorize(call)
        # By identity, since 1 is not what was asked for.
        if self._check_call is not None and (verdict is None or verdict is True):
            return self._check_call(call)
        return verdict

    def authorize(self, call: CallDetails) -> bool | None:
        """Check a call before anything of it is run; override as needed.

        It is asked about each call of any client, each one of a batch, oneway calls,
        and reading and writing attributes; also about those of the object
        ``Pyro.Daemon``, which tells what there is. Only the items of a stream are not
        asked about: the call that began it was. What `requires` demands is checked
        besides. It runs where the call does.

        Args:
            call: what is about to be done, and by whom.

        Returns:
            None or True to let it happen, False to refuse it.

        Raises:
            SecurityError: to refuse it with a text for the caller. Any other
                exception refuses it too, is logged, and is not shown to the caller.
        """

    def _admit(self, conn: ClientConnection, data: Any) -> Any:
        """Find out who a client is, and then run the program's own check."""
        assert self._admission is not None  # noqa: S101 - else this is not called
        self._admission.admit(conn, data)
        return self.validateHandshake(conn, data)

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

    def _submit(self, job: Callable[[], None]) -> bool:
        """Have a job run where methods run; whether there is room for it."""
        return self._host.submit(job)

    def _clean_up(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have an asynchronous generator clean up; when closing, it does it itself."""
        with contextlib.suppress(PyroError):
            self._coroutines.start(coroutine, _nothing)

    def _keep_house(self) -> None:
        self.leases.expire()
        try:
            self.housekeeping()
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "the housekeeping hook failed")

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

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_exc_info: object) -> None:
        import asyncio  # noqa: PLC0415 - see _host_class

        # In another thread, as it waits for calls that may need the event loop.
        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.registry)} objects"
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{name} at 0x{id(self):x}; {self.locationStr}; {state}>"


def _nothing(_ended: object) -> None:
    return


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
