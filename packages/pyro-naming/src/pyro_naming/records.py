"""Registrations and changes in the forms that clients get.

They are made of types that every serializer has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .storages import Registration
    from .storages.interface import Change

__all__ = [
    "Listing",
    "Record",
    "change_of",
    "entry_of",
    "known_of",
    "listing_of",
]

Listing = dict[str, str] | dict[str, tuple[str, set[str]]]
"""Names and the texts of URIs, or names and pairs of URI and metadata."""

Record = dict[str, Any]
"""What a client gets to know about a name, or about a change."""


def listing_of(found: Mapping[str, Registration], return_metadata: bool) -> Listing:
    """Return registrations as `NameServer.list` gives them."""
    if return_metadata:
        return {name: (one.uri, set(one.metadata)) for name, one in found.items()}
    return {name: one.uri for name, one in found.items()}


def entry_of(name: str, registration: Registration, now: float) -> Record:
    """Return all about a name, as `NameServer.describe` gives it.

    Args:
        name: the name.
        registration: what is registered under it.
        now: seconds since the epoch.
    """
    left = None
    if registration.ttl:
        left = max(registration.renewed + registration.ttl - now, 0.0)
    return {
        **_contents(name, registration),
        "age": max(now - registration.registered, 0.0),
        "expires_in": left,
    }


def change_of(change: Change) -> Record:
    """Return a change as `NameServer.changes` gives it."""
    if change.registration is None:
        return {"kind": change.kind, "name": change.name, "position": change.position}
    return {
        "kind": change.kind,
        **_contents(change.name, change.registration),
        "position": change.position,
    }


def known_of(name: str, registration: Registration, position: str) -> Record:
    """Return what was there when somebody began to watch, in the form of a change."""
    return {"kind": "known", **_contents(name, registration), "position": position}


def _contents(name: str, registration: Registration) -> Record:
    return {
        "name": name,
        "uri": registration.uri,
        "metadata": sorted(registration.metadata),
        "owner": registration.owner,
        "ttl": registration.ttl,
    }
