"""The binding: what a proxy and its method objects share, and its connection."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    PyroError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.naming import resolve
from pyro_protocol.references import SerializedBlob
from pyro_protocol.session import StreamReference
from pyro_protocol.session.blobs import encode_blob
from pyro_protocol.transport import BlockingChannel
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Payload,
)

from .leases import ReceivedLease, forget_connection, remember_connection
from .streams import StreamIterator

if TYPE_CHECKING:
    import socket

    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import ConnectAccepted
    from pyro_protocol.uri import URI

__all__ = ["Binding"]

_DAEMON_NAME: Final = "Pyro.Daemon"
_RECONNECT_INTERVAL: Final = 2.0

Validator = Callable[[], Callable[[Any], Any] | None]
Listener = Callable[[], None]


class Binding:
    """Where a proxy leads, how it calls, and its connection if it has one.

    Any thread may use it. Method objects hold on to the binding, not to the
    proxy, so that a proxy nobody refers to closes its connection at once.

    Attributes:
        uri: the URI as given, or what it was resolved to by `bind`.
        object_id: the id of the object that calls are for.
        channel: the connection, or None.
        methods: names of the remote methods.
        attributes: names of the remote attributes.
        oneway: names of the methods whose callers do not wait.
        handshake: the value sent when connecting.
        serializer_name: the serializer to use, or None for the configured one.
        max_retries: how often a call is repeated after a failure of the
            connection.
        raw_response: whether calls return the answer as it was received.
        validate: gives what the server's handshake value is checked with; a weak
            reference, since it is a method of the proxy.
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
        "_sequence",
        "_timeout",
        "attributes",
        "channel",
        "config",
        "handshake",
        "lease",
        "lease_key",
        "max_retries",
        "methods",
        "names_changed",
        "object_id",
        "oneway",
        "raw_response",
        "serializer_name",
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
        self.serializer_name: str | None = None
        self.max_retries: int = config.MAX_RETRIES
        self.raw_response: bool = False
        self.validate: Validator | None = None
        self._timeout: float | None = config.COMMTIMEOUT or None
        self._connected_socket = connected_socket
        self.object_id: str = uri.object_id
        self.names_changed: Listener | None = None
        self._sequence = 0
        self._lock = threading.RLock()
        # The connection whose server is just being checked, so that no other
        # thread uses it yet.
        self._candidate: BlockingChannel | None = None
        # What finalizers could not tell the server at once: method and argument.
        self._abandoned: list[tuple[str, Any]] = []
        self.lease: ReceivedLease | None = None
        self.lease_key: str | None = None
        _all_bindings.add(self)

    def __del__(self) -> None:
        channel = getattr(self, "channel", None)
        if channel is not None:
            with contextlib.suppress(Exception):
                channel.close()

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
            if self._connected_socket is not None:
                channel = self._use_socket(self._connected_socket)
            else:
                channel = self._open(replace_uri=replace_uri)
            self.channel = channel
            return channel

    def _open(self, *, replace_uri: bool) -> BlockingChannel:
        validate = None
        if self.validate is not None:
            validate = self.validate()
            if validate is None:
                raise _not_sent("the proxy that would check the server is gone")
        uri = self.uri
        if uri.protocol != "PYRO":
            uri = resolve(uri, config=self.config)
        channel = BlockingChannel.connect(
            uri,
            handshake=self.handshake,
            serializer=self.serializer_name,
            timeout=self._timeout,
            sequence=self._sequence,
            config=self.config,
        )
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
        if self.names_changed is not None and before != (self.methods, self.attributes):
            self.names_changed()

    def need_metadata(self) -> None:
        """Connect if it is not known yet what the remote object offers."""
        if not self.methods and not self.attributes:
            self.connect()

    def release(self) -> None:
        """End the connection; the next call makes a new one."""
        with self._lock:
            channel = self.channel or self._candidate
            if channel is None:
                return
            if self._connected_socket is None or not channel.closed:
                self.channel = None
            self._sequence = channel.sequence
            channel.close()

    def reconnect(self, tries: int) -> None:
        """Make a new connection, trying again every two seconds.

        Raises:
            ConnectionClosedError: none of the tries succeeded.
        """
        self.release()
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
        self.channel = self._candidate = None
        self._lock = threading.RLock()
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

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a remote method, again as often as ``max_retries`` allows."""
        flags = FLAG_ONEWAY if method in self.oneway else 0
        channel = self.channel
        if (
            channel is None
            or channel.closed
            or self.serializer_name
            or self.raw_response
            or self.max_retries
            or self._abandoned
            or (args and type(args[0]) is SerializedBlob)
        ):
            return self._call_with_retries(method, args, kwargs, flags)
        result = channel.call(self.object_id, method, args, kwargs, flags)
        if type(result) is StreamReference:
            return StreamIterator(self, result.stream_id)
        return result

    def _call_with_retries(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], flags: int
    ) -> Any:
        for attempt in range(self.max_retries + 1):
            try:
                return self.invoke(method, args, kwargs, flags)
            except (ConnectionClosedError, TimeoutError) as error:
                # One with a remote traceback was raised by the remote object.
                if attempt >= self.max_retries or hasattr(error, "_pyroTraceback"):
                    raise
        raise AssertionError("the loop returns or raises")

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
        if type(result) is StreamReference:
            return StreamIterator(self, result.stream_id)
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
            return frame
        result = channel.read(frame, serializer_id)
        if type(result) is StreamReference:
            return StreamIterator(self, result.stream_id)
        return result

    def invoke_batch(self, calls: Sequence[Any], *, oneway: bool) -> Any:
        """Send several calls in one request and return the list of results."""
        flags = FLAG_BATCH | (FLAG_ONEWAY if oneway else 0)
        return self.invoke("<batch>", list(calls), None, flags)

    def copy(self) -> Binding:
        """Return an unconnected binding with the same settings."""
        result = Binding(self.uri, self.config, self._connected_socket)
        result.methods = set(self.methods)
        result.attributes = set(self.attributes)
        result.oneway = set(self.oneway)
        result.handshake = self.handshake
        result.serializer_name = self.serializer_name
        result.max_retries = self.max_retries
        result.raw_response = self.raw_response
        result.timeout = self._timeout
        result.lease = self.lease
        return result


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


_all_bindings: weakref.WeakSet[Binding] = weakref.WeakSet()


def _after_fork() -> None:
    """Keep a forked child from speaking on its parent's connections."""
    for binding in list(_all_bindings):
        binding.forget_connection()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
