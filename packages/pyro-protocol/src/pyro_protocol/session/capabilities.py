"""What goes beyond Pyro5's protocol, and how two peers agree on it.

Our side adds the annotation ``CAPS`` to its CONNECT; a peer of our family
answers with its own in CONNECTOK. Both hold a JSON object::

    {"version": 1, "capabilities": {"native": {"version": 1}}}

What both named, in the same version, is in force on that connection. Names that
are not known are ignored, and so is an annotation of that id that is not such
an object: another program may use the id for something else. A capability whose
parameters are missing or malformed counts as not named.
"""

from __future__ import annotations

import json
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ..dispatch.lease_keys import LEASE_KEY_ID
from ..frozen import Frozen
from ..wire import NO_ANNOTATIONS, Annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .settings import SessionSettings

__all__ = [
    "CALLBACKS",
    "CANCEL",
    "CAPABILITIES_ID",
    "CHUNKS",
    "DEADLINE",
    "DEFAULT_CAPABILITIES",
    "HEARTBEAT",
    "MULTIPLEX",
    "NATIVE",
    "NO_AGREEMENT",
    "SUPPORTED_CAPABILITIES",
    "Agreement",
    "agree",
    "encode_capabilities",
    "with_capabilities",
    "without_capabilities",
]

CAPABILITIES_ID: Final = "CAPS"
_OWN_IDS: Final = frozenset({CAPABILITIES_ID, LEASE_KEY_ID})

NATIVE: Final = "native"
MULTIPLEX: Final = "multiplex"
CHUNKS: Final = "chunks"
CALLBACKS: Final = "callbacks"
CANCEL: Final = "cancel"
DEADLINE: Final = "deadline"
HEARTBEAT: Final = "heartbeat"

_FORMAT_VERSION: Final = 1
_VERSIONS: Final[dict[str, int]] = {
    NATIVE: 1,
    MULTIPLEX: 1,
    CHUNKS: 1,
    CALLBACKS: 1,
    CANCEL: 1,
    DEADLINE: 1,
    HEARTBEAT: 1,
}
SUPPORTED_CAPABILITIES: Final = frozenset(_VERSIONS)
"""The names of the capabilities that a session can have in force."""

DEFAULT_CAPABILITIES: Final = frozenset({NATIVE})
"""What a session offers unless told otherwise: what needs nothing of its driver."""

_WINDOW: Final = "window"
_STREAMS: Final = "streams"
# The one parameter that a capability has, and the values it may take. More calls
# than there are sequence numbers cannot be told apart.
_PARAMETERS: Final[dict[str, tuple[str, range]]] = {
    MULTIPLEX: (_WINDOW, range(1, 0xFFFF + 1)),
    CALLBACKS: (_WINDOW, range(1, 0xFFFF + 1)),
    CHUNKS: (_STREAMS, range(0xFFFF_FFFF + 1)),
}

# How many agreements and offers are kept, as most connections of a program have the
# same, and the largest annotation, in bytes, that one is kept of: with both a peer
# can fill no more than 64 KiB.
_MOST_KEPT: Final = 64
_LARGEST_KEPT: Final = 1024


class Agreement(Frozen):
    """What is in force on a connection.

    Attributes:
        names: the names of the capabilities.
        parameters: what the peer has announced: by the name of a capability, the
            value of its parameter.
    """

    names: frozenset[str] = frozenset()
    parameters: Mapping[str, int] = MappingProxyType({})

    @property
    def call_window(self) -> int:
        """The most calls that the peer takes in flight; 0 if it named no bound."""
        return self.parameters.get(MULTIPLEX, 0)

    @property
    def callback_window(self) -> int:
        """The most callbacks that the peer takes in flight; 0 if it takes none."""
        return self.parameters.get(CALLBACKS, 0)

    @property
    def streams(self) -> int:
        """The most open streams that the peer takes items of; 0 if it takes none."""
        return self.parameters.get(CHUNKS, 0)


NO_AGREEMENT: Final = Agreement()
"""Nothing but Pyro5's protocol."""


def encode_capabilities(names: Iterable[str], settings: SessionSettings) -> bytes:
    """Return the annotation that offers, or agrees to, the named capabilities."""
    return _encoded(frozenset(names), settings.max_in_flight, settings.max_streams)


@lru_cache(_MOST_KEPT)
def _encoded(names: frozenset[str], max_in_flight: int, max_streams: int) -> bytes:
    values = {
        MULTIPLEX: max_in_flight,
        CALLBACKS: max_in_flight,
        CHUNKS: max_streams,
    }
    offer: dict[str, dict[str, int]] = {}
    for name in sorted(names):
        offer[name] = {"version": _VERSIONS[name]}
        if name in _PARAMETERS:
            key, allowed = _PARAMETERS[name]
            offer[name][key] = max(allowed[0], min(values[name], allowed[-1]))
    document = {"version": _FORMAT_VERSION, "capabilities": offer}
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def agree(offered: Iterable[str], annotations: Annotations) -> Agreement:
    """Return what is in force, given our offer and the peer's annotations."""
    data = annotations.get(CAPABILITIES_ID)
    if data is None:
        return NO_AGREEMENT
    document = bytes(data)
    if len(document) > _LARGEST_KEPT:
        return _agreement(frozenset(offered), document)
    return _usual_agreement(frozenset(offered), document)


def _agreement(offered: frozenset[str], document: bytes) -> Agreement:
    theirs = _offer_of(document)
    names: set[str] = set()
    parameters: dict[str, int] = {}
    for name in offered:
        capability = theirs.get(name)
        if not (
            isinstance(capability, dict)
            and _is_number(capability.get("version"), _VERSIONS[name])
        ):
            continue
        if name in _PARAMETERS:
            key, allowed = _PARAMETERS[name]
            value = capability.get(key)
            if type(value) is not int or value not in allowed:
                continue
            parameters[name] = value
        names.add(name)
    if not names:
        return NO_AGREEMENT
    return Agreement(frozenset(names), MappingProxyType(parameters))


_usual_agreement = lru_cache(_MOST_KEPT)(_agreement)


def _is_number(value: object, number: int) -> bool:
    """Whether a value is this number; true and 1.0 are equal to 1, and are not."""
    return type(value) is int and value == number


def _offer_of(data: bytes) -> dict[str, Any]:
    """Return the capabilities that an annotation names; none if it is not ours."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    if not _is_number(document.get("version"), _FORMAT_VERSION):
        return {}
    capabilities = document.get("capabilities")
    return capabilities if isinstance(capabilities, dict) else {}


def with_capabilities(
    annotations: Annotations, names: Iterable[str], settings: SessionSettings
) -> Annotations:
    """Return annotations with the offer added, if there is anything to offer."""
    offered = frozenset(names)
    if not offered:
        return annotations
    return {**annotations, CAPABILITIES_ID: encode_capabilities(offered, settings)}


def without_capabilities(annotations: Annotations) -> Annotations:
    """Return a peer's annotations without what is not meant for the program."""
    if CAPABILITIES_ID not in annotations:
        return annotations
    if annotations.keys() <= _OWN_IDS:
        return NO_ANNOTATIONS
    return {name: data for name, data in annotations.items() if name not in _OWN_IDS}
