"""Streams and callbacks within a value: what they are on the wire.

A generator or a function that is an argument stays where it is; a number or an id
travels, which means something on this one connection only. What turns objects into
these states and back belongs to the connection, and so is kept in a context variable.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol

from ..errors import SerializeError
from ..frozen import Frozen

__all__ = [
    "CallbackState",
    "ConnectionReferences",
    "StreamState",
    "UnboundReferenceError",
    "connection_references",
]


class UnboundReferenceError(SerializeError):
    """A value holds a stream or a callback, and there is no connection for it."""


class StreamState(Frozen):
    """A stream of items that the sender produces.

    Attributes:
        number: the number of the stream, 0 to 2**32 - 1. Whoever uses it has to check
            that the sender may use the number.
    """

    number: int


class CallbackState(Frozen):
    """An object of the sender that can be called over the same connection.

    Attributes:
        object_id: what calls name it by.
        methods: names of its methods.
        oneway: names of the methods whose callers do not wait.
        attributes: names of its attributes.
    """

    object_id: str
    methods: frozenset[str] = frozenset()
    oneway: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()


class ConnectionReferences(Protocol):
    """What one connection does with streams and callbacks within values."""

    def encode(self, obj: object) -> StreamState | CallbackState | None:
        """Return what travels for an object, or None if that is the object itself.

        It is asked for every object that the format does not have.
        """

    def decode(self, state: StreamState | CallbackState) -> object:
        """Return what stands for a stream or an object of the peer."""


connection_references: Final[ContextVar[ConnectionReferences | None]] = ContextVar(
    "connection_references", default=None
)
"""What the serializer asks while it works for a connection. Without it streams and
callbacks cannot be sent, and are received as their states."""
