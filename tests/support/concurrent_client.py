"""A client with several calls in flight on one connection, one step at a time."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Self

from pyro_protocol import URI, Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.session import ClientSession, SessionSettings
from pyro_protocol.session.capabilities import (
    CANCEL,
    DEADLINE,
    HEARTBEAT,
    MULTIPLEX,
    NATIVE,
)
from pyro_protocol.session.replies import read_reply
from pyro_protocol.wire import Frame

from .hosting import DEADLINE as PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConcurrentClient"]

_ALL = frozenset({NATIVE, MULTIPLEX, CANCEL, DEADLINE, HEARTBEAT})


class ConcurrentClient:
    """A client that sends calls without waiting for their answers.

    Args:
        uri: the object it asks about at the handshake.
        capabilities: what it offers.
        most_callbacks: how many calls of the server it takes at the same time.
    """

    def __init__(
        self,
        uri: URI,
        capabilities: Iterable[str] = _ALL,
        *,
        most_callbacks: int = 1000,
    ) -> None:
        config = Configuration(use_environment=False, MAX_IN_FLIGHT=most_callbacks)
        settings = SessionSettings.from_config(config)
        self.session = ClientSession(settings, capabilities=capabilities)
        if uri.sockname:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(uri.sockname)
        else:
            self.sock = socket.create_connection((uri.host, uri.port), PATIENCE)
        self._object_id = str(uri.object)
        self._answers: dict[int, Frame] = {}
        self._serializer = serializers["native"]
        self.session.send_connect(serializers["serpent"], self._object_id, "hello")
        self.flush()
        self._accepted = False
        while not self._accepted:
            self.receive()

    def flush(self) -> None:
        """Write what the session wants to send."""
        for buffer in self.session.data_to_send():
            self.sock.sendall(buffer)

    def receive(self) -> None:
        """Take in what arrives next, and answer pings."""
        data = self.sock.recv(65536)
        if data:
            self.session.receive_data(data)
        else:
            self.session.receive_eof()
        self.session.signals_received()
        for event in self.session.events_received():
            if isinstance(event, Frame):
                self._answers[event.sequence] = event
            else:
                self._accepted = True
        self.flush()

    def send(
        self,
        method: str,
        *args: object,
        object_id: str | None = None,
        timeout: float | None = None,
        flags: int = 0,
    ) -> int:
        """Send a call and return its sequence number."""
        number = self.session.send_call(
            self._serializer,
            object_id or self._object_id,
            method,
            args,
            None,
            flags,
            timeout=timeout,
        )
        self.flush()
        return number

    def cancel(self, number: int) -> None:
        """Ask for a call to be ended."""
        assert self.session.send_cancel(number)
        self.flush()

    def next_answer(self) -> int:
        """Wait for any answer, and return the number of its call."""
        while not self._answers:
            self.receive()
        return next(iter(self._answers))

    def answer(self, number: int) -> Any:
        """Wait for the answer to a call, and return or raise what it says."""
        while number not in self._answers:
            self.receive()
        return read_reply(self._answers.pop(number), self._serializer.id)

    def call(self, method: str, *args: object, **options: Any) -> Any:
        """Send a call and wait for its answer."""
        return self.answer(self.send(method, *args, **options))

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
