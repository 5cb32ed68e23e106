"""The name server object: all that clients call, in one place and documented there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pyro_protocol import NAMESERVER_NAME, URI, config, expose
from pyro_protocol.errors import NamingError

from .arguments import (
    checked_name,
    checked_names,
    checked_owner,
    checked_page,
    checked_seconds,
    checked_tags,
    checked_text,
    checked_ttl,
    checked_uri,
    shown,
)
from .limits import LONGEST_WAIT, Limits
from .patterns import compile_pattern, matching_names, plain_start
from .records import Listing, Record, entry_of, listing_of
from .registrar import Registrar
from .rights import Rights
from .searching import Search, page_of
from .storages import MemoryStorage, Registration, Storage
from .uri_cache import uri_of_text
from .watching import Watch, next_changes, watch_changes

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator

    from pyro_protocol import Configuration

    from .rights import Access, Claim

__all__ = ["NameServer"]

# By this Pyro5 programs find name servers.
_OWN_METADATA: Final = frozenset({"class:Pyro5.nameserver.NameServer"})


class NameServer:
    """Registers objects by name, and finds them by name or by metadata.

    It is an ordinary object that any Pyro server can publish; `start_ns` does all
    of it. Its methods may be called from several threads. Its own name cannot be
    replaced, changed or removed by the methods that clients can call.

    A registration may have an owner, and then only requests in the same name change
    it, unless they use force. It may have a time for which it lasts, its ttl, and is
    gone when its owner has not renewed it by then.

    Args:
        storage: where registrations are kept; without it in memory.
        access: the rules for clients; None if there are none.
        trusting: whether all calls are the program's own, so that no rules and no
            ``NS_PLAIN_CLIENTS`` hold for them.
        config: the settings; they are read now.
        clock: returns the seconds since the epoch.
    """

    def __init__(
        self,
        storage: Storage | None = None,
        *,
        access: Access | None = None,
        trusting: bool = False,
        config: Configuration = config,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.storage: Storage = MemoryStorage() if storage is None else storage
        self._clock = clock
        self._limits = Limits.of(config)
        rights = Rights(config.NS_PLAIN_CLIENTS, access, trusting=trusting)
        self._rights = rights
        self._guarded = rights.access is not None
        self._registrar = Registrar(self.storage, rights, self._limits, clock)
        self._ended = False

    def announce(self, uri: str | URI, ttl: float = 0.0) -> None:
        """Register the name server itself; clients cannot call this.

        Args:
            uri: where it is.
            ttl: how many seconds that lasts; 0 means for good.

        Raises:
            PyroError: the URI is not valid.
            NamingError: the storage fails.
        """
        now = self._clock()
        own = Registration(checked_uri(uri), _OWN_METADATA, "", ttl, now, now)
        self.storage.put(NAMESERVER_NAME, own)

    def keep_announced(self, uri: str | URI, ttl: float) -> None:
        """Register the name server itself, unless another is registered that lives.

        Of several over one storage that is the one that all of them tell.

        Args:
            uri: where it is.
            ttl: how many seconds that lasts.

        Raises:
            PyroError: the URI is not valid.
            NamingError: the storage fails.
        """
        known = self.storage.get(NAMESERVER_NAME)
        if (
            known is None
            or known.uri == checked_uri(uri)
            or known.has_expired(self._clock())
        ):
            self.announce(uri, ttl)

    def sweep(self) -> int:
        """Remove some of what has expired, and return how many names that were.

        Nobody sees those any more, with or without this.

        Raises:
            NamingError: the storage fails.
        """
        return self._registrar.sweep()

    def restart_leases(self) -> None:
        """Give every lease its whole time from now, also if it has expired.

        Nobody could renew it while there was no name server.

        Raises:
            NamingError: the storage fails.
        """
        self._registrar.restart_leases()

    def close(self) -> None:
        """End the waiting of those who watch; the storage stays open."""
        self._ended = True

    @expose
    def count(self) -> int:
        """Return how many names are registered."""
        if self._guarded:
            return len(self._seen(self.storage.find()))
        total = len(self.storage)
        return total - len(self.storage.expired(self._clock(), total))

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
        found = self._found(name)
        uri = uri_of_text(found.uri)
        return (uri, set(found.metadata)) if return_metadata else uri

    @expose
    def locate(self, name: str) -> str:
        """Return the URI of a name as text, which is read quicker than a URI.

        Raises:
            NamingError: the name is not registered.
            TypeError: the name is not text.
        """
        return self._found(name).uri

    @expose
    def describe(self, name: str) -> Record:
        """Return all that is known about a name.

        That is a dictionary: ``name``, ``uri``, ``metadata`` (a sorted list),
        ``owner`` (empty: nobody), ``ttl`` (0: for good), ``age`` and ``expires_in``,
        in seconds; the latter is None if it does not expire.

        Raises:
            NamingError: the name is not registered.
            TypeError: the name is not text.
        """
        found = self.storage.get(_text_of(name))
        now = self._clock()
        if found is None or found.has_expired(now) or not self._rights.sees(name):
            raise _unknown(name)
        return entry_of(name, found, now)

    @expose
    def register(
        self,
        name: str,
        uri: str | URI,
        safe: bool = False,
        metadata: Iterable[str] | None = None,
        ttl: float | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Register a name, replacing its URI and metadata.

        Args:
            name: the name.
            uri: the URI; a ``PYRONAME`` or ``PYROMETA`` URI refers to other names.
            safe: whether to refuse a name that is registered already.
            metadata: the tags.
            ttl: how many seconds it lasts if it is not renewed; None or 0 means for
                good.
            owner: in whose name; None means in that of the client if it has
                authenticated, and else in nobody's.
            force: whether to replace what is somebody else's.

        Raises:
            NamingError: the name is taken, is somebody else's, or is the name
                server's own; or a limit is exceeded.
            SecurityError: the client may not do that.
            PyroError: the URI is not valid.
            TypeError: an argument is of a wrong type.
            ValueError: the ttl is too short or too long.
        """
        limits = self._limits
        self._registrar.register(
            checked_name(name, limits),
            checked_uri(uri),
            checked_tags(metadata, limits),
            checked_ttl(ttl),
            self._claim(owner, force),
            safe=safe,
        )

    @expose
    def set_metadata(
        self,
        name: str,
        metadata: Iterable[str] | None,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Replace the metadata of a name; None or an empty collection clears it.

        Args:
            name: the name.
            metadata: the tags.
            owner: in whose name; see `register`.
            force: whether to change what is somebody else's, who keeps it.

        Raises:
            NamingError: the name is not registered, is somebody else's, or is the
                name server's own; or a limit is exceeded.
            SecurityError: the client may not do that.
            TypeError: an argument is of a wrong type.
        """
        tags = checked_tags(metadata, self._limits)
        claim = self._claim(owner, force)
        self._registrar.set_metadata(_text_of(name), tags, claim)

    @expose
    def renew(self, names: str | Iterable[str], owner: str | None = None) -> list[str]:
        """Begin the time of leases anew.

        Args:
            names: the names, or one.
            owner: in whose name; see `register`.

        Returns:
            The names that were not renewed: they are not registered any more, or
            are somebody else's. Their owner has to register them again.

        Raises:
            SecurityError: the client may not do that.
            TypeError: an argument is of a wrong type.
        """
        wanted = checked_names(names)
        return self._registrar.renew(wanted, self._claim(owner, force=False))

    @expose
    def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> int:
        """Remove a name, or all that match, and return how many were removed.

        The first argument that is not empty counts. The name server's own name
        stays. Of several names, those stay that may not be removed.

        Args:
            name: the name.
            prefix: what the names have to begin with.
            regex: what the beginning of the names has to match.
            owner: in whose name; see `register`.
            force: whether to remove what is somebody else's.

        Raises:
            NamingError: the name is somebody else's, or the regular expression is
                not valid.
            SecurityError: the client may not do that.
            TypeError: an argument is not text.
        """
        claim = self._claim(owner, force)
        if name:
            return int(self._registrar.remove(_text_of(name), claim))
        if prefix:
            found = self._live(self.storage.find(checked_text("prefix", prefix)))
        elif regex:
            found = self._matching(regex)
        else:
            return 0
        return self._registrar.remove_all(found, claim)

    @expose
    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
        metadata_all: Iterable[str] | None = None,
        metadata_any: Iterable[str] | None = None,
    ) -> Listing:
        """Return names and URIs, or names and pairs of URI and metadata.

        Args:
            prefix: what the names have to begin with, letter by letter.
            regex: what the beginning of the names has to match.
            return_metadata: whether the metadata is wanted.
            metadata_all: tags of which all are needed, as Pyro4 clients ask for them;
                others use `yplookup`.
            metadata_any: the same, tags of which one is enough.

        Raises:
            ValueError: more than one of prefix, regular expression and tags is given.
            NamingError: the regular expression is not valid.
            TypeError: an argument is of a wrong type.
        """
        if prefix and regex:
            raise ValueError("give a prefix or a regex, not both")
        if metadata_all or metadata_any:
            if prefix or regex:
                raise ValueError("give a prefix, a regex or metadata, one of them")
            # Of this class, as in others it is a coroutine.
            return NameServer.yplookup(
                self, metadata_all, metadata_any, return_metadata
            )
        if regex:
            return listing_of(self._seen(self._matching(regex)), return_metadata)
        prefix = checked_text("prefix", prefix or "")
        return listing_of(self._seen(self.storage.find(prefix)), return_metadata)

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
        search = Search.of(self._limits, meta_all=meta_all, meta_any=meta_any)
        if not search.tags:
            return {}
        return listing_of(self._seen(search.find(self.storage)), return_metadata)

    @expose
    def entries(
        self,
        prefix: str = "",
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        regex: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Record:
        """Return a page of all that is known about names, ordered by name.

        That is a dictionary: ``entries``, a list of what `describe` gives, and
        ``next``, the ``after`` of the next page, or the empty text after the last. A
        page may have less than was asked for, and still not be the last.

        Args:
            prefix: what the names have to begin with.
            meta_all: tags of which all are needed.
            meta_any: tags of which one is enough.
            regex: what the beginning of the names has to match as well.
            after: only names beyond this one are wanted.
            limit: how many at most; more than 10,000 are never given.

        Raises:
            ValueError: both kinds of tags are given, or the limit is less than 1.
            NamingError: the regular expression is not valid.
            TypeError: an argument is of a wrong type.
        """
        search, pattern = self._search(prefix, meta_all, meta_any, regex, after, limit)
        found = search.find(self.storage)
        wanted = self._seen(found)
        if pattern is not None:
            names = matching_names(pattern, wanted)
            wanted = {name: wanted[name] for name in names}
        return page_of(search, found, wanted, self._clock())

    @expose
    def position(self) -> str:
        """Return where in the history of the registrations the name server is now.

        To be given to `changes` and `watch`.
        """
        return self.storage.position()

    @expose
    def changes(
        self, after: str, prefix: str = "", wait: float = 0.0, limit: int = 1000
    ) -> Record:
        """Return what has happened since a position, the oldest first.

        That is a dictionary: ``changes`` and ``position``, which is the ``after`` of
        the next call. A change is a dictionary: ``kind`` (``added``, ``changed`` or
        ``removed``), ``name``, ``position`` and, if it was not removed, ``uri``,
        ``metadata`` (a sorted list), ``owner`` and ``ttl``.

        Args:
            after: the position.
            prefix: what the names have to begin with.
            wait: how many seconds to wait for the first change, at most 60.
            limit: how many at most; more than 10,000 are never given.

        Raises:
            NamingError: the history since then is not kept; the text begins with
                ``history lost``.
            TypeError: an argument is of a wrong type.
            ValueError: the limit is less than 1, or the time negative.
        """
        return next_changes(
            self.storage,
            self._watch(prefix, limit),
            checked_text("position", after),
            checked_seconds("wait", wait, LONGEST_WAIT),
        )

    @expose
    def watch(
        self, prefix: str = "", after: str | None = None, existing: bool = False
    ) -> Iterator[Record]:
        """Return an iterator of the changes, as `changes` describes them.

        It waits for the next one, and has no end but that of the name server.

        Args:
            prefix: what the names have to begin with.
            after: the position to begin at; None means now.
            existing: whether to begin with what is registered now, as changes of the
                kind ``known``.

        Raises:
            NamingError: the history since then is not kept; the text begins with
                ``history lost``.
            TypeError: an argument is of a wrong type.
            ValueError: both a position and what exists are asked for.
        """
        watch = self._watch(prefix, after=after, existing=existing)
        position = self.storage.position() if after is None else after
        return watch_changes(self.storage, watch, position, self._clock)

    def _found(self, name: str) -> Registration:
        """Return what a client may see under a name."""
        found = self.storage.get(name if type(name) is str else _text_of(name))
        if (
            found is None
            or (found.ttl and found.has_expired(self._clock()))
            or (self._guarded and not self._rights.sees(name))
        ):
            raise _unknown(name)
        return found

    def _watch(
        self,
        prefix: str,
        limit: int = 1000,
        *,
        after: str | None = None,
        existing: bool = False,
    ) -> Watch:
        if existing and after is not None:
            raise ValueError("give after or existing, not both")
        if after is not None:
            checked_text("position", after)
        return Watch(
            checked_text("prefix", prefix),
            checked_page(limit),
            existing,
            self._rights.view(lasting=True) if self._guarded else None,
            lambda: self._ended,
        )

    def _claim(self, owner: str | None, force: bool) -> Claim:
        return self._rights.claim(
            checked_owner(owner, self._limits) if owner else "", bool(force)
        )

    def _search(
        self,
        prefix: str,
        meta_all: Iterable[str] | None,
        meta_any: Iterable[str] | None,
        regex: str | None,
        after: str,
        limit: int,
    ) -> tuple[Search, re.Pattern[str] | None]:
        limit = checked_page(limit)
        search = Search.of(self._limits, prefix, meta_all, meta_any, after, limit)
        return search, compile_pattern(regex) if regex else None

    def _matching(self, regex: str) -> dict[str, Registration]:
        # Matched on a copy: however long it takes, no lock is held meanwhile.
        pattern = compile_pattern(regex)
        found = self._live(self.storage.find(plain_start(pattern)))
        return {name: found[name] for name in matching_names(pattern, found)}

    def _live(self, found: dict[str, Registration]) -> dict[str, Registration]:
        """Leave out what has expired."""
        now = self._clock()
        return {
            name: one
            for name, one in found.items()
            if not one.ttl or now - one.renewed < one.ttl
        }

    def _seen(self, found: dict[str, Registration]) -> dict[str, Registration]:
        """Leave out what has expired, and what the client may not look up."""
        live = self._live(found)
        view = self._rights.view() if self._guarded else None
        return live if view is None else {n: one for n, one in live.items() if view(n)}


def _text_of(name: str) -> str:
    return checked_text("name", name)


def _unknown(name: str) -> NamingError:
    return NamingError(f"unknown name: {shown(name)}")
