"""Signs of life in both directions, of which the program need not know."""

from __future__ import annotations

from typing import Final

from ..errors import RemoteProtocolError
from ..wire import Frame, MessageType
from .capabilities import HEARTBEAT
from .endpoint import Endpoint
from .signals import PongReceived

__all__ = ["Pinger"]

_PING: Final = int(MessageType.PING)
_SEQUENCE_MASK: Final = 0xFFFF
_ASKS: Final = b"ping"
_ANSWERS: Final = b"pong"


class Pinger(Endpoint):
    """The part of a session that asks for signs of life, and gives them.

    In each direction one ping at a time is under way. So nobody can have more
    answers queued here than one.
    """

    __slots__ = ()

    def send_ping(self) -> int:
        """Ask the peer for a sign of life and return the sequence number.

        While a ping is under way no other is sent, and its number is returned.

        Raises:
            LocalProtocolError: ``heartbeat`` is not in force.
        """
        self._require(HEARTBEAT, "ask the peer for a sign of life")
        if self._pinged is None:
            self._pinged = self._last_ping = (self._last_ping + 1) & _SEQUENCE_MASK
            self._queue(_PING, 0, 0, self._pinged, _ASKS)
        return self._pinged

    def _take_ping(self, frame: Frame) -> None:
        if HEARTBEAT not in self.capabilities:
            self._take_plain_ping(frame)
            return
        payload = self._decoder.inflate(frame).payload
        if payload == _ASKS:
            if self._pong is not None:
                raise RemoteProtocolError(
                    "a second ping has come before the first was answered"
                )
            self._pong = frame
        elif payload == _ANSWERS and frame.sequence == self._pinged:
            self._pinged = None
            self._signals.append(PongReceived(frame.sequence))
        else:
            raise RemoteProtocolError(
                f"message PING {frame.sequence} is neither a ping nor the answer to one"
            )

    def _take_plain_ping(self, frame: Frame) -> None:
        """Take in a ping, or the answer to one, that the program deals with."""
        self._events.append(frame)

    def _answer_ping(self, frame: Frame) -> None:
        self._pong = None
        self._queue(
            _PING,
            frame.serializer_id,
            0,
            frame.sequence,
            _ANSWERS,
            correlation_id=frame.correlation_id,
        )
