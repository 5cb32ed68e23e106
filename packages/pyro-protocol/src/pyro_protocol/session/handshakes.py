"""What the two messages of a handshake hold, read and written.

Most connections of a program say the same: the usual greeting, and what an object
offers. That is worked out once and kept. A greeting of the program's own is not:
credentials travel in it, and must not stay in memory.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..dispatch.lease_keys import LEASE_KEY_ID
from ..errors import RemoteProtocolError
from ..frozen import NamedTuple
from ..wire import MessageType, encode_frame
from ..wire.frame import CHUNK, HEADER_SIZE, JOIN_BELOW
from .capabilities import CAPABILITIES_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..serializers import Serializer
    from ..wire import Frame, Payload

__all__ = [
    "USUAL_GREETING",
    "Connect",
    "Offer",
    "is_usual_answer",
    "is_usual_frame",
    "keep",
    "read_accept",
    "read_connect",
    "usual_accept",
    "usual_connect",
    "without_key",
    "write_accept",
    "write_connect",
]

_CONNECT: Final = int(MessageType.CONNECT)
_CONNECTOK: Final = int(MessageType.CONNECTOK)

USUAL_GREETING: Final = "hello"
"""The handshake value of both sides, unless the program chooses another."""

# How many messages are kept of each sort: more than a program has objects that are
# connected to again and again.
_MOST_KEPT: Final = 128
# The largest message that is kept, in bytes, so that peers can fill no more than
# 1 MiB with them; and the most names of an object whose message is kept.
_LARGEST_KEPT: Final = 8192
_MOST_NAMES: Final = 256
_LONGEST_ID: Final = 1024
_KINDS: Final = ("methods", "oneway", "attrs")
# Where a CONNECTOK of our family has the name of the connection, which is the only part
# that is different each time.
_KEY_SIZE: Final = 16
_KEY_HEAD: Final = CHUNK.pack(LEASE_KEY_ID.encode("ascii"), _KEY_SIZE)
_KEY_START: Final = HEADER_SIZE + len(_KEY_HEAD)
_KEY_END: Final = _KEY_START + _KEY_SIZE
_OWN_IDS: Final = frozenset({CAPABILITIES_ID, LEASE_KEY_ID})


class Connect(NamedTuple):
    """What a client says in its CONNECT.

    Attributes:
        object_id: the object it asks about.
        greeting: the value for the server's own check.
        usual: whether the greeting is the usual one, and nothing else is said.
    """

    object_id: str
    greeting: Any
    usual: bool


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


_Key = tuple[Any, bytes]
_Message = TypeVar("_Message")
_offers: Final[dict[_Key, Offer]] = {}
# What an object offers, and all of a CONNECTOK before and after the name of the
# connection.
_accepts: Final[
    dict[tuple[int, Serializer, bytes], tuple[Mapping[str, object], bytes, bytes]]
] = {}


def write_connect(serializer: Serializer, object_id: str, greeting: object) -> bytes:
    """Return the payload of a CONNECT.

    Raises:
        SerializeError: the greeting cannot be encoded.
    """
    return serializer.dumps({"handshake": greeting, "object": object_id})


def usual_connect(
    serializer: Serializer, object_id: str, greeting: object, capabilities: bytes
) -> bytes | None:
    """Return a whole CONNECT with the sequence number 0, if it is the usual one.

    Args:
        serializer: what it is written with.
        object_id: the object that is asked about.
        greeting: the value for the server's own check.
        capabilities: the annotation that offers them; b"" if there are none.
    """
    if (
        type(greeting) is not str
        or greeting != USUAL_GREETING
        or len(object_id) > _LONGEST_ID
    ):
        return None
    return _usual_connect(serializer, object_id, capabilities)


def read_connect(serializer: Serializer, payload: Payload) -> Connect:
    """Return what a CONNECT holds.

    Raises:
        RemoteProtocolError: something is missing in it.
        SerializeError: it cannot be decoded.
    """
    value = serializer.loads(payload)
    if not (
        isinstance(value, dict)
        and "handshake" in value
        and isinstance(value.get("object"), str)
    ):
        raise RemoteProtocolError("invalid connect message: needs handshake and object")
    greeting = value["handshake"]
    return Connect(value["object"], greeting, _is_usual(greeting) and len(value) == 2)  # noqa: PLR2004 - those two


def is_usual_frame(frame: Frame) -> bool:
    """Whether a CONNECT says nothing besides its payload but what both sides can do."""
    return (
        not frame.annotations.keys() - {CAPABILITIES_ID}
        and frame.correlation_id is None
    )


def write_accept(
    serializer: Serializer, greeting: object, metadata: Mapping[str, object]
) -> bytes:
    """Return the payload of a CONNECTOK.

    Args:
        serializer: what it is written with.
        greeting: the value for the client's own check.
        metadata: what the object offers, see `Members.offer`.

    Raises:
        SerializeError: the greeting cannot be encoded.
    """
    names = _usual_names(greeting, metadata)
    if names is not None:
        return _usual_accept(serializer, *names)
    return serializer.dumps({"handshake": greeting, "meta": dict(metadata)})


def usual_accept(
    serializer: Serializer,
    greeting: object,
    metadata: Mapping[str, object],
    key: bytes,
    capabilities: bytes,
) -> bytes | None:
    """Return a whole CONNECTOK with the sequence number 0, if it is the usual one.

    Args:
        serializer: what it is written with.
        greeting: the value for the client's own check.
        metadata: what the object offers, see `Members.offer`.
        key: the name of the connection.
        capabilities: the annotation that agrees to them.
    """
    if len(key) != _KEY_SIZE or not _is_usual(greeting):
        return None
    known = id(metadata), serializer, capabilities
    kept = _accepts.get(known)
    if kept is not None and kept[0] is metadata:
        return kept[1] + key + kept[2]
    names = _usual_names(greeting, metadata)
    if names is None:
        return None
    before, after = _around_key(serializer, capabilities, *names)
    if len(after) >= JOIN_BELOW:
        return None
    if type(metadata) is MappingProxyType:
        # Nobody can change it, and while it is kept nothing else has its id.
        if len(_accepts) >= _MOST_KEPT:
            _accepts.clear()
        _accepts[known] = metadata, before, after
    return before + key + after


def without_key(message: bytes) -> tuple[bytes, str | None]:
    """Return a CONNECTOK without the name of the connection, and that; or None."""
    if message[HEADER_SIZE:_KEY_START] != _KEY_HEAD:
        return message, None
    key = str(message[_KEY_START:_KEY_END], "latin-1")
    return message[:_KEY_START] + message[_KEY_END:], key


def is_usual_answer(serializer: Serializer, frame: Frame, key: str | None) -> bool:
    """Whether all of a CONNECTOK may be kept but the name of the connection.

    Args:
        serializer: what it was read with.
        frame: the message.
        key: what `without_key` has found in it.
    """
    annotations = frame.annotations
    return (
        (serializer, frame.payload) in _offers
        and annotations.keys() <= _OWN_IDS
        and (LEASE_KEY_ID in annotations) == (key is not None)
        and frame.correlation_id is None
    )


def read_accept(serializer: Serializer, payload: Payload) -> Offer:
    """Return what a CONNECTOK holds.

    Raises:
        RemoteProtocolError: something is missing in it.
        SerializeError: it cannot be decoded.
    """
    if type(payload) is not bytes:
        raise RemoteProtocolError("the server's handshake comes in parts")
    kept = _offers.get((serializer, payload))
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
        keep(_offers, (serializer, payload), offer)
    return offer


def _is_usual(greeting: object) -> bool:
    return type(greeting) is str and greeting == USUAL_GREETING


def _usual_names(
    greeting: object, metadata: Mapping[str, Any]
) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
    """Return what an object offers, if all that is said is usual."""
    if _is_usual(greeting):
        methods, oneway, attributes = map(metadata.get, _KINDS)
        if (
            type(methods) is type(oneway) is type(attributes) is frozenset
            and len(metadata) == len(_KINDS)
            and len(methods) + len(attributes) <= _MOST_NAMES
        ):
            return methods, oneway, attributes
    return None


def _names(metadata: dict[str, Any], key: str) -> frozenset[str]:
    names = metadata.get(key)
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise RemoteProtocolError(f"the server's handshake has no usable {key!r}")
    return frozenset(names)


@lru_cache(_MOST_KEPT)
def _usual_connect(
    serializer: Serializer, object_id: str, capabilities: bytes
) -> bytes:
    payload = write_connect(serializer, object_id, USUAL_GREETING)
    annotations = {CAPABILITIES_ID: capabilities} if capabilities else {}
    return b"".join(encode_frame(_CONNECT, serializer.id, 0, 0, payload, annotations))


@lru_cache(_MOST_KEPT)
def _usual_accept(serializer: Serializer, *names: frozenset[str]) -> bytes:
    metadata = dict(zip(_KINDS, map(set, names), strict=True))
    return serializer.dumps({"handshake": USUAL_GREETING, "meta": metadata})


@lru_cache(_MOST_KEPT)
def _around_key(
    serializer: Serializer, capabilities: bytes, *names: frozenset[str]
) -> tuple[bytes, bytes]:
    payload = _usual_accept(serializer, *names)
    annotations = {LEASE_KEY_ID: bytes(_KEY_SIZE), CAPABILITIES_ID: capabilities}
    message = b"".join(
        encode_frame(_CONNECTOK, serializer.id, 0, 0, payload, annotations)
    )
    return message[:_KEY_START], message[_KEY_END:]


def keep(known: dict[_Key, _Message], key: _Key, message: _Message) -> None:
    """Keep what a message holds, in the place of all others if they are too many.

    Args:
        known: the messages known so far.
        key: what all depends on, and after it the message.
        message: what it holds; nothing of it may be secret, or change.
    """
    if len(key[1]) <= _LARGEST_KEPT:
        if len(known) >= _MOST_KEPT:
            known.clear()
        known[key] = message
