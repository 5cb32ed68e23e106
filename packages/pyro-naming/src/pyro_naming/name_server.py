"""The name server object: what clients call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyro_protocol import NAMESERVER_NAME, URI, expose
from pyro_protocol.errors import NamingError

from .patterns import compile_pattern
from .storages import MemoryStorage, Registration, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Listing", "NameServer", "listing_of"]

# By this Pyro5 programs find name servers.
_OWN_METADATA: Final = frozenset({"class:Pyro5.nameserver.NameServer"})

Listing = dict[str, str] | dict[str, tuple[str, set[str]]]
"""Names and the texts of URIs, or names and pairs of URI and metadata."""


class NameServer:
    """Registers objects by name, and finds them by name or by metadata.

    It is an ordinary object that any Pyro server can publish; `start_ns` does all
    of it. Its methods may be called from several threads. Its own name cannot be
    replaced, changed or removed by the methods that clients can call.

    In a server other than that of `start_ns`, a regular expression from a client is
    matched in this process, and one that takes for ever takes it from all.

    Args:
        storage: where registrations are kept; without it in memory.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self.storage: Storage = MemoryStorage() if storage is None else storage

    def announce(self, uri: str | URI) -> None:
        """Register the name server itself; clients cannot call this.

        Raises:
            PyroError: the URI is not valid.
        """
        own = Registration(str(URI(uri)), _OWN_METADATA)
        self.storage.put(NAMESERVER_NAME, own)

    @expose
    def count(self) -> int:
        """Return how many names are registered."""
        return len(self.storage)

    @expose
    def ping(self) -> None:
        """Do nothing: an answer shows that the name server is alive."""

    @expose
    def lookup(
        self, name: str, return_metadata: bool = False
    ) -> URI | tuple[URI, set[str]]:
        """Return the URI of a name, or URI and metadata.

        Raises:
            NamingError: the name is not registered.
            TypeError: the name is not text.
        """
        found = self.storage.get(_checked_name(name))
        if found is None:
            raise _unknown(name)
        uri = URI(found.uri)
        return (uri, set(found.metadata)) if return_metadata else uri

    @expose
    def register(
        self,
        name: str,
        uri: str | URI,
        safe: bool = False,
        metadata: Iterable[str] | None = None,
    ) -> None:
        """Register a name, replacing its URI and metadata.

        Args:
            name: the name.
            uri: the URI; a ``PYRONAME`` or ``PYROMETA`` URI refers to other names.
            safe: whether to refuse a name that is registered already.
            metadata: the tags.

        Raises:
            NamingError: the name is taken, or is the name server's own.
            PyroError: the URI is not valid.
            TypeError: an argument is of a wrong type.
        """
        _refuse_own(_checked_name(name))
        if not isinstance(uri, str | URI):
            raise TypeError(f"a uri must be text or a URI, not {type(uri).__name__}")
        registration = Registration(str(URI(uri)), _tags(metadata))
        if not self.storage.put(name, registration, replace=not safe):
            raise NamingError(f"name already registered: {name}")

    @expose
    def set_metadata(self, name: str, metadata: Iterable[str] | None) -> None:
        """Replace the metadata of a name; None or an empty collection clears it.

        Raises:
            NamingError: the name is not registered, or is the name server's own.
            TypeError: an argument is of a wrong type.
        """
        _refuse_own(_checked_name(name))
        if not self.storage.set_metadata(name, _tags(metadata)):
            raise _unknown(name)

    @expose
    def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
    ) -> int:
        """Remove a name, or all that match, and return how many were removed.

        The first argument that is not empty counts. The name server's own name
        stays.

        Raises:
            NamingError: the regular expression is not valid.
            TypeError: an argument is not text.
        """
        if name:
            names = {_checked_name(name)}
        elif prefix:
            names = set(self.storage.find(_checked_text("prefix", prefix)))
        elif regex:
            names = set(self._matching(regex))
        else:
            return 0
        return self.storage.remove(names - {NAMESERVER_NAME})

    @expose
    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
    ) -> Listing:
        """Return names and URIs, or names and pairs of URI and metadata.

        Args:
            prefix: what the names have to begin with, letter by letter.
            regex: what the beginning of the names has to match.
            return_metadata: whether the metadata is wanted.

        Raises:
            ValueError: both a prefix and a regular expression are given.
            NamingError: the regular expression is not valid.
            TypeError: an argument is not text.
        """
        if prefix and regex:
            raise ValueError("give a prefix or a regex, not both")
        if regex:
            return listing_of(self._matching(regex), return_metadata)
        prefix = _checked_text("prefix", prefix or "")
        return listing_of(self.storage.find(prefix), return_metadata)

    @expose
    def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: bool = True,
    ) -> Listing:
        """Return the names that have metadata, as in the yellow pages.

        Args:
            meta_all: tags of which all are needed.
            meta_any: tags of which one is enough.
            return_metadata: whether the metadata of the names is wanted.

        Raises:
            ValueError: both are given.
            TypeError: the tags are not a collection of texts.
        """
        every, some = _tags(meta_all), _tags(meta_any)
        if every and some:
            raise ValueError("give meta_all or meta_any, not both")
        if not every and not some:
            return {}
        found = self.storage.find_by_metadata(every or some, every=bool(every))
        return listing_of(found, return_metadata)

    def _matching(self, regex: str) -> dict[str, Registration]:
        # Matched on a copy: however long it takes, no lock is held meanwhile.
        pattern = compile_pattern(regex)
        everything = self.storage.find()
        return {name: one for name, one in everything.items() if pattern.match(name)}


def listing_of(found: dict[str, Registration], return_metadata: bool) -> Listing:
    """Return registrations in the form that clients get."""
    if return_metadata:
        return {name: (uri, set(metadata)) for name, (uri, metadata) in found.items()}
    return {name: one.uri for name, one in found.items()}


def _tags(metadata: Iterable[str] | None) -> frozenset[str]:
    if metadata is None:
        return frozenset()
    if isinstance(metadata, str):
        raise TypeError("metadata must be a collection of texts, not one text")
    if hasattr(type(metadata), "_pyro_state_"):
        # A proxy would be asked for its items, wherever it leads.
        raise TypeError("metadata must be a collection of texts, not a reference")
    tags = set()
    # Looked at one by one, because a range of a few bytes may have no end.
    for tag in metadata:
        if not isinstance(tag, str):
            raise TypeError(f"a metadata tag must be text, not {type(tag).__name__}")
        tags.add(tag)
    return frozenset(tags)


def _checked_name(name: str) -> str:
    return _checked_text("name", name)


def _checked_text(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {what} must be text, not {type(value).__name__}")
    return value


def _refuse_own(name: str) -> None:
    if name == NAMESERVER_NAME:
        raise NamingError(f"name {name} is the name server's own and stays as it is")


def _unknown(name: str) -> NamingError:
    return NamingError(f"unknown name: {name}")
