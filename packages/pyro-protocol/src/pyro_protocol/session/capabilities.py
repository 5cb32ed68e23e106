"""What goes beyond Pyro5's protocol, and how two peers agree on it.

Our side adds the annotation ``CAPS`` to its CONNECT; a peer of our family
answers with its own in CONNECTOK. Both hold a JSON object::

    {"version": 1, "capabilities": {"native": {"version": 1}}}

What both named, in the same version, is in force on that connection. Names that
are not known are ignored, and so is an annotation of that id that is not such
an object: another program may use the id for something else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..wire import NO_ANNOTATIONS, Annotations

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CAPABILITIES_ID",
    "NATIVE",
    "SUPPORTED_CAPABILITIES",
    "agreed_capabilities",
    "encode_capabilities",
    "with_capabilities",
    "without_capabilities",
]

CAPABILITIES_ID: Final = "CAPS"
NATIVE: Final = "native"

_FORMAT_VERSION: Final = 1
_VERSIONS: Final[dict[str, int]] = {NATIVE: 1}
SUPPORTED_CAPABILITIES: Final = frozenset(_VERSIONS)
"""The names of the capabilities that this version has."""


def encode_capabilities(names: Iterable[str]) -> bytes:
    """Return the annotation that offers the named capabilities."""
    offer = {name: {"version": _VERSIONS[name]} for name in sorted(names)}
    document = {"version": _FORMAT_VERSION, "capabilities": offer}
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def agreed_capabilities(
    offered: Iterable[str], annotations: Annotations
) -> frozenset[str]:
    """Return what is in force, given our offer and the peer's annotations."""
    data = annotations.get(CAPABILITIES_ID)
    if data is None:
        return frozenset()
    try:
        document = json.loads(bytes(data))
    except (ValueError, RecursionError):
        return frozenset()
    if not isinstance(document, dict) or document.get("version") != _FORMAT_VERSION:
        return frozenset()
    theirs = document.get("capabilities")
    if not isinstance(theirs, dict):
        return frozenset()
    return frozenset(
        name for name in offered if _same_version(theirs.get(name), _VERSIONS[name])
    )


def _same_version(capability: Any, version: int) -> bool:
    return isinstance(capability, dict) and capability.get("version") == version


def with_capabilities(annotations: Annotations, names: Iterable[str]) -> Annotations:
    """Return annotations with the offer added, if there is anything to offer."""
    offered = list(names)
    if not offered:
        return annotations
    return {**annotations, CAPABILITIES_ID: encode_capabilities(offered)}


def without_capabilities(annotations: Annotations) -> Annotations:
    """Return a peer's annotations without what is not meant for the program."""
    if CAPABILITIES_ID not in annotations:
        return annotations
    return {
        name: data for name, data in annotations.items() if name != CAPABILITIES_ID
    } or NO_ANNOTATIONS
