"""Talking to a server, with a reason for each failure."""

from __future__ import annotations

import ssl
import statistics
import time
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.config import PROTOCOL_VERSION
from pyro_protocol.errors import CommunicationError, ProtocolError, PyroError
from pyro_protocol.serializers.opt_in import PICKLED_IDS
from pyro_protocol.session import (
    ClientSession,
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.capabilities import SUPPORTED_CAPABILITIES
from pyro_protocol.session.signals import PongReceived
from pyro_protocol.transport.blocking_channel import choose_serializer
from pyro_protocol.wire import MessageType

from .encryption import looks_like_tls, tls_finding
from .report import Finding

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from pyro_protocol import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.wire import Buffer

__all__ = ["Conversation", "handshake_serializer", "identify", "refusal_cause"]

_RECEIVE_SIZE: Final = 64 * 1024
_TAG: Final = b"PYRO"
_PREFIX_SIZE: Final = 6
_PYRO4: Final = 48
# How much of what is no Pyro message is shown.
_SHOWN: Final = 60
_PINGS: Final = 5
_REFUSALS: Final = (
    ("unknown object", "unknown-object"),
    ("serializer", "serializer-refused"),
    ("protocol version", "other-version"),
    ("too many attempts", "refused-by-server"),
    ("no free workers", "server-full"),
    ("too many", "server-full"),
    ("busy", "server-full"),
)


def handshake_serializer(name: str) -> Serializer:
    """Return what a handshake is written with, for a configured serializer."""
    first = "serpent" if name in ("auto", "native", *PICKLED_IDS) else name
    return choose_serializer(first, native=False)


class Conversation:
    """One connection to a server, spoken on step by step.

    Args:
        sock: the connected socket, which is closed with the conversation.
        config: the settings.
        timeout: how many seconds a step may take.
    """

    def __init__(
        self, sock: socket.socket, config: Configuration, timeout: float
    ) -> None:
        self._sock = sock
        self._timeout = timeout
        self._first = b""
        settings = SessionSettings.from_config(config)
        self._session = ClientSession(settings, capabilities=SUPPORTED_CAPABILITIES)
        self._serializer_name = config.SERIALIZER
        self._pongs: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; harmless if it has ended already."""
        self._sock.close()

    @property
    def capabilities(self) -> list[str]:
        """The names of the capabilities in force."""
        return sorted(self._session.capabilities)

    @property
    def serializer(self) -> Serializer:
        """What calls are written with.

        Raises:
            Finding: the server does not have the configured one.
        """
        try:
            chosen = choose_serializer(
                self._serializer_name, native=self._session.native
            )
        except PyroError as error:
            raise Finding("serializer-refused", str(error)) from error
        return self._session.limited(chosen)

    def greet(self, object_id: str, handshake: object) -> str:
        """Send the handshake, and return what kind of server begins to answer.

        Raises:
            Finding: it is none that can be talked to.
        """
        deadline = self._deadline()
        serializer = handshake_serializer(self._serializer_name)
        try:
            self._session.send_connect(serializer, object_id, handshake)
        except PyroError as error:
            raise Finding("bad-setting", f"the handshake value: {error}") from error
        self._send(self._session.data_to_send(), deadline)
        while len(self._first) < _PREFIX_SIZE:
            data = self._receive(deadline)
            if not data:
                break
            self._first += data
        return identify(self._first)

    def admitted(self) -> ConnectAccepted:
        """Wait for the rest of the answer to the handshake.

        Raises:
            Finding: the server refuses, or its answer makes no sense.
        """
        deadline = self._deadline()
        data = self._first
        while not (events := self._take_in(data)):
            data = self._receive(deadline)
        event = events[0]
        if isinstance(event, ConnectRefused):
            raise Finding(refusal_cause(event.reason), event.reason)
        if not isinstance(event, ConnectAccepted):
            raise Finding("malformed-answer", "the handshake was answered by a result")
        return event

    def ping(self) -> tuple[float, float]:
        """Return the shortest and the median round trip of several, in milliseconds.

        Raises:
            Finding: one was not answered.
        """
        deadline = self._deadline()
        took: list[float] = []
        for _ in range(_PINGS):
            began = time.perf_counter()
            sequence = self._session.send_ping()
            self._send(self._session.data_to_send(), deadline)
            while sequence not in self._pongs:
                for event in self._take_in(self._receive(deadline)):
                    if getattr(event, "kind", None) == MessageType.PING:
                        self._pongs.add(event.sequence)
            self._pongs.clear()
            took.append((time.perf_counter() - began) * 1000)
        return min(took), statistics.median(took)

    def call(self, object_id: str, method: str, args: Sequence[object] = ()) -> Any:
        """Make a call and return its result.

        Raises:
            Finding: the connection or the serializer does not allow that.
            Exception: whatever the method raised.
        """
        deadline = self._deadline()
        serializer = self.serializer
        payload = serializer.dumps_call(object_id, method, args, {})
        self._send(self._session.request(serializer.id, payload, 0, {}, None), deadline)
        while True:
            for event in self._take_in(self._receive(deadline)):
                if getattr(event, "kind", None) == MessageType.RESULT:
                    return read_reply(event, serializer.id, self._session.serializers)

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise self._late()
        return remaining

    def _late(self) -> Finding:
        within = f"within {self._timeout:g} s"
        if not self._first:
            return Finding("silent", f"nothing was said {within}")
        if self._session.capabilities or len(self._first) >= _PREFIX_SIZE:
            return Finding("stalled", f"the answer did not come {within}")
        return Finding("silent", f"only {self._first!r} was said {within}")

    def _send(self, buffers: Sequence[Buffer], deadline: float) -> None:
        try:
            for buffer in buffers:
                self._sock.settimeout(self._remaining(deadline))
                self._sock.sendall(buffer)
        except OSError as error:
            raise self._lost(error) from error

    def _receive(self, deadline: float) -> bytes:
        try:
            self._sock.settimeout(self._remaining(deadline))
            return self._sock.recv(_RECEIVE_SIZE)
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> Finding:
        if isinstance(error, TimeoutError):
            return self._late()
        if isinstance(error, ssl.SSLError):
            # With TLS 1.3 the server looks at our certificate only now.
            return tls_finding(error)
        return Finding("closed", f"the connection broke off: {error}")

    def _take_in(self, data: bytes) -> list[Any]:
        try:
            if not data:
                self._session.receive_eof()
            self._session.receive_data(data)
        except ProtocolError as error:
            raise Finding("malformed-answer", str(error)) from error
        except CommunicationError as error:
            raise Finding("closed", str(error)) from error
        for signal in self._session.signals_received():
            if isinstance(signal, PongReceived):
                self._pongs.add(signal.sequence)
        answers = self._session.data_to_send()
        if answers:
            self._send(answers, self._deadline())
        return list(self._session.events_received())


def identify(first: bytes) -> str:
    """Return what kind of server says this first.

    Raises:
        Finding: it is none that speaks our protocol.
    """
    if not first:
        raise Finding("closed", "the server closed the connection without a word")
    if not first.startswith(_TAG):
        if looks_like_tls(first):
            raise Finding("tls-expected", "the server answered in TLS")
        shown = first[:_SHOWN]
        if shown.startswith(b"HTTP/"):
            raise Finding("not-pyro", f"a web server answered: {shown!r}")
        if shown.startswith(b"SSH-"):
            raise Finding("not-pyro", f"an SSH server answered: {shown!r}")
        raise Finding("not-pyro", f"the answer is no Pyro message: {shown!r}")
    version = int.from_bytes(first[len(_TAG) : _PREFIX_SIZE], "big")
    if version == PROTOCOL_VERSION:
        return f"Pyro protocol {version}"
    if len(first) >= _PREFIX_SIZE and version == _PYRO4:
        raise Finding("older-pyro", "the server speaks protocol 48, which is Pyro4's")
    raise Finding(
        "other-version",
        f"the server speaks protocol {version}, this program {PROTOCOL_VERSION}",
    )


def refusal_cause(reason: str) -> str:
    """Return the word for why a server refuses a client, by what it says."""
    text = reason.lower()
    return next(
        (cause for words, cause in _REFUSALS if words in text), "refused-by-server"
    )
