"""What name servers tell about names: registrations, and what happens to them."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, get_args

from ..frozen import Frozen, NamedTuple

__all__ = [
    "ChangeKind",
    "Changes",
    "NameChange",
    "NameEntry",
    "Page",
    "change_of",
    "changes_of",
    "entry_of",
    "page_of",
]

ChangeKind = Literal["added", "changed", "removed", "known", "lost"]
"""What a `NameChange` says."""

# Of what a name server tells of; the others are said by the client.
_EVENTS: Final = ("added", "changed", "removed")


class NameEntry(Frozen):
    """What a name server knows about a name.

    Attributes:
        name: the name.
        uri: the text of the URI that is registered under it.
        metadata: its tags.
        owner: in whose name it was registered; empty if in nobody's.
        ttl: how many seconds it lasts after it was renewed; 0 means for good.
        age: how many seconds ago it was registered.
        expires_in: how many seconds it lasts if it is not renewed; None for good.
    """

    name: str
    uri: str
    metadata: frozenset[str] = frozenset()
    owner: str = ""
    ttl: float = 0.0
    age: float = 0.0
    expires_in: float | None = None


class NameChange(Frozen):
    """Something that has happened to a name.

    Attributes:
        kind: ``"added"``, ``"changed"`` or ``"removed"``; ``"known"`` for what was
            registered already; ``"lost"`` if changes have been missed, so that all
            that is registered follows anew, each as ``"known"``.
        name: the name; empty if ``kind`` is ``"lost"``.
        uri: the text of the URI that is registered under it now; None if none is.
        metadata: its tags.
        owner: in whose name it is registered; empty if in nobody's.
        ttl: how many seconds it lasts after it was renewed; 0 means for good.
        position: where in the history this is; a watch can go on after it.
    """

    kind: ChangeKind
    name: str
    uri: str | None = None
    metadata: frozenset[str] = frozenset()
    owner: str = ""
    ttl: float = 0.0
    position: str = ""


class Page(NamedTuple):
    """Some registrations, ordered by name.

    Attributes:
        entries: what is registered.
        next: the name after which the next ones come; empty if there are none.
    """

    entries: tuple[NameEntry, ...]
    next: str


class Changes(NamedTuple):
    """What has happened since a position.

    Attributes:
        changes: the oldest first.
        position: after what to ask the next time.
    """

    changes: tuple[NameChange, ...]
    position: str


def entry_of(value: Any) -> NameEntry:
    """Return the registration that an answer describes.

    Raises:
        TypeError: it describes none.
        ValueError: it describes an impossible one.
        LookupError: something is missing in it.
    """
    expires_in = value["expires_in"]
    return NameEntry(
        _text(value["name"]),
        _text(value["uri"]),
        _tags(value["metadata"]),
        _text(value["owner"]),
        _seconds(value["ttl"]),
        _seconds(value["age"]),
        None if expires_in is None else _seconds(expires_in),
    )


def page_of(value: Any, after: str) -> Page:
    """Return the page that an answer is.

    Args:
        value: the answer.
        after: the name after which the page was to begin.

    Raises:
        TypeError: it is no page.
        ValueError: it leads back, so that there would be no end.
        LookupError: something is missing in it.
    """
    page = Page(tuple(map(entry_of, _list(value["entries"]))), _text(value["next"]))
    # A page may be empty: not all names need be such as are wanted.
    if page.next and page.next <= after:
        raise ValueError(f"the page after {after!r} ends at {page.next!r}")
    return page


def change_of(value: Any) -> NameChange:
    """Return the change that an answer describes.

    Raises:
        TypeError: it describes none.
        ValueError: it is of an unknown kind.
        LookupError: something is missing in it.
    """
    kind = value["kind"]
    if kind not in get_args(ChangeKind) or kind == "lost":
        raise ValueError(f"there is no such kind of change: {kind!r}")
    name, position = _text(value["name"]), _text(value["position"])
    if kind == "removed":
        return NameChange("removed", name, position=position)
    return NameChange(
        kind,
        name,
        _text(value["uri"]),
        _tags(value["metadata"]),
        _text(value["owner"]),
        _seconds(value["ttl"]),
        position,
    )


def changes_of(value: Any) -> Changes:
    """Return the changes that an answer lists.

    Raises:
        TypeError: it lists none.
        ValueError: one is of an unknown kind.
        LookupError: something is missing in it.
    """
    changes = tuple(map(change_of, _list(value["changes"])))
    for change in changes:
        if change.kind not in _EVENTS:
            raise ValueError(f"{change.kind!r} is nothing that happens")
    return Changes(changes, _text(value["position"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is missing: {type(value).__name__}")
    return value


def _list(value: object) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list is missing: {type(value).__name__}")
    return value


def _tags(value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"tags are missing: {type(value).__name__}")
    return frozenset(map(_text, value))


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"a number of seconds is missing: {type(value).__name__}")
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"not a number of seconds: {seconds}")
    return seconds
