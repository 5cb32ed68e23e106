"""Checking what clients send, which may be anything."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from pyro_protocol import URI
from pyro_protocol.errors import NamingError

from .limits import LARGEST_PAGE, LONGEST_LEASE, LONGEST_URI, SHORTEST_LEASE
from .uri_cache import text_of_uri

if TYPE_CHECKING:
    from .limits import Limits

__all__ = [
    "checked_name",
    "checked_names",
    "checked_owner",
    "checked_page",
    "checked_seconds",
    "checked_tags",
    "checked_text",
    "checked_ttl",
    "checked_uri",
    "shown",
]

# What marks a dictionary as an object, for serpent, json and msgpack.
_UNLISTABLE: Final = "__class__"
# Characters of a text that comes back in an error: all of a usual name.
_LONGEST_SHOWN: Final = 1000


def checked_text(what: str, value: str) -> str:
    """Return a text.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"a {what} must be text, not {type(value).__name__}")
    return value


def checked_name(name: str, limits: Limits) -> str:
    """Return a name that may be registered.

    Raises:
        TypeError: it is not text.
        NamingError: it is too long, or cannot be kept or listed.
    """
    if name == _UNLISTABLE:
        raise NamingError(
            f"{name} cannot be a name: most clients would take a list with it for an "
            "object of a class"
        )
    return _kept_text("name", checked_text("name", name), limits.name_length)


def checked_owner(owner: str | None, limits: Limits) -> str:
    """Return an owner; the empty text if it is nobody.

    Raises:
        TypeError: it is not text.
        NamingError: it is too long, or no storage could keep it.
    """
    if owner is None:
        return ""
    return _kept_text("owner", checked_text("owner", owner), limits.name_length)


def checked_names(names: str | Iterable[str]) -> list[str]:
    """Return names of which some may not be registered.

    Raises:
        TypeError: they are neither a text nor a collection of texts.
    """
    if isinstance(names, str):
        return [names]
    return [checked_text("name", name) for name in _items("names", names)]


def checked_uri(uri: str | URI) -> str:
    """Return the text of a URI.

    Raises:
        TypeError: it is neither text nor a URI.
        PyroError: it is not a valid URI.
        NamingError: it is too long, or no storage could keep it.
    """
    if not isinstance(uri, str | URI):
        raise TypeError(f"a uri must be text or a URI, not {type(uri).__name__}")
    return _kept_text("uri", text_of_uri(uri), LONGEST_URI)


def checked_tags(metadata: Iterable[str] | None, limits: Limits) -> frozenset[str]:
    """Return the tags that a name is to have.

    Raises:
        TypeError: they are not a collection of texts.
        NamingError: they are too many or too long, or no storage could keep them.
    """
    if not metadata and (metadata is None or type(metadata) in {list, tuple, set}):
        return frozenset()
    tags = set()
    # Looked at one by one, because a range of a few bytes may have no end.
    for tag in _items("metadata", metadata):
        checked = checked_text("metadata tag", tag)
        tags.add(_kept_text("metadata tag", checked, limits.tag_length))
        if len(tags) > limits.tags:
            raise NamingError(
                f"a name may have {limits.tags} metadata tags at most (MAX_NAME_TAGS)"
            )
    return frozenset(tags)


def checked_ttl(ttl: float | None) -> float:
    """Return how many seconds a registration lasts; 0 means for good.

    Raises:
        TypeError: it is no number.
        ValueError: it is not 0, but too short or too long.
    """
    if ttl is None:
        return 0.0
    seconds = _number("ttl", ttl)
    if seconds and not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise ValueError(
            f"a ttl must be 0 (for good) or {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} "
            f"seconds, not {seconds:g}"
        )
    return seconds


def checked_seconds(what: str, value: float, most: float) -> float:
    """Return a time that is not negative, cut at a bound.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or not a number of seconds.
    """
    seconds = _number(what, value)
    if not seconds >= 0:
        raise ValueError(f"a {what} must be 0 or more seconds, not {seconds:g}")
    return min(seconds, most)


def checked_page(limit: int) -> int:
    """Return how many items an answer may have, cut at `LARGEST_PAGE`.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less than 1.
    """
    kind: object = type(limit)
    if kind is not int:
        raise TypeError(f"a limit must be a whole number, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError(f"a limit must be at least 1, not {limit}")
    return min(limit, LARGEST_PAGE)


def shown(text: str) -> str:
    """Return a text as an error message can hold it, whatever a client has sent."""
    start = text[:_LONGEST_SHOWN]
    if start.isascii():
        return start
    return start.encode("utf-8", "backslashreplace").decode("utf-8")


def _kept_text(what: str, text: str, most: int) -> str:
    """Return a text as a storage can keep it.

    Raises:
        NamingError: it is too long, or is not Unicode.
    """
    if len(text) > most:
        raise NamingError(
            f"a {what} may have {most} characters at most, not {len(text)}: "
            f"{text[:40]!r}..."
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise NamingError(
                f"a {what} must be Unicode text, and {text[:40]!r} has half a "
                "surrogate pair"
            ) from error
    return str(text)


def _items(what: str, values: Iterable[str] | None) -> Iterable[str]:
    if isinstance(values, str):
        raise TypeError(f"{what} must be a collection of texts, not one text")
    # A proxy would be asked for its items, wherever it leads.
    if values is None or hasattr(type(values), "_pyro_state_"):
        raise TypeError(f"{what} must be a collection of texts, not a reference")
    if not isinstance(values, Iterable):
        kind = type(values).__name__
        raise TypeError(f"{what} must be a collection of texts, not {kind}")
    return values


def _number(what: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"a {what} must be a number, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise ValueError(f"a {what} must be a number of seconds, not {value!r}")
    return number
