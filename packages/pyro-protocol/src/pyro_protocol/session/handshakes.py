"""What the two messages of a handshake hold, read and written.

Most connections of a program say the same: the usual greeting, and what an object
offers. That is worked out once and kept. A greeting of the program's own is not:
credentials travel in it, and must not stay in memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..serializers import Serializer
    from ..wire import Payload

__all__ = [
    "USUAL_GREETING",
    "Connect",
    "Offer",
    "read_accept",
    "read_connect",
    "write_accept",
    "write_connect",
]

USUAL_GREETING: Final = "hello"
"""The handshake value of both sides, unless the program chooses another."""

# How many messages are kept of each sort: more than a program has objects that are
# connected to again and again.
_MOST_KEPT: Final = 128
# The largest message that is kept, in bytes, so that peers can fill no more than
# 1 MiB with them; and the most names of an object whose message is kept.
_LARGEST_KEPT: Final = 8192
_MOST_NAMES: Final = 256


class Connect(NamedTuple):
    """What a client says in its CONNECT.

    Attributes:
        object_id: the object it asks about.
        greeting: the value for the server's own check.
    """

    object_id: str
    greeting: Any


class Offer(NamedTuple):
    """What a server says in its CONNECTOK.

    Attributes:
        greeting: the value for the client's own check.
        methods: names of the methods of the object.
        oneway: names of those whose callers do not wait.
        attributes: names of the attributes.
    """

    greeting: Any
    methods: frozenset[str]
    oneway: frozenset[str]
    attributes: frozenset[str]


_Key = tuple["Serializer", bytes]
_Message = TypeVar("_Message", Connect, Offer)
_connects: Final[dict[_Key, Connect]] = {}
_offers: Final[dict[_Key, Offer]] = {}


def write_connect(serializer: Serializer, object_id: str, greeting: object) -> bytes:
    """Return the payload of a CONNECT.

    Raises:
        SerializeError: the greeting cannot be encoded.
    """
    if _is_usual(greeting) and len(object_id) <= _LARGEST_KEPT:
        return _usual_connect(serializer, object_id)
    return serializer.dumps({"handshake": greeting, "object": object_id})


def read_connect(serializer: Serializer, payload: Payload) -> Connect:
    """Return what a CONNECT holds.

    Raises:
        RemoteProtocolError: something is missing in it.
        SerializeError: it cannot be decoded.
    """
    kept = _kept(_connects, serializer, payload)
    if kept is not None:
        return kept
    value = serializer.loads(payload)
    if not (
        isinstance(value, dict)
        and "handshake" in value
        and isinstance(value.get("object"), str)
    ):
        raise RemoteProtocolError("invalid connect message: needs handshake and object")
    connect = Connect(value["object"], value["handshake"])
    if _is_usual(connect.greeting) and len(value) == len(connect):
        _keep(_connects, serializer, payload, connect)
    return connect


def write_accept(
    serializer: Serializer, greeting: object, metadata: Mapping[str, object]
) -> bytes:
    """Return the payload of a CONNECTOK.

    Args:
        serializer: what it is written with.
        greeting: the value for the client's own check.
        metadata: what the object offers; what is to be kept consists of frozensets.

    Raises:
        SerializeError: the greeting cannot be encoded.
    """
    if _is_usual(greeting):
        names = [one for one in metadata.values() if type(one) is frozenset]
        if len(names) == len(metadata) and sum(map(len, names)) <= _MOST_NAMES:
            return _usual_accept(serializer, tuple(metadata.items()))
    return serializer.dumps({"handshake": greeting, "meta": dict(metadata)})


def read_accept(serializer: Serializer, payload: Payload) -> Offer:
    """Return what a CONNECTOK holds.

    Raises:
        RemoteProtocolError: something is missing in it.
        SerializeError: it cannot be decoded.
    """
    kept = _kept(_offers, serializer, payload)
    if kept is not None:
        return kept
    value = serializer.loads(payload)
    metadata = value.get("meta") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or "handshake" not in value:
        raise RemoteProtocolError("the server's handshake is incomplete")
    offer = Offer(
        value["handshake"],
        _names(metadata, "methods"),
        _names(metadata, "oneway"),
        _names(metadata, "attrs"),
    )
    if _is_usual(offer.greeting) and len(value) + len(metadata) == len(offer) + 1:
        _keep(_offers, serializer, payload, offer)
    return offer


def _is_usual(greeting: object) -> bool:
    return type(greeting) is str and greeting == USUAL_GREETING


def _names(metadata: dict[str, Any], key: str) -> frozenset[str]:
    names = metadata.get(key)
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise RemoteProtocolError(f"the server's handshake has no usable {key!r}")
    return frozenset(names)


@lru_cache(_MOST_KEPT)
def _usual_connect(serializer: Serializer, object_id: str) -> bytes:
    return serializer.dumps({"handshake": USUAL_GREETING, "object": object_id})


@lru_cache(_MOST_KEPT)
def _usual_accept(
    serializer: Serializer, metadata: tuple[tuple[str, frozenset[str]], ...]
) -> bytes:
    names = {key: set(value) for key, value in metadata}
    return serializer.dumps({"handshake": USUAL_GREETING, "meta": names})


def _kept(
    messages: dict[_Key, _Message], serializer: Serializer, payload: Payload
) -> _Message | None:
    """Return what a message is known to hold, if it has come before."""
    if type(payload) is bytes and len(payload) <= _LARGEST_KEPT:
        return messages.get((serializer, payload))
    return None


def _keep(
    messages: dict[_Key, _Message],
    serializer: Serializer,
    payload: Payload,
    message: _Message,
) -> None:
    """Keep what a message holds, in the place of all others if they are too many."""
    if type(payload) is bytes and len(payload) <= _LARGEST_KEPT:
        if len(messages) >= _MOST_KEPT:
            messages.clear()
        messages[serializer, payload] = message
