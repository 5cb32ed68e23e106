"""How much of everything a name server takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

from pyro_protocol import config

if TYPE_CHECKING:
    from pyro_protocol import Configuration

__all__ = [
    "LARGEST_PAGE",
    "LONGEST_LEASE",
    "LONGEST_URI",
    "LONGEST_WAIT",
    "SHORTEST_LEASE",
    "Limits",
]

LARGEST_PAGE: Final = 10_000
"""How many entries or changes one answer has at most: some MiB, which a name server
writes in a fraction of a second."""

LONGEST_URI: Final = 8192
"""Characters of a registered URI: hosts, ports and paths need a tenth."""

LONGEST_WAIT: Final = 60.0
"""Seconds that a request for changes waits at most: a client that has gone without
saying so is noticed by then."""

SHORTEST_LEASE: Final = 0.5
"""Seconds of a lease; with less a name would come and go as the network hiccups."""

LONGEST_LEASE: Final = 30 * 24 * 3600.0
"""Seconds of a lease; what lasts longer than a month needs none."""


class Limits(NamedTuple):
    """The limits that are settings, read once when a name server is made.

    Attributes:
        name_length: characters of a name, or of an owner.
        tags: tags of a name.
        tag_length: characters of a tag.
        names_per_owner: names that one owner may have.
        watchers: clients that may watch at a time.
    """

    name_length: int
    tags: int
    tag_length: int
    names_per_owner: int
    watchers: int

    @classmethod
    def of(cls, settings: Configuration = config) -> Self:
        """Return the limits that are configured."""
        return cls(
            settings.MAX_NAME_LENGTH,
            settings.MAX_NAME_TAGS,
            settings.MAX_TAG_LENGTH,
            settings.MAX_NAMES_PER_OWNER,
            settings.MAX_WATCHERS,
        )
