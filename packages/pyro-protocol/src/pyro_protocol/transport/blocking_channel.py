"""The blocking channel: one connection to a server, usable from any thread."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ..config import Configuration, config
from ..context import call_state, current_context
from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..serializers import Serializer, serializers
from ..serializers.native_packing import pack_number
from ..serializers.opt_in import PICKLED_IDS, opted_in
from ..session import (
    ClientSession,
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
    read_reply,
)
from ..session.capabilities import DEFAULT_CAPABILITIES, NATIVE
from ..session.short_messages import (
    ANSWER,
    CALL,
    NO_MORE,
    begin_text_call,
    join_header,
)
from ..wire import (
    FLAG_EXCEPTION,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Annotations,
    Buffer,
    Frame,
    Payload,
)
from ..wire.frame import HEADER_SIZE, JOIN_BELOW
from .addresses import connect_socket
from .tls import client_tls_context, is_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..session.client import ClientEvent
    from ..uri import URI

__all__ = ["BlockingChannel", "choose_serializer"]

# Large enough that a usual message needs one call, small enough to be cheap to
# allocate for each.
_RECEIVE_SIZE: Final = 64 * 1024
# A timeout of zero would mean "do not wait", not "time is up".
_SHORTEST_WAIT: Final = 1e-6
_SEQUENCE_MASK: Final = 0xFFFF
_HEADER: Final = slice(HEADER_SIZE)
_PAYLOAD: Final = slice(HEADER_SIZE, None)
# One packer writes texts for all, and keeps what it has once needed.
_LONGEST_TEXT: Final = 1024
_WAIT_ALL: Final = getattr(socket, "MSG_WAITALL", 0)
_SERPENT: Final = serializers["serpent"]
_NATIVE: Final = serializers["native"]
_NATIVE_ID: Final = _NATIVE.id


def rejected(uri: URI, event: ConnectRefused) -> CommunicationError:
    """Return the error for a server that has turned this program away."""
    error = CommunicationError(f"connection to {uri.location} rejected: {event.reason}")
    error.refusal = event.reason
    return error


def choose_serializer(name: str, *, native: bool) -> Serializer:
    """Return the serializer that a configured name stands for.

    Args:
        name: the name of a serializer, or ``"auto"``: the native one where both
            sides have it, serpent otherwise.
        native: whether the native serializer was agreed on.

    Raises:
        ValueError: there is no serializer of that name.
        LocalProtocolError: native is demanded, and the server does not have it.
        SerializeError: the library of the serializer is missing.
    """
    if name == "auto":
        return _NATIVE if native else _SERPENT
    if name in PICKLED_IDS:
        return opted_in(name)
    serializer = serializers.get(name)
    if serializer is None:
        known = ", ".join(["auto", *serializers, *PICKLED_IDS])
        raise ValueError(f"unknown serializer {name!r}; known: {known}")
    if serializer is _NATIVE and not native:
        raise LocalProtocolError(
            "the native serializer was demanded, and the server does not have it; "
            "use SERIALIZER=auto to fall back to serpent"
        )
    return serializer


def connect_serializer(name: str) -> Serializer:
    """Return what the handshake is written with, for a configured name."""
    if name in ("auto", "native") or name in PICKLED_IDS:
        return _SERPENT
    return choose_serializer(name, native=False)


class BlockingChannel:
    """One connection to a server, over which calls are made one at a time.

    Threads that share it take turns. An error of the connection closes it; it
    does not reconnect.

    Attributes:
        uri: where it leads.
        accepted: what the server said in the handshake.
        closed: whether the connection has ended.
        serializer: what calls are written with unless they say otherwise.
        timeout: how many seconds a call may take; None means no bound.
    """

    __slots__ = (
        "_compresses",
        "_lock",
        "_owns_socket",
        "_receive_flags",
        "_session",
        "_timed",
        "accepted",
        "closed",
        "serializer",
        "sock",
        "timeout",
        "uri",
    )

    def __init__(
        self,
        sock: socket.socket,
        uri: URI,
        session: ClientSession,
        *,
        timeout: float | None = None,
        owns_socket: bool = True,
    ) -> None:
        self.sock: socket.socket = sock
        self.uri: URI = uri
        self.timeout: float | None = timeout
        self.accepted: ConnectAccepted | None = None
        self.serializer: Serializer = _SERPENT
        self._session = session
        self._compresses = session.compresses
        self._lock = threading.Lock()
        self.closed: bool = False
        self._timed = sock.gettimeout() is not None
        self._owns_socket = owns_socket
        self._receive_flags = 0 if is_encrypted(sock) else _WAIT_ALL

    def _take_over(self, channel: BlockingChannel) -> None:
        """Be what another channel was, with its connection; nobody uses that one."""
        self.sock = channel.sock
        self.uri = channel.uri
        self.timeout = channel.timeout
        self.accepted = channel.accepted
        self.serializer = channel.serializer
        self._session = channel._session
        self._compresses = channel._compresses
        self._lock = channel._lock
        self.closed = channel.closed
        self._timed = channel._timed
        self._owns_socket = channel._owns_socket
        self._receive_flags = channel._receive_flags

    @classmethod
    def connect(
        cls,
        uri: URI,
        *,
        handshake: object = "hello",
        serializer: str | None = None,
        timeout: float | None = None,
        sequence: int = 0,
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        validate: Callable[[BlockingChannel, Any], None] | None = None,
        config: Configuration = config,
        in_pyro4: bool = False,
    ) -> BlockingChannel:
        """Connect to the server of a ``PYRO`` URI and shake hands.

        Args:
            uri: the object whose metadata is wanted, and its location.
            handshake: the value for the server's own check.
            serializer: the name of a serializer; None means ``config.SERIALIZER``.
            timeout: how many seconds connecting, and later each call, may take.
            sequence: the sequence number last used.
            capabilities: the capabilities to offer; where more than ``native`` is
                agreed on, another kind of channel has to take over.
            validate: called with the channel and the server's handshake value;
                raises to refuse the server.
            config: the settings.
            in_pyro4: whether to speak Pyro4's protocol. With ``PYRO4_SERVERS`` that
                is tried anyway if the server turns out to speak nothing else.

        Raises:
            CommunicationError: the server could not be reached, or refused.
        """
        name = serializer or config.SERIALIZER
        first = connect_serializer(name)
        timeout = timeout or None
        # Whoever waits for the call that connects here waits no longer than that.
        patience = time_limit(timeout)
        deadline = None if patience is None else time.monotonic() + patience
        try:
            context = client_tls_context(config) if config.SSL else None
            sock = connect_socket(uri, config, patience)
            if context is not None:
                sock = context.wrap_socket(
                    sock, server_hostname=uri.host or "localhost"
                )
        except OSError as error:
            failure: CommunicationError
            if isinstance(error, socket.timeout):
                failure = TimeoutError(f"connecting to {uri.location}: timeout")
            else:
                failure = CommunicationError(
                    f"cannot connect to {uri.location}: {error}"
                )
            failure.outcome = "not_sent"
            raise failure from error
        session = ClientSession(
            SessionSettings.from_config(config),
            capabilities=capabilities,
            sequence=sequence,
        )
        channel = cls(sock, uri, session, timeout=timeout)
        try:
            if in_pyro4:
                session.begin_in_pyro4()
            channel._shake_hands(first, handshake, deadline)
            channel.serializer = channel.choose(name)
            if validate is not None and channel.accepted is not None:
                validate(channel, channel.accepted.handshake)
        except BaseException as error:
            channel.close()
            if isinstance(error, CommunicationError):
                if session.has_met_pyro4:
                    return cls.connect(
                        uri,
                        handshake=handshake,
                        serializer=serializer,
                        timeout=timeout,
                        sequence=sequence,
                        validate=validate,
                        config=config,
                        in_pyro4=True,
                    )
                error.outcome = "not_sent"
            raise
        return channel

    @classmethod
    def on_socket(
        cls,
        sock: socket.socket,
        uri: URI,
        *,
        serializer: str | None = None,
        timeout: float | None = None,
        config: Configuration = config,
    ) -> BlockingChannel:
        """Use a socket that the program has connected itself; no handshake is made.

        Closing the channel leaves the socket open.
        """
        session = ClientSession(SessionSettings.from_config(config), connected=True)
        channel = cls(sock, uri, session, timeout=timeout, owns_socket=False)
        name = serializer or config.SERIALIZER
        first = opted_in(name) if name in PICKLED_IDS else connect_serializer(name)
        channel.serializer = session.limited(first)
        return channel

    def _shake_hands(
        self, serializer: Serializer, handshake: object, deadline: float | None
    ) -> None:
        annotations, correlation_id = outgoing()
        session = self._session
        session.send_connect(
            serializer, self.uri.object_id, handshake, annotations, correlation_id
        )
        self._send(session.data_to_send(), deadline)
        data = None
        if deadline is None:
            try:
                data = self.sock.recv(_RECEIVE_SIZE)
            except OSError as error:
                raise self._lost(error, "receiving") from error
        event = self._next_event(deadline, data)
        if isinstance(event, ConnectRefused):
            raise rejected(self.uri, event)
        if not isinstance(event, ConnectAccepted):
            raise LocalProtocolError("the handshake was answered by another message")
        self.accepted = event
        incoming(event.annotations)

    def choose(self, name: str) -> Serializer:
        """Return the serializer that a name stands for on this connection.

        Raises:
            ValueError: there is no serializer of that name.
            LocalProtocolError: native is demanded, and the server does not have it.
        """
        session = self._session
        native = NATIVE in session.capabilities
        if name == "auto":
            serializer = _NATIVE if native else _SERPENT
        else:
            serializer = choose_serializer(name, native=native)
        return session.limited(serializer)

    @property
    def session(self) -> ClientSession:
        """The conversation."""
        return self._session

    @property
    def native(self) -> bool:
        """Whether the native serializer was agreed on."""
        return self._session.native

    @property
    def sequence(self) -> int:
        """The sequence number last used."""
        return self._session.sequence

    def getpeercert(self) -> Any:
        """Return the server's TLS certificate as the ssl module gives it, or None."""
        return self.sock.getpeercert() if is_encrypted(self.sock) else None

    def close(self) -> None:
        """End the connection; harmless if it has ended already."""
        if not self.closed:
            self.closed = True
            if self._owns_socket and not self._close_unless_used():
                # Wakes the one who is waiting for an answer, and closes it: the number
                # of a closed socket may be that of another at once.
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)

    def _close_unless_used(self) -> bool:
        """Close the socket, unless somebody uses it, who does so afterwards."""
        if not self._owns_socket:
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self.sock.close()
        finally:
            self._lock.release()
        return True

    def abandon(self) -> None:
        """Leave the connection to another process that has it too, after a fork."""
        self.closed = True
        if self._owns_socket:
            self.sock.close()

    def call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        flags: int = 0,
        serializer: Serializer | None = None,
    ) -> Any:
        """Make a call and return its result.

        Args:
            object_id: the object.
            method: the name of the method.
            args: the positional arguments.
            kwargs: the keyword arguments; None for attributes and batches.
            flags: flags of the message, such as oneway.
            serializer: what to write the call with.

        Returns:
            The result; None at once for a oneway call; a `StreamReference` for a
            stream.

        Raises:
            CommunicationError: the connection failed; it is closed.
            SerializeError: the arguments cannot be encoded; nothing was sent.
            Exception: whatever the method raised.
        """
        if serializer is None:
            serializer = self.serializer
        serializer_id = serializer.id
        try:
            payload: Payload
            if self._compresses:
                payload = serializer.dumps_call(object_id, method, args, kwargs)
            else:
                payload = serializer.encode_call(object_id, method, args, kwargs)
        except CommunicationError as error:
            error.outcome = "not_sent"
            raise
        begun = time.monotonic() if self.timeout is not None else None
        frame: Frame | None
        try:
            if (
                begun is None
                and serializer_id == _NATIVE_ID
                and type(payload) is bytes
                and not (flags or self._timed)
                and call_state.get() is None
                and self._session.plain
            ):
                answer = self._exchange_quickly(payload)
                if type(answer) is bytes:
                    return serializer.loads(answer)
                frame = answer  # type: ignore[assignment] # nothing else is left
            else:
                frame = self.exchange(serializer_id, payload, flags)
        except TimeoutError as error:
            name_call(error, object_id, method, args, begun)
            raise
        if frame is None:
            return None
        if frame.flags & FLAG_EXCEPTION or frame.serializer_id != serializer_id:
            return self.read(frame, serializer_id)
        return serializer.loads(frame.payload)

    def call_with_text(self, object_id: str, method: str, text: object) -> Any:
        """Make a call with one argument, a text, and return its result.

        The same as `call`, in a shorter way where nothing is unusual.

        Raises:
            CommunicationError: the connection failed; it is closed.
            SerializeError: the text cannot be encoded; nothing was sent.
            Exception: whatever the method raised.
        """
        serializer = self.serializer
        if (
            self.timeout is None
            and serializer.id == _NATIVE_ID
            and type(text) is str
            and len(text) <= _LONGEST_TEXT
            and not self._timed
            and call_state.get() is None
            and self._session._plain  # noqa: SLF001 - the hot path
        ):
            start, end = begin_text_call(object_id, method)
            try:
                payload = start + pack_number(text) + end
            except UnicodeError:
                # It is told of by what is made for any argument.
                payload = None
            if payload is not None:
                answer = self._exchange_quickly(payload)
                if type(answer) is bytes:
                    return serializer.loads(answer)
                return self.read(answer, _NATIVE_ID)  # type: ignore[arg-type] # nothing else is left
        return self.call(object_id, method, (text,), {})

    def usual(self, object_id: str) -> Any:  # noqa: ARG002 - see below
        """Return what makes usual calls of an object in a shorter way; None is none."""
        return None

    def learn(self, method: str) -> bool:  # noqa: ARG002 - see below
        """Take a method up among those that are called so; whether that is new."""
        return False

    def read(self, frame: Frame, serializer_id: int) -> Any:
        """Return what an answer holds; raise the exception it holds.

        Args:
            frame: the answer.
            serializer_id: the id of the serializer of the request.

        Raises:
            Exception: see `read_reply`.
        """
        try:
            return read_reply(frame, serializer_id, self._session.serializers)
        except Exception as error:
            if self._owns_socket and self._session.ends_connection(error):
                self.close()
            raise

    def exchange(  # noqa: PLR0912 - the hot path, in one frame
        self,
        serializer_id: int,
        payload: Payload,
        flags: int = 0,
        extra_annotations: Annotations = NO_ANNOTATIONS,
    ) -> Frame | None:
        """Send a request that is serialized already and return its answer.

        Returns:
            The answer as it was received; None for a oneway request.

        Raises:
            CommunicationError: the connection failed; it is closed.
        """
        annotations, correlation_id = extra_annotations, None
        state = call_state.get()
        if state is not None:
            annotations, correlation_id = outgoing()
            if extra_annotations:
                annotations = {**annotations, **extra_annotations}
        limit = time_limit(self.timeout)
        session = self._session
        try:
            with self._lock:
                if self.closed:
                    raise _not_sent(ConnectionClosedError("the connection is closed"))
                try:
                    buffers = session.request(
                        serializer_id, payload, flags, annotations, correlation_id
                    )
                except CommunicationError as error:
                    error.outcome = "not_sent"
                    raise
                try:
                    if self._timed or limit is not None:
                        deadline = None if limit is None else time.monotonic() + limit
                        self._send(buffers, deadline)
                        if flags & FLAG_ONEWAY:
                            return None
                        frame = self._next_reply(deadline)
                    else:
                        sock = self.sock
                        try:
                            for buffer in buffers:
                                sock.sendall(buffer)
                        except OSError as error:
                            raise _not_sent(self._lost(error, "sending")) from error
                        if flags & FLAG_ONEWAY:
                            return None
                        data = sock.recv(_RECEIVE_SIZE)
                        frame = session.only_reply(data) or self._next_reply(None, data)
                except OSError as error:
                    self.close()
                    raise self._lost(error, "receiving") from error
                except BaseException:
                    # Whatever ended the wait, a signal handler's exception too: the
                    # answer may still come, and would be taken for the next one.
                    self.close()
                    raise
        finally:
            if self.closed:
                self._close_unless_used()
        if state is not None or frame.annotations:
            incoming(frame.annotations)
        return frame

    def _exchange_quickly(self, payload: bytes) -> bytes | Frame:
        """Send a call in the native format; return what its answer holds, or that.

        A short way for small calls whose answer is a value.

        Raises:
            CommunicationError: the connection failed; it is closed.
        """
        size = len(payload)
        if size >= JOIN_BELOW:
            result = self.exchange(_NATIVE_ID, payload)
            assert result is not None  # noqa: S101 - it is no oneway call
            return result
        session = self._session
        try:
            with self._lock:
                if self.closed:
                    raise _not_sent(ConnectionClosedError("the connection is closed"))
                sequence = session.sequence = (session.sequence + 1) & _SEQUENCE_MASK
                sock = self.sock
                try:
                    try:
                        sock.sendall(
                            join_header(CALL, sequence, size, NO_MORE) + payload
                        )
                    except OSError as error:
                        raise _not_sent(self._lost(error, "sending")) from error
                    data = sock.recv(_RECEIVE_SIZE)
                    size = len(data) - HEADER_SIZE
                    if (
                        size > 0
                        and data[_HEADER]
                        == join_header(ANSWER, sequence, size, NO_MORE)
                        and not session._decoder.buffered  # noqa: SLF001 - the hot path
                    ):
                        return data[_PAYLOAD]
                    session.expect(sequence)
                    frame = self._next_reply(None, data)
                except OSError as error:
                    self.close()
                    raise self._lost(error, "receiving") from error
                except BaseException:
                    # As in `exchange`: the answer may still come.
                    self.close()
                    raise
        finally:
            if self.closed:
                self._close_unless_used()
        if frame.annotations:
            incoming(frame.annotations)
        return frame

    def ping(self) -> None:
        """Wait for a sign of life of the server.

        Raises:
            CommunicationError: it gave none; the connection is closed.
        """
        try:
            with self._lock:
                if self.closed:
                    raise _not_sent(ConnectionClosedError("the connection is closed"))
                deadline = self._deadline()
                try:
                    self._session.send_ping()
                    self._send(self._session.data_to_send(), deadline)
                    self._next_event(deadline)
                except BaseException:
                    self.close()
                    raise
        finally:
            if self.closed:
                self._close_unless_used()

    def post(self, object_id: str, method: str, args: Sequence[object]) -> bool:
        """Send a oneway call if that can be done at this moment, without waiting.

        Made for finalizers: one may run in the midst of another call, in the
        thread that makes it, where waiting for the connection would never end. Nor
        does it wait for a server that does not read.

        Returns:
            Whether it was sent.

        Raises:
            CommunicationError: the connection failed; it is closed.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self.closed or not _takes_more(self.sock):
                return False
            serializer = self.serializer
            buffers = self._session.request(
                serializer.id,
                serializer.dumps_call(object_id, method, args, {}),
                FLAG_ONEWAY,
                NO_ANNOTATIONS,
                None,
            )
            try:
                self._send(buffers, self._deadline())
            except BaseException:
                self.close()
                raise
        finally:
            self._lock.release()
            if self.closed:
                self._close_unless_used()
        return True

    def _deadline(self) -> float | None:
        """Return when a call has to be answered."""
        limit = time_limit(self.timeout)
        return None if limit is None else time.monotonic() + limit

    def _next_reply(self, deadline: float | None, data: bytes | None = None) -> Frame:
        event = self._next_event(deadline, data)
        if not isinstance(event, Frame):
            raise LocalProtocolError("the conversation is not open yet")
        return event

    def _next_event(
        self, deadline: float | None, data: bytes | None = None
    ) -> ClientEvent:
        """Receive until there is an answer, after ``data`` that has been received."""
        session = self._session
        if data is not None:
            self._take_in(data)
        while not (events := session.events_received()):
            if deadline is not None:
                left = deadline - time.monotonic()
                self.sock.settimeout(max(left, _SHORTEST_WAIT))
            try:
                self._receive(waits=deadline is None)
            except OSError as error:
                raise self._lost(error, "receiving") from error
        return events[0]

    def _receive(self, *, waits: bool) -> None:
        """Receive once; a large message directly into its final place."""
        space = self._session.space
        if space is None:
            self._take_in(self.sock.recv(_RECEIVE_SIZE))
            return
        # With a timeout Python waits in steps, and the flag has no effect.
        flags = self._receive_flags if waits else 0
        count = self.sock.recv_into(space, 0, flags)
        if count:
            self._session.receive_written(count)
        else:
            self._session.receive_eof()

    def _take_in(self, data: bytes) -> None:
        if not data:
            self._session.receive_eof()
        self._session.receive_data(data)

    def _send(self, buffers: list[Buffer], deadline: float | None) -> None:
        sock = self.sock
        try:
            if deadline is not None:
                sock.settimeout(max(deadline - time.monotonic(), _SHORTEST_WAIT))
                self._timed = True
            elif self._timed:
                # Only when it changes: it is a system call each time.
                sock.settimeout(None)
                self._timed = False
            for buffer in buffers:
                sock.sendall(buffer)
        except OSError as error:
            # Not all of it went out, so that the server cannot act on it.
            raise _not_sent(self._lost(error, "sending")) from error

    def _lost(self, error: OSError, doing: str) -> CommunicationError:
        if isinstance(error, socket.timeout):
            return TimeoutError(
                f"{doing}: timeout (no answer from {self.uri.location})"
            )
        return ConnectionClosedError(
            f"{doing}: connection to {self.uri.location} lost: {error}"
        )


def _takes_more(sock: socket.socket) -> bool:
    """Whether a short message can be written without waiting."""
    if not hasattr(select, "poll"):
        return bool(select.select((), (sock,), (), 0)[1])
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(0))


def _not_sent(error: CommunicationError) -> CommunicationError:
    error.outcome = "not_sent"
    return error


def name_call(
    error: TimeoutError,
    object_id: str,
    method: str,
    args: Sequence[object],
    begun: float | None,
) -> None:
    """Have a time-out tell which call it was, and how long that took.

    Args:
        error: what is being raised.
        object_id: the object.
        method: the name of the method.
        args: its arguments; of an access to an attribute, its name first.
        begun: when the call began, as ``time.monotonic`` tells it; None if not known.
    """
    name = f"{object_id}.{method}()"
    if method in ("__getattr__", "__setattr__") and args:
        name = f"attribute {object_id}.{args[0]}"
    took = "" if begun is None else f" after {time.monotonic() - begun:.3f} s"
    error.args = (f"{error}: {name}{took}",)


def time_limit(timeout: float | None) -> float | None:
    """Return how many seconds a call may take; None is no bound.

    Args:
        timeout: what its proxy says.
    """
    state = call_state.get()
    if state is None:
        return timeout
    if state.time_limit is not None:
        timeout = None if state.time_limit == math.inf else state.time_limit
    return shorter(timeout, current_context.remaining)


def shorter(timeout: float | None, limit: float | None) -> float | None:
    """Return the shorter of two time limits in seconds; None is no limit."""
    if timeout is None or limit is None:
        return limit if timeout is None else timeout
    return min(timeout, limit)


def outgoing() -> tuple[Annotations, bytes | None]:
    """Return what the context wants to send along: annotations, correlation id."""
    state = call_state.get()
    if state is None:
        return NO_ANNOTATIONS, None
    return state.own_annotations or NO_ANNOTATIONS, state.correlation


def incoming(annotations: Annotations) -> None:
    """Let the context know what the server sent along."""
    state = call_state.get()
    if state is None:
        if annotations:
            current_context.response_annotations = annotations
    elif state.client is None and (annotations or state.response_annotations):
        # While a request is served, what a nested call brings is not for our client.
        state.response_annotations = dict(annotations)
