"""The connection of a blocking client to any of several name servers."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    DaemonError,
    SecurityError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..transport import BlockingChannel
from .standing import (
    check_ability,
    handshake_for,
    is_absent,
    patience_for,
    refused,
    standing,
)

if TYPE_CHECKING:
    from ..config import Configuration
    from ..uri import URI
    from .operations import Operation

__all__ = ["Connection"]

Result = TypeVar("Result")


class Connection:
    """Connects to the first name server that works, and to the next if it fails.

    Threads may share it: their calls take turns.

    Args:
        uris: where the name servers are, which answer alike; at least one.
        serializer: the name of the serializer.
        config: the settings.

    Attributes:
        uri: the name server that was connected to last.
    """

    def __init__(
        self, uris: tuple[URI, ...], serializer: str, config: Configuration
    ) -> None:
        self.uri: URI = uris[0]
        self._uris = uris
        self._serializer = serializer
        self._config = config
        self._timeout = config.COMMTIMEOUT or None
        self._channel: BlockingChannel | None = None
        self._lock = threading.Lock()
        self._ended = False

    def another(self) -> Connection:
        """Return one to the same name servers that is not connected yet."""
        result = Connection(self._uris, self._serializer, self._config)
        result.timeout = self._timeout
        return result

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        channel = self._channel
        return channel is not None and not channel.closed

    @property
    def methods(self) -> frozenset[str]:
        """What the name server can do that was connected to last."""
        accepted = None if self._channel is None else self._channel.accepted
        return frozenset() if accepted is None else accepted.methods

    @property
    def timeout(self) -> float | None:
        """How many seconds connecting, and each call, may take; None: no bound."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._timeout = seconds or None
        channel = self._channel
        if channel is not None:
            channel.timeout = self._timeout

    def open(self) -> bool:
        """Connect; return False if it is connected already.

        Raises:
            CommunicationError: no name server can be reached.
            SecurityError: it refuses this program.
        """
        with self._lock:
            if self.connected:
                return False
            self._connect()
            return True

    def close(self) -> None:
        """Disconnect, also while a call is under way; the next one connects again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def end(self) -> None:
        """Disconnect for good; a call that is under way fails."""
        self._ended = True
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()
            return
        # The thread that makes the call closes the socket itself: its number could be
        # another's by the time at which that thread begins to wait for it.
        channel = self._channel
        if channel is not None and not channel.closed:
            with contextlib.suppress(OSError):
                channel.sock.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Leave the connection to another process that has it too, after a fork."""
        # A thread of the other process may have held it.
        self._lock = threading.Lock()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.abandon()

    def require(self, needs: str) -> None:
        """Make sure that the name server can do something, if it is connected.

        Raises:
            NamingError: it cannot.
        """
        channel = self._channel
        if channel is not None and not channel.closed:
            check_ability(needs, channel.uri, channel.accepted)

    def perform(self, operation: Operation[Result]) -> Result:
        """Do something, on another name server if one fails and that is harmless.

        Raises:
            NamingError: the name server cannot do that.
            CommunicationError: the connection failed.
            SecurityError: the name server refuses this program.
            Exception: whatever the name server answered with.
        """
        # The lock is held during the call too: only so it is certain that what
        # arrives on an idle connection is its end.
        with self._lock:
            channel = self._channel
            if channel is None or channel.closed or not operation.repeatable:
                channel = self._usable(operation)
            connects = len(self._uris)
            while True:
                if channel is None:
                    connects -= 1
                    channel = self._connect()
                try:
                    return self._call(channel, operation)
                except TimeoutError:
                    standing.failed(channel.uri)
                    raise
                except CommunicationError as error:
                    # One that is still open brought an error of the server's.
                    if not channel.closed:
                        raise
                    standing.failed(channel.uri)
                    harmless = operation.repeatable or error.outcome == "not_sent"
                    if self._ended or not harmless or not connects:
                        raise
                except DaemonError as error:
                    if not connects or not is_absent(error, len(self._uris)):
                        raise
                    standing.failed(channel.uri)
                    channel.close()
                channel = None

    def _usable(self, operation: Operation[Result]) -> BlockingChannel | None:
        """Return the connection there is, if it can serve for an operation."""
        channel = self._channel
        if channel is None or channel.closed:
            return None
        if not operation.repeatable and _has_ended(channel.sock):
            channel.close()
            return None
        return channel

    def _connect(self) -> BlockingChannel:
        failure: CommunicationError | SecurityError | None = None
        others = len(self._uris) - 1
        for number, uri in enumerate(standing.ordered(self._uris)):
            patience = patience_for(self._timeout, others, others - number)
            try:
                channel = BlockingChannel.connect(
                    uri,
                    handshake=handshake_for(self._config),
                    serializer=self._serializer,
                    timeout=patience,
                    config=self._config,
                )
            except CommunicationError as error:
                standing.failed(uri)
                telling = refused(error, self._config)
                # That it is not welcome says more than that another one is dead.
                if not isinstance(failure, SecurityError):
                    failure = telling
                continue
            standing.works(uri)
            channel.timeout = self._timeout
            self.uri, self._channel = uri, channel
            if self._ended:
                channel.close()
                raise ConnectionClosedError("the connection was ended here")
            return channel
        if failure is None:
            raise AssertionError("there is no name server to connect to")
        raise failure

    def _call(self, channel: BlockingChannel, operation: Operation[Result]) -> Result:
        accepted = channel.accepted
        if operation.needs:
            check_ability(operation.needs, channel.uri, accepted)
        if self._timeout is not None:
            channel.timeout = self._timeout + operation.wait
        name_server = channel.uri.object_id
        quick = operation.quick
        if quick and accepted is not None and quick in accepted.methods:
            (text,) = operation.args
            answer = channel.call_with_text(name_server, quick, text)
        else:
            answer = channel.call(name_server, operation.method, operation.args, {})
        return operation.result(answer)


def _has_ended(sock: socket.socket) -> bool:
    """Whether the server has closed a connection on which nothing is expected."""
    with selectors.DefaultSelector() as selector:
        try:
            selector.register(sock, selectors.EVENT_READ)
        except (OSError, ValueError):
            return True
        return bool(selector.select(0))
