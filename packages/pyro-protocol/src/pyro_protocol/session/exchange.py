"""What a driver does for streams and callbacks beside the calls of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..dispatch import Call, StreamStarted
    from ..wire import Annotations, Buffer, Frame
    from .signals import Signal

__all__ = ["Exchange"]


class Exchange(Protocol):
    """The streams and callbacks of one connection.

    It is there where ``chunks`` or ``callbacks`` is in force.
    """

    def read_call(self, frame: Frame) -> Call:
        """Decode a request with streams or callbacks among its arguments.

        Raises:
            PyroError: it is malformed, or means something that is not there.
        """

    def encode_result(
        self,
        frame: Frame,
        value: object,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> list[Buffer]:
        """Encode a result that holds callbacks, see `Answerer.encode_result`.

        Raises:
            PyroError: the answer cannot be sent.
        """

    def start_stream(self, frame: Frame, started: StreamStarted) -> StreamStarted:
        """Give a stream that is the result of a call its number, if it can have one."""

    def forget_stream(self, started: StreamStarted) -> None:
        """Take back a stream whose call was answered otherwise in the meantime."""

    def act_on(self, signal: Signal) -> None:
        """Act on what the peer tells; the lock is held."""

    def give_item(self, number: int, data: bytes, hold: list[Any]) -> bytes | None:
        """Answer a request for one item of a stream here and now.

        Args:
            number: the number of the stream.
            data: the request.
            hold: see `plain_calls`; gets the request while the generator runs.

        Returns:
            The message to be written next. If it is empty, what is to be written is
            queued in the session. None if this is not the way: then nothing has
            happened.
        """

    def abandon(self) -> None:
        """End all of it: the peer has gone."""
