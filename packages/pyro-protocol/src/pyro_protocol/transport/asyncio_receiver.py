"""Receiving under asyncio: large messages go directly into their final place."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Protocol

__all__ = ["AsyncioReceiver", "ReceivingSession"]

# What a connection keeps for what it receives: enough for usual messages, and little
# enough for thousands of idle connections. Where more arrives at once, it has more,
# and less when that is over.
_SMALLEST_PIECE: Final = 4 * 1024
_LARGEST_PIECE: Final = 64 * 1024
_GROWTH: Final = 4


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

    _room: memoryview | None = None
    # Where the next bytes go, if that is known already.
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
        piece = self._piece
        if piece is not None:
            # The session has not taken in anything since.
            return piece
        session = self.receiving_session()
        space = None if session is None else session.space
        if space is not None:
            return space
        piece = self._room
        if piece is None:
            # A view, because asyncio's TLS writes into slices of it.
            self._room = piece = memoryview(bytearray(_SMALLEST_PIECE))
        self._piece = piece
        return piece

    def buffer_updated(self, nbytes: int) -> None:
        """Take in bytes; called by the event loop."""
        data = None
        piece = self._piece
        if piece is not None:
            data = bytes(piece[:nbytes])
            size = len(piece)
            if nbytes == size or size > _SMALLEST_PIECE:
                self._piece = None
                if nbytes < size:
                    if nbytes * _GROWTH < size:
                        self._room = None
                elif size < _LARGEST_PIECE:
                    self._room = memoryview(bytearray(size * _GROWTH))
            if self.receive_whole(data):
                return
            self._piece = None
        session = self.receiving_session()
        if session is None:
            return
        if data is None:
            session.receive_written(nbytes)
        else:
            session.receive_data(data)
        self.session_received()

    def receive_whole(self, data: bytes) -> bool:
        """Handle what has arrived without the session; whether that was done.

        A short way for subclasses that have one, also while there is no session that
        receives.
        """
        del data
        return False
