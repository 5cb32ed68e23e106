"""What is shown of names, from name servers that know more and those that know less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyro_protocol import NameServerClient
    from pyro_protocol.naming import NameEntry

__all__ = ["Entry", "Search", "found", "known", "listing"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A name; what Pyro5's name servers cannot tell is None.

    Attributes:
        name: the name.
        uri: the text of its URI.
        metadata: its tags.
        owner: in whose name it is registered; empty if in nobody's.
        ttl: how many seconds it lasts after it was renewed; 0 means for good.
        age: how many seconds ago it was registered.
        expires_in: how many seconds it lasts if it is not renewed; None also for good.
    """

    name: str
    uri: str
    metadata: frozenset[str]
    owner: str | None = None
    ttl: float | None = None
    age: float | None = None
    expires_in: float | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.name,
            "uri": self.uri,
            "metadata": sorted(self.metadata),
            "owner": self.owner,
            "ttl": self.ttl,
            "age": self.age,
            "expires_in": self.expires_in,
        }


@dataclass(frozen=True, slots=True)
class Search:
    """Which names are wanted: those that fit the one thing that is given, or all.

    Attributes:
        prefix: what they begin with.
        regex: what their beginning matches.
        meta_all: tags of which they have all.
        meta_any: tags of which they have one.
    """

    prefix: str = ""
    regex: str | None = None
    meta_all: Sequence[str] | None = None
    meta_any: Sequence[str] | None = None


def known(entry: NameEntry) -> Entry:
    """Return what a name server that knows everything tells of a name."""
    return Entry(
        entry.name,
        entry.uri,
        entry.metadata,
        entry.owner,
        entry.ttl,
        entry.age,
        entry.expires_in,
    )


def found(name_server: NameServerClient, search: Search) -> list[Entry]:
    """Return the names that fit, ordered, with all that is known about them."""
    if "entries" not in name_server._pyroMethods:
        listed = listing(name_server, search)
        return [
            Entry(name, uri, frozenset(metadata))
            for name, (uri, metadata) in sorted(listed.items())
        ]
    everything = name_server.entries(
        search.prefix,
        meta_all=search.meta_all,
        meta_any=search.meta_any,
        regex=search.regex,
    )
    return [known(entry) for entry in everything]


def listing(
    name_server: NameServerClient, search: Search
) -> Mapping[str, tuple[str, set[str]]]:
    """Return the names that fit, as every name server can tell them."""
    if search.meta_all is not None:
        return name_server.yplookup(meta_all=search.meta_all)
    if search.meta_any is not None:
        return name_server.yplookup(meta_any=search.meta_any)
    if search.regex is not None:
        return name_server.list(regex=search.regex, return_metadata=True)
    return name_server.list(prefix=search.prefix or None, return_metadata=True)
