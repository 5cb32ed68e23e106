"""The blocking client of the name server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self, overload

from ..config import Configuration, config
from ..errors import NamingError
from ..uri import URI
from . import operations
from .connection import Connection

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator

    from .records import NameEntry
    from .watch import NameWatch

__all__ = ["NameServerClient", "serializer_for", "server_uri"]

PAGE_SIZE: Final = 1000
"""How many entries are asked for at once: few enough to hold up nobody, and enough to
ask seldom."""


def server_uri(uri: str | URI) -> URI:
    """Return the URI of a name server as a URI.

    Raises:
        NamingError: it says where to look, not where the name server is.
    """
    result = URI(uri)
    if result.protocol != "PYRO":
        raise NamingError(
            f"a name server client needs a PYRO URI, not {result}; see locate_ns"
        )
    return result


def serializer_for(config: Configuration) -> str:
    """Return the name of the serializer to talk to name servers with.

    It is the configured one, unless there are name servers that do not take it.
    """
    chosen = config.SERIALIZER
    return chosen if chosen in ("serpent", "json", "msgpack") else "auto"


class NameServerClient:
    """A name server somewhere, with its operations as methods.

    It connects when it is first used and stays connected; ``_pyroRelease``, or
    the end of a ``with`` block, disconnects. Threads may share it: their calls
    take turns. If the connection is lost it connects anew, to another name server if
    it knows several, and a call is repeated where that is certainly harmless.

    Args:
        uri: the ``PYRO`` URI of the name server; `locate_ns` finds it.
        others: URIs of others that answer alike, because they share what they know.
        config: the settings.

    Raises:
        NamingError: the URI does not say where the name server is.
    """

    def __init__(
        self,
        uri: str | URI,
        *,
        others: Iterable[str | URI] = (),
        config: Configuration = config,
    ) -> None:
        uris = dict.fromkeys(map(server_uri, (uri, *others)))
        self._connection = Connection(tuple(uris), serializer_for(config), config)
        self._perform = self._connection.perform

    @overload
    def lookup(self, name: str, return_metadata: Literal[False] = False) -> URI: ...

    @overload
    def lookup(
        self, name: str, return_metadata: Literal[True]
    ) -> tuple[URI, set[str]]: ...

    @overload
    def lookup(
        self, name: str, return_metadata: bool
    ) -> URI | tuple[URI, set[str]]: ...

    def lookup(
        self, name: str, return_metadata: bool = False
    ) -> URI | tuple[URI, set[str]]:
        """Return the URI registered under a name.

        Args:
            name: the name.
            return_metadata: whether to return its metadata too.

        Raises:
            NamingError: the name is not registered.
        """
        if return_metadata:
            return self._perform(operations.find_with_metadata(name))
        return self._perform(operations.find(name))

    def register(
        self,
        name: str,
        uri: str | URI,
        safe: bool = False,
        metadata: Iterable[str] | None = None,
        *,
        ttl: float | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Register a URI under a name, replacing what was registered under it.

        Args:
            name: the name.
            uri: where the object is.
            safe: whether to refuse a name that is registered already.
            metadata: tags to find the name by.
            ttl: for how many seconds, unless it is renewed; None or 0 for good.
            owner: in whose name. Others can then neither replace nor remove it.
            force: whether to take a name that is somebody else's.

        Raises:
            NamingError: the name is taken, or reserved, or the name server knows no
                leases.
            TypeError: an argument is of a wrong type.
            PyroError: the URI is not valid.
        """
        self._perform(
            operations.register(
                name, uri, metadata, safe=safe, ttl=ttl, owner=owner, force=force
            )
        )

    def renew(
        self, names: str | Iterable[str], owner: str | None = None
    ) -> builtins.list[str]:
        """Have names last for their ttl from now on.

        Args:
            names: one name, or several.
            owner: in whose name they are registered.

        Returns:
            Those that were not renewed because they are not registered any more, or
            for somebody else; whoever still wants them has to register them again.

        Raises:
            NamingError: the name server knows no leases.
        """
        return self._perform(operations.renew(names, owner))

    def set_metadata(
        self,
        name: str,
        metadata: Iterable[str] | None,
        *,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Replace the metadata of a name; None, or an empty collection, clears it.

        Args:
            name: the name.
            metadata: the tags.
            owner: in whose name it is registered.
            force: whether to do it though it is somebody else's.

        Raises:
            NamingError: the name is not registered, or is somebody else's.
            TypeError: the metadata is of a wrong type.
        """
        self._perform(operations.set_metadata(name, metadata, owner=owner, force=force))

    def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        *,
        owner: str | None = None,
        force: bool = False,
    ) -> int:
        """Remove a name, or all that match, and return how many were removed.

        The first argument that is given counts. The name server's own name stays.

        Args:
            name: the name.
            prefix: what the names begin with.
            regex: what the beginning of the names matches.
            owner: in whose name they are registered. What is somebody else's is no
                match.
            force: whether to remove what is somebody else's.

        Raises:
            NamingError: the regular expression is not valid, or the name is somebody
                else's.
        """
        return self._perform(
            operations.remove(name, prefix, regex, owner=owner, force=force)
        )

    def describe(self, name: str) -> NameEntry:
        """Return all that the name server knows about a name.

        Raises:
            NamingError: the name is not registered, or the name server does not tell.
        """
        return self._perform(operations.describe(name))

    def entries(
        self,
        prefix: str = "",
        *,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        regex: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[NameEntry]:
        """Return what is registered, ordered by name, however much that is.

        It is fetched page by page, so that what changes meanwhile may be seen or not.

        Args:
            prefix: what the names have to begin with.
            meta_all: tags that they must have, all of them.
            meta_any: tags of which they must have at least one.
            regex: what the beginning of the names has to match.
            page_size: how many are fetched at once.

        Raises:
            NamingError: the name server has no pages, or refuses.
            TypeError: the tags are of a wrong type.
        """
        tags_all, tags_any = operations.criteria(meta_all, meta_any)
        after: str = ""
        while True:
            page = self._perform(
                operations.page(prefix, tags_all, tags_any, regex, after, page_size)
            )
            yield from page.entries
            after = page.next
            if not after:
                return

    def watch(
        self, prefix: str = "", *, after: str | None = None, existing: bool = False
    ) -> NameWatch:
        """Return an iterator over what happens to names from now on.

        It has a connection of its own, so that other calls go on meanwhile. If that
        is lost, it connects anew and goes on where it was: no change is missed, and
        none comes twice. It waits for ever; `NameWatch.close`, from any thread, or the
        end of a ``with`` block, ends it.

        Args:
            prefix: what the names have to begin with.
            after: the position of a change after which to go on; None for now.
            existing: whether what is registered already comes first, as changes of
                the kind ``"known"``.

        Raises:
            NamingError: the name server cannot be watched, or does not remember what
                was after that position.
            CommunicationError: it cannot be reached.
            ValueError: both ``after`` and ``existing`` are given.
        """
        from .watch import NameWatch  # noqa: PLC0415 - most programs do not watch

        # It would only find out on a connection of its own.
        self._connection.require("changes")
        return NameWatch(self._connection.another(), prefix, after, existing=existing)

    @overload
    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: Literal[False] = False,
    ) -> dict[str, str]: ...

    @overload
    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        *,
        return_metadata: Literal[True],
    ) -> dict[str, tuple[str, set[str]]]: ...

    @overload
    def list(
        self, prefix: str | None, regex: str | None, return_metadata: Literal[True]
    ) -> dict[str, tuple[str, set[str]]]: ...

    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
    ) -> dict[str, str] | dict[str, tuple[str, set[str]]]:
        """Return the registered names with the text of their URIs.

        Args:
            prefix: what the names have to begin with.
            regex: what the beginning of the names has to match.
            return_metadata: whether each value is a pair of URI and metadata.

        Raises:
            ValueError: both a prefix and a regular expression are given.
            NamingError: the regular expression is not valid.
        """
        if return_metadata:
            return self._perform(operations.list_with_metadata(prefix, regex))
        return self._perform(operations.list_names(prefix, regex))

    @overload
    def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: Literal[True] = True,
    ) -> dict[str, tuple[str, set[str]]]: ...

    @overload
    def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        *,
        return_metadata: Literal[False],
    ) -> dict[str, str]: ...

    @overload
    def yplookup(
        self,
        meta_all: Iterable[str] | None,
        meta_any: Iterable[str] | None,
        return_metadata: Literal[False],
    ) -> dict[str, str]: ...

    def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: bool = True,
    ) -> dict[str, str] | dict[str, tuple[str, set[str]]]:
        """Return the names that have certain metadata, with the text of their URIs.

        Args:
            meta_all: tags that a name must have, all of them.
            meta_any: tags of which a name must have at least one.
            return_metadata: whether each value is a pair of URI and metadata.

        Raises:
            ValueError: both are given.
            TypeError: the tags are of a wrong type.
        """
        if return_metadata:
            return self._perform(operations.search_with_metadata(meta_all, meta_any))
        return self._perform(operations.search(meta_all, meta_any))

    def count(self) -> int:
        """Return how many names are registered."""
        return self._perform(operations.count())

    def ping(self) -> None:
        """Return if the name server is alive.

        Raises:
            CommunicationError: it does not answer.
        """
        self._perform(operations.ping())

    @property
    def _pyroUri(self) -> URI:
        """Where the name server is; of several, the one that was last connected to."""
        return self._connection.uri

    @property
    def _pyroMethods(self) -> frozenset[str]:
        """What the name server can do that was connected to last, by method."""
        return self._connection.methods

    def _pyroBind(self) -> bool:
        """Connect; return False if it is connected already.

        Raises:
            CommunicationError: the name server cannot be reached.
            SecurityError: it refuses this program.
        """
        return self._connection.open()

    def _pyroRelease(self) -> None:
        """Disconnect; the next call connects again."""
        self._connection.close()

    def _pyroClaimOwnership(self) -> None:
        """Do nothing: any thread may use it."""

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds connecting, and each call, may take; None: no bound."""
        return self._connection.timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._connection.timeout = seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._pyroRelease()

    def __del__(self) -> None:
        # Programs written for Pyro5 let go of a name server without a word.
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        state = "connected" if self._connection.connected else "not connected"
        return f"<{type(self).__name__} {self._pyroUri}, {state}>"
