"""Receiving under asyncio: large messages go directly into their final place."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Protocol

__all__ = ["AsyncioReceiver", "ReceivingSession"]

# Large enough that a usual message needs one read, small enough to be cheap to
# allocate for each.
_RECEIVE_SIZE: Final = 64 * 1024


class ReceivingSession(Protocol):
    """What is needed of a session."""

    @property
    def space(self) -> memoryview | None:
        """Where the next bytes belong, in the midst of a large message, else None."""

    def receive_data(self, data: bytes) -> None:
        """Take in bytes."""

    def receive_written(self, count: int) -> None:
        """Take in ``count`` bytes that were written into `space`."""


class AsyncioReceiver(asyncio.BufferedProtocol, ABC):
    """Reads a connection into what its session offers.

    A subclass says with `receiving_session` which one that is, and handles in
    `session_received` what has arrived.
    """

    _piece: memoryview | None = None

    @abstractmethod
    def receiving_session(self) -> ReceivingSession | None:
        """Return the session; None if what arrives is to be ignored."""

    @abstractmethod
    def session_received(self) -> None:
        """Handle what the session has taken in."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to; called by the event loop."""
        del sizehint
        session = self.receiving_session()
        space = None if session is None else session.space
        if space is not None:
            self._piece = None
            return space
        # A view, because asyncio's TLS writes into slices of it.
        self._piece = memoryview(bytearray(_RECEIVE_SIZE))
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        """Take in bytes; called by the event loop."""
        piece, self._piece = self._piece, None
        session = self.receiving_session()
        if session is None:
            return
        if piece is None:
            session.receive_written(nbytes)
        else:
            session.receive_data(bytes(piece[:nbytes]))
        self.session_received()
