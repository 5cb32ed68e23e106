"""What a client passes that stays with it: callbacks, and streams of items.

A function, or an object with exposed methods, that is an argument of a call is kept
here, and the server gets something it can call over the same connection. An iterator
stays here as well; its items are sent as the server asks for them. Both need the
native format and a server that has agreed to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from pyro_protocol.errors import SerializeError
from pyro_protocol.references import (
    CallbackState,
    ConnectionReferences,
    StreamState,
)

if TYPE_CHECKING:
    from .offered import OfferedObjects

__all__ = ["Items", "OutgoingReferences"]

Items = Iterator[Any] | AsyncIterator[Any]
"""What can be sent item by item."""

StreamOpener = Callable[[Items], int]


class OutgoingReferences(ConnectionReferences):
    """Encodes callbacks and streams for one call.

    Args:
        offered: the objects of the connection, or what returns them when they are
            needed.
        open_stream: begins a stream of items, and returns its number; None if the
            server does not take streams.
        callbacks: whether the server calls back.

    Attributes:
        streams: the numbers of the streams that were begun.
        offered_ids: the ids of the objects that were kept.
    """

    __slots__ = (
        "_callbacks",
        "_offered",
        "_open_stream",
        "_own",
        "offered_ids",
        "streams",
    )

    def __init__(
        self,
        offered: OfferedObjects | Callable[[], OfferedObjects],
        open_stream: StreamOpener | None,
        *,
        callbacks: bool,
    ) -> None:
        self._offered = offered
        self._open_stream = open_stream
        self._callbacks = callbacks
        self.streams: list[int] = []
        self.offered_ids: list[str] = []
        # The server may have dropped an object when its answer, which has it, is read.
        self._own: dict[str, object] = {}

    @property
    def used(self) -> bool:
        """Whether anything was kept here, or begun."""
        return bool(self.streams or self.offered_ids)

    def encode(self, obj: object) -> StreamState | CallbackState | None:
        """Return what travels for an object, or None if that is the object itself.

        Raises:
            SerializeError: the server cannot deal with such an object.
        """
        if isinstance(obj, Iterator | AsyncIterator):
            if self._open_stream is None:
                raise SerializeError(
                    f"cannot send {type(obj).__name__}: the server takes no streams as "
                    "arguments; pass a list"
                )
            number = self._open_stream(obj)
            self.streams.append(number)
            return StreamState(number)
        if not self._callbacks:
            return None
        from .offered import can_be_called  # noqa: PLC0415 - most programs do without

        if not can_be_called(obj):
            return None
        state = self._objects().offer(obj)
        if state is not None:
            self.offered_ids.append(state.object_id)
            self._own[state.object_id] = obj
        return state

    def _objects(self) -> OfferedObjects:
        offered = self._offered
        if callable(offered):
            offered = self._offered = offered()
        return offered

    def decode(self, state: StreamState | CallbackState) -> object:
        """Return the object of this client that came back from the server.

        Raises:
            SerializeError: there is no such object.
        """
        if isinstance(state, StreamState):
            raise SerializeError("the server sent a stream in the midst of a value")
        own = self._own.get(state.object_id)
        return self._objects().find(state.object_id) if own is None else own

    def take_back(self) -> None:
        """Take note that the call was not sent; its streams are another's to end."""
        for object_id in self.offered_ids:
            self._objects().take_back(object_id)
        self.offered_ids.clear()
