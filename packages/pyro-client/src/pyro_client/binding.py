"""The binding: what a proxy and its method objects share, and its connection."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.dispatch.calls import GET_ATTRIBUTE, SET_ATTRIBUTE
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    PyroError,
    SerializeError,
)
from pyro_protocol.references import SerializedBlob
from pyro_protocol.session import StreamReference
from pyro_protocol.session.blobs import encode_blob
from pyro_protocol.session.capabilities import DEFAULT_CAPABILITIES
from pyro_protocol.transport import BlockingChannel
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Payload,
)

from .leases import ReceivedLease, forget_connection, remember_connection
from .plain_calls import PlainCalls
from .plain_oneway import send_plainly
from .repeating import repeat, repeat_method
from .sharing import ReceivedStream, SharedChannel, offered_capabilities
from .streams import ChunkedStream, StreamIterator

if TYPE_CHECKING:
    import socket

    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import ConnectAccepted
    from pyro_protocol.uri import URI

    from .facts import ObjectFacts
    from .retries import RetryPolicy

__all__ = ["Binding"]

_DAEMON_NAME: Final = "Pyro.Daemon"
_RECONNECT_INTERVAL: Final = 2.0
_ATTRIBUTES: Final = frozenset({GET_ATTRIBUTE, SET_ATTRIBUTE})
_STREAMS: Final = frozenset({StreamReference, ReceivedStream})
# The function of that name is one of Python, and each connection needs one.
_new_lock: Final = type(threading.RLock())

Validator = Callable[[], Callable[[Any], Any] | None]
Listener = Callable[[], None]
ReconnectedHook = Callable[[], Callable[[bool], None] | None]


class Binding(PlainCalls):
    """Where a proxy leads, how it calls, and its connection if it has one.

    Any thread may use it. Method objects hold on to the binding, not to the
    proxy, so that a proxy nobody refers to closes its connection at once.

    Attributes:
        uri: the URI as given, or what it was resolved to by `bind`.
        channel: the connection, or None.
        methods: names of the remote methods.
        attributes: names of the remote attributes.
        asynchronous: whether methods are called in the background.
        handshake: the value sent when connecting.
        facts: what the server has said about the object, after a call has failed; None
            if it was not asked yet.
        retries: which failed calls are tried again; None for none.
        validate: gives what the server's handshake value is checked with; a weak
            reference, since it is a method of the proxy.
        reconnected: gives what is called after a lost connection was replaced; weak,
            as well. Without it a loss that matters is logged.
        names_changed: called when a server offers other names than those known
            before; it must not keep the proxy alive either.
        config: the settings.
        lease: what gives back the reference that the proxy was received as, if it is
            for a leased object.
        lease_key: the name by which references that come over the connection call it.
    """

    __slots__ = (
        "__weakref__",
        "_abandoned",
        "_candidate",
        "_connected_socket",
        "_lock",
        "_lost",
        "_max_retries",
        "_raw_response",
        "_retry_policy",
        "_sequence",
        "_serializer_name",
        "_timeout",
        "asynchronous",
        "attributes",
        "channel",
        "config",
        "facts",
        "handshake",
        "lease",
        "lease_key",
        "methods",
        "names_changed",
        "reconnected",
        "retries",
        "uri",
        "validate",
    )

    def __init__(
        self,
        uri: URI,
        config: Configuration,
        connected_socket: socket.socket | None = None,
    ) -> None:
        self.uri: URI = uri
        self.config: Configuration = config
        self.channel: BlockingChannel | None = None
        self.methods: set[str] = set()
        self.attributes: set[str] = set()
        self.oneway: set[str] = set()
        self.handshake: object = "hello"
        self._usual = None
        self._serializer_name: str | None = None
        self.facts: ObjectFacts | None = None
        self.retries: RetryPolicy | None = None
        self._retry_policy: RetryPolicy | None = None
        self._max_retries = config.MAX_RETRIES
        if self._max_retries:
            self._choose_retries()
        self._raw_response = False
        self.asynchronous: bool = False
        self.validate: Validator | None = None
        self.reconnected: ReconnectedHook | None = None
        self._timeout: float | None = config.COMMTIMEOUT or None
        self._connected_socket = connected_socket
        self.object_id: str = uri.object_id
        self.names_changed: Listener | None = None
        self._sequence = 0
        self._lock = _new_lock()
        # The connection whose server is just being checked, so that no other
        # thread uses it yet.
        self._candidate: BlockingChannel | None = None
        # The connection that was lost before the program asked to reconnect.
        self._lost: BlockingChannel | None = None
        # What finalizers could not tell the server at once: method and argument.
        self._abandoned: list[tuple[str, Any]] = []
        self.lease: ReceivedLease | None = None
        self.lease_key: str | None = None
        _all_bindings.add(weakref.ref(self, _all_bindings.discard))

    def __del__(self) -> None:
        channel = getattr(self, "channel", None)
        if channel is not None:
            # When the interpreter ends, what would suppress it may be gone already.
            try:  # noqa: SIM105 - see above
                channel.close()
            except Exception:  # noqa: BLE001, S110 - there is nobody to tell
                pass

    @property
    def timeout(self) -> float | None:
        """How many seconds a call may take; None means no bound."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._timeout = seconds or None
        channel = self.current_channel
        if channel is not None:
            channel.timeout = self._timeout
            self._usual = None

    @property
    def max_retries(self) -> int:
        """How often a call is tried again after the connection was lost."""
        return self._max_retries

    @max_retries.setter
    def max_retries(self, number: int) -> None:
        self._max_retries = number
        self._choose_retries()

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """Which failed calls are tried again, if not as ``max_retries`` says."""
        return self._retry_policy

    @retry_policy.setter
    def retry_policy(self, policy: RetryPolicy | None) -> None:
        self._retry_policy = policy
        self._choose_retries()

    def _choose_retries(self) -> None:
        policy = self._retry_policy
        if policy is None and self._max_retries > 0:
            from .retries import after_lost_connections  # noqa: PLC0415 - costs time

            policy = after_lost_connections(self._max_retries)
        self.retries = policy
        self._usual = None

    @property
    def serializer_name(self) -> str | None:
        """The serializer to use, or None for the configured one."""
        return self._serializer_name

    @serializer_name.setter
    def serializer_name(self, name: str | None) -> None:
        if name != self._serializer_name:
            self._serializer_name = name
            self._usual = None

    @property
    def raw_response(self) -> bool:
        """Whether calls return the answer as it was received."""
        return self._raw_response

    @raw_response.setter
    def raw_response(self, raw: bool) -> None:
        if raw != self._raw_response:
            self._raw_response = raw
            self._usual = None

    @property
    def sequence(self) -> int:
        """The sequence number last used."""
        channel = self.channel
        return self._sequence if channel is None else channel.sequence

    @property
    def connected(self) -> bool:
        """Whether there is a connection that has not ended."""
        channel = self.channel
        return channel is not None and not channel.closed

    @property
    def current_channel(self) -> BlockingChannel | None:
        """The connection, also while its server is being checked; or None."""
        return self.channel if self.connected else self._candidate

    def connect(self, *, replace_uri: bool = False) -> BlockingChannel:
        """Return the connection, making it first if there is none.

        Raises:
            CommunicationError: the server could not be reached, or refused.
            NamingError: the name could not be resolved.
        """
        with self._lock:
            if self._candidate is not None:
                # It is the check of the server itself that makes a call.
                return self._candidate
            channel = self.channel
            if channel is not None and not channel.closed:
                return channel
            if channel is not None:
                if self._connected_socket is not None:
                    raise _socket_spent()
                self._sequence = channel.sequence
            lost = channel or self._lost
            if self._connected_socket is not None:
                channel = self._use_socket(self._connected_socket)
            else:
                channel = self._open(replace_uri=replace_uri)
            if lost is not None:
                self._resume(lost, channel)
            self.channel = channel
            return channel

    def _resume(self, lost: BlockingChannel, found: BlockingChannel) -> None:
        """Let the program act on the loss of a connection before others use the new."""
        from .reconnecting import resume  # noqa: PLC0415 - most connections last

        self._candidate = found
        try:
            resume(self, lost, found)
            self._lost = None
        except BaseException:
            found.close()
            raise
        finally:
            self._candidate = None

    def _open(self, *, replace_uri: bool) -> BlockingChannel:
        uri = self.uri
        if uri.protocol == "PYROMETA":
            from .candidates import connect_to_any  # noqa: PLC0415 - few programs do

            connect = partial(self._open_at, replace_uri=replace_uri)
            return connect_to_any(uri, connect, self._timeout, self.config)
        if uri.protocol != "PYRO":
            from pyro_protocol.naming.resolve import (  # noqa: PLC0415 - many do without
                resolve,
            )

            uri = resolve(uri, config=self.config)
        return self._open_at(uri, replace_uri=replace_uri)

    def _open_at(self, uri: URI, *, replace_uri: bool) -> BlockingChannel:
        validate = None
        if self.validate is not None:
            validate = self.validate()
            if validate is None:
                raise _not_sent("the proxy that would check the server is gone")
        channel = self._connect_to(uri)
        if not channel.session.capabilities <= DEFAULT_CAPABILITIES:
            channel = SharedChannel(channel, self.config, self.config.STREAM_READ_AHEAD)
        known = self.methods, self.oneway, self.attributes
        try:
            accepted = _offer(channel)
            self.object_id = uri.object_id
            self.set_metadata(accepted.methods, accepted.oneway, accepted.attributes)
            if validate is not None:
                self._candidate = channel
                validate(accepted.handshake)
        except BaseException:
            self.set_metadata(*known)
            channel.close()
            raise
        finally:
            self._candidate = None
        if replace_uri:
            self.uri = uri
        if self.lease_key is not None:
            forget_connection(self.lease_key)
        self.lease_key = accepted.lease_key
        if self.lease_key is not None:
            remember_connection(self.lease_key, self)
        return channel

    def _connect_to(self, uri: URI) -> BlockingChannel:
        return BlockingChannel.connect(
            uri,
            handshake=self.handshake,
            serializer=self._serializer_name,
            timeout=self._timeout,
            sequence=self._sequence,
            capabilities=offered_capabilities(self.config),
            config=self.config,
        )

    def _use_socket(self, sock: socket.socket) -> BlockingChannel:
        """Use a socket that is connected already; the metadata has to be asked for."""
        channel = BlockingChannel.on_socket(
            sock,
            self.uri,
            serializer=self.serializer_name,
            timeout=self._timeout,
            config=self.config,
        )
        if not self.methods and not self.attributes:
            metadata = channel.call(_DAEMON_NAME, "get_metadata", (self.object_id,), {})
            self.set_metadata(
                metadata["methods"], metadata["oneway"], metadata["attrs"]
            )
        return channel

    def set_metadata(self, methods: Any, oneway: Any, attributes: Any) -> None:
        """Take over the names that the remote object offers."""
        before = self.methods, self.attributes
        self.methods = set(methods)
        self.oneway = set(oneway)
        self.attributes = set(attributes)
        if before != (self.methods, self.attributes):
            self.facts = None
            # A proxy that knew of no names has found none.
            if self.names_changed is not None and (before[0] or before[1]):
                self.names_changed()

    def need_metadata(self) -> None:
        """Connect if it is not known yet what the remote object offers."""
        if not self.methods and not self.attributes:
            policy = self._retry_policy
            if policy is None:
                channel = self.connect()
                if not self._is_unusual:
                    # A call follows most often, which need not look for it then.
                    self._find_usual(channel)
            else:
                repeat(self, policy, self.connect)

    def release(self) -> None:
        """End the connection; the next call makes a new one."""
        with self._lock:
            self._lost = None
            channel = self.channel or self._candidate
            if channel is None:
                return
            if self._connected_socket is None or not channel.closed:
                self.channel = self._usual = None
            self._sequence = channel.sequence
            channel.close()

    def reconnect(self, tries: int) -> None:
        """Make a new connection, trying again every two seconds.

        Raises:
            ConnectionClosedError: none of the tries succeeded.
        """
        import random  # noqa: PLC0415 - few programs need it

        channel = self.channel
        lost = channel if channel is not None and channel.closed else self._lost
        self.release()
        self._lost = lost
        while tries > 0:
            tries -= 1
            try:
                self.connect()
            except CommunicationError as error:
                if tries <= 0:
                    raise _not_sent("failed to reconnect") from error
                time.sleep(_RECONNECT_INTERVAL * random.uniform(0.9, 1.1))  # noqa: S311 - spreads clients out
            else:
                return
        raise _not_sent("failed to reconnect")

    def forget_connection(self) -> None:
        """Leave the connection to the parent process, after a fork."""
        channel = self.channel or self._candidate
        self.channel = self._candidate = self._lost = self._usual = None
        self._lock = _new_lock()
        self._abandoned = []
        if channel is not None:
            channel.abandon()

    def abandon_stream(self, stream_id: str) -> None:
        """Have the server end a stream, now or before the next call.

        Never waits for a call under way: made for finalizers, see
        `BlockingChannel.post`.
        """
        self._tell("close_stream", stream_id, stream_id)

    def give_back(self, object_id: str, number: int) -> None:
        """Give back a reference to a leased object, like `abandon_stream`."""
        reference = (object_id, number)
        self._tell("release", reference, [reference])

    def _tell(self, method: str, what: object, argument: object) -> None:
        channel = self.channel
        if channel is None or channel.closed:
            return
        if not channel.post(_DAEMON_NAME, method, (argument,)):
            self._abandoned.append((method, what))
            self._usual = None

    def _tell_now(self, channel: BlockingChannel) -> None:
        """Tell the server what finalizers could not."""
        given_back: list[Any] = []
        while self._abandoned:
            method, what = self._abandoned.pop()
            if method == "release":
                given_back.append(what)
            else:
                channel.call(_DAEMON_NAME, method, (what,), {}, FLAG_ONEWAY)
        if given_back:
            channel.call(_DAEMON_NAME, "release", (given_back,), {}, FLAG_ONEWAY)

    def _call_somehow(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        flags = FLAG_ONEWAY if method in self.oneway else 0
        channel = self.channel
        if (
            channel is None
            or channel.closed
            or self._is_unusual
            or (args and type(args[0]) is SerializedBlob)
        ):
            return self._call_with_retries(method, args, kwargs, flags)
        if self._take_up(channel, method) and not flags:
            # The first call of a method is most often as usual as the next.
            return self.call(method, *args, **kwargs)
        if flags:
            if not send_plainly(self, method, args, kwargs):
                channel.call(self.object_id, method, args, kwargs, flags)
            return None
        return self._as_result(
            channel, channel.call(self.object_id, method, args, kwargs)
        )

    def _take_up(self, channel: BlockingChannel, method: str) -> bool:
        """Have a method called on the short way from now on; whether that is new."""
        usual = self._usual
        if usual is None or usual[0] is not channel:
            self._find_usual(channel)
        return self._usual is not None and channel.learn(method)

    def _find_usual(self, channel: BlockingChannel) -> None:
        """Find what calls on the short way need, if there is one."""
        usual = self._usual = channel.usual(self.object_id)
        # In this order: whoever changes a setting does so before he looks.
        if usual is not None and (
            self.channel is not channel
            or usual[5] is not channel.timeout
            or self._is_unusual
        ):
            self._usual = None

    @property
    def _is_unusual(self) -> bool:
        """Whether calls of methods cannot be made on the short way."""
        return bool(
            self._serializer_name
            or self._raw_response
            or self.retries
            or self._abandoned
        )

    def _as_result(self, channel: BlockingChannel, result: Any) -> Any:
        return self._iterator(channel, result) if type(result) in _STREAMS else result

    def _iterator(self, channel: BlockingChannel, started: Any) -> Iterator[Any]:
        """Return what iterates over the stream that an answer has started."""
        if isinstance(started, ReceivedStream) and isinstance(channel, SharedChannel):
            return ChunkedStream(self, channel, started)
        return StreamIterator(self, started.stream_id)

    def _call_with_retries(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], flags: int
    ) -> Any:
        policy = self.retries
        if policy is None:
            return self.invoke(method, args, kwargs, flags)
        attempt = partial(self.invoke, method, args, kwargs, flags)
        return repeat_method(self, policy, method, attempt)

    def invoke(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        object_id: str | None = None,
    ) -> Any:
        """Send one request and return what its answer holds."""
        channel = self.channel
        if channel is None or channel.closed:
            channel = self.connect()
        if self._abandoned:
            self._tell_now(channel)
        if object_id is None:
            object_id = self.object_id
        serializer = None
        if self.serializer_name is not None:
            serializer = channel.choose(self.serializer_name)
        if self.raw_response or (args and type(args[0]) is SerializedBlob):
            return self._special(
                channel,
                serializer or channel.serializer,
                object_id,
                method,
                args,
                kwargs,
                flags,
            )
        result = channel.call(object_id, method, args, kwargs, flags, serializer)
        if type(result) in _STREAMS:
            return self._iterator(channel, result)
        return result

    def _special(
        self,
        channel: BlockingChannel,
        serializer: Serializer,
        object_id: str,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int,
    ) -> Any:
        """Send a request with a blob, or one whose answer stays as it is."""
        serializer_id, annotations = serializer.id, NO_ANNOTATIONS
        payload: Payload
        try:
            if not (args and isinstance(args[0], SerializedBlob)):
                payload = serializer.dumps_call(object_id, method, args, kwargs)
            elif len(args) > 1 or kwargs:
                raise SerializeError(
                    "a SerializedBlob must be the only argument of a call"
                )
            else:
                serializer_id, payload, annotations = encode_blob(
                    args[0], object_id, method, serializer
                )
                flags |= FLAG_KEEPSERIALIZED
        except CommunicationError as error:
            error.outcome = "not_sent"
            raise
        frame = channel.exchange(serializer_id, payload, flags, annotations)
        if frame is None or self.raw_response:
            if frame is not None and isinstance(channel, SharedChannel):
                channel.drop_stream(frame)
            return frame
        result = channel.read(frame, serializer_id)
        if type(result) in _STREAMS:
            return self._iterator(channel, result)
        return result

    def access(self, method: str, args: Sequence[Any]) -> Any:
        """Read or write an attribute, again where the retry policy allows it."""
        if method in _ATTRIBUTES:
            channel = self.channel
            if self._usual is not None or (
                channel is not None
                and not (channel.closed or self._is_unusual)
                and self._take_up(channel, method)
            ):
                return self.call(method, *args)
        policy = self.retry_policy
        if policy is None:
            return self.invoke(method, args, None)
        attempt = partial(self.invoke, method, args, None)
        return repeat_method(self, policy, method, attempt)

    def invoke_batch(self, calls: Sequence[Any], *, oneway: bool) -> Any:
        """Send several calls in one request and return the list of results."""
        flags = FLAG_BATCH | (FLAG_ONEWAY if oneway else 0)
        attempt = partial(self.invoke, "<batch>", list(calls), None, flags)
        policy = self.retry_policy
        return attempt() if policy is None else repeat(self, policy, attempt)

    def copy(self) -> Binding:
        """Return an unconnected binding with the same settings."""
        result = Binding(self.uri, self.config, self._connected_socket)
        self.hand_on(result)
        return result

    def hand_on(self, result: Binding) -> None:
        """Give another binding the settings of this one."""
        result.methods = set(self.methods)
        result.attributes = set(self.attributes)
        result.oneway = set(self.oneway)
        result.handshake = self.handshake
        result.serializer_name = self.serializer_name
        result.max_retries = self.max_retries
        result.retry_policy = self.retry_policy
        result.raw_response = self.raw_response
        result.asynchronous = self.asynchronous
        result.timeout = self._timeout
        result.lease = self.lease


def _offer(channel: BlockingChannel) -> ConnectAccepted:
    """Return what the server has accepted us with.

    Raises:
        PyroError: its object has nothing that could be used.
    """
    accepted = channel.accepted
    if accepted is None or not (accepted.methods or accepted.attributes):
        raise PyroError(
            f"remote object {channel.uri} exposes nothing: no method, no attribute"
        )
    return accepted


def _not_sent(reason: str) -> ConnectionClosedError:
    error = ConnectionClosedError(reason)
    error.outcome = "not_sent"
    return error


def _socket_spent() -> ConnectionClosedError:
    return _not_sent(
        "the conversation on the connected socket broke off, and an answer may still "
        "be under way on it; connect another socket and make a new proxy for it"
    )


# A `WeakSet` does the same with two functions of Python for each.
_all_bindings: Final[set[weakref.ref[Binding]]] = set()


def _after_fork() -> None:
    """Keep a forked child from speaking on its parent's connections."""
    for reference in list(_all_bindings):
        binding = reference()
        if binding is not None:
            binding.forget_connection()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
