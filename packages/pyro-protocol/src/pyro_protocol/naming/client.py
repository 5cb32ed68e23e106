"""The blocking client of the name server."""

from __future__ import annotations

import selectors
import threading
from typing import TYPE_CHECKING, Literal, Self, TypeVar, overload

from ..config import Configuration, config
from ..errors import CommunicationError, NamingError, TimeoutError  # noqa: A004 - the documented name
from ..transport import BlockingChannel
from ..uri import URI
from . import operations

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from .operations import Operation

__all__ = ["NameServerClient", "serializer_for", "server_uri"]

Result = TypeVar("Result")


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
    take turns. If the connection is lost it connects anew, and a call is repeated
    where that is certainly harmless.

    Args:
        uri: the ``PYRO`` URI of the name server; `locate_ns` finds it.
        config: the settings.

    Raises:
        NamingError: the URI does not say where the name server is.
    """

    def __init__(self, uri: str | URI, *, config: Configuration = config) -> None:
        self._pyroUri = server_uri(uri)
        self._timeout = config.COMMTIMEOUT or None
        self._config = config
        self._serializer = serializer_for(config)
        self._channel: BlockingChannel | None = None
        self._lock = threading.Lock()

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
    ) -> None:
        """Register a URI under a name, replacing what was registered under it.

        Args:
            name: the name.
            uri: where the object is.
            safe: whether to refuse a name that is registered already.
            metadata: tags to find the name by.

        Raises:
            NamingError: the name is taken, or reserved.
            TypeError: an argument is of a wrong type.
            PyroError: the URI is not valid.
        """
        self._perform(operations.register(name, uri, metadata, safe=safe))

    def set_metadata(self, name: str, metadata: Iterable[str] | None) -> None:
        """Replace the metadata of a name; None, or an empty collection, clears it.

        Raises:
            NamingError: the name is not registered.
            TypeError: the metadata is of a wrong type.
        """
        self._perform(operations.set_metadata(name, metadata))

    def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
    ) -> int:
        """Remove a name, or all that match, and return how many were removed.

        The first argument that is given counts. The name server's own name stays.

        Raises:
            NamingError: the regular expression is not valid.
        """
        return self._perform(operations.remove(name, prefix, regex))

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

    def _pyroBind(self) -> bool:
        """Connect; return False if it is connected already.

        Raises:
            CommunicationError: the name server cannot be reached, or refuses.
        """
        with self._lock:
            if self._channel is not None and not self._channel.closed:
                return False
            self._connect()
            return True

    def _pyroRelease(self) -> None:
        """Disconnect; the next call connects again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _pyroClaimOwnership(self) -> None:
        """Do nothing: any thread may use it."""

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds connecting, and each call, may take; None: no bound."""
        return self._timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._timeout = seconds or None
        channel = self._channel
        if channel is not None:
            channel.timeout = self._timeout

    def _connect(self) -> BlockingChannel:
        self._channel = BlockingChannel.connect(
            self._pyroUri,
            serializer=self._serializer,
            timeout=self._timeout,
            config=self._config,
        )
        return self._channel

    def _perform(self, operation: Operation[Result]) -> Result:
        # The lock is held during the call too: only so it is certain that what
        # arrives on an idle connection is its end.
        with self._lock:
            channel = self._channel
            if channel is not None and (
                channel.closed
                or (not operation.repeatable and _has_ended(channel.sock))
            ):
                channel.close()
                channel = None
            if channel is not None:
                try:
                    return self._call(channel, operation)
                except TimeoutError:
                    raise
                except CommunicationError as error:
                    harmless = operation.repeatable or error.outcome == "not_sent"
                    # One that is still open brought an error of the server's.
                    if not channel.closed or not harmless:
                        raise
            return self._call(self._connect(), operation)

    def _call(self, channel: BlockingChannel, operation: Operation[Result]) -> Result:
        name_server = self._pyroUri.object_id
        return operation.result(
            channel.call(name_server, operation.method, operation.args, {})
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._pyroRelease()

    def __del__(self) -> None:
        # Programs written for Pyro5 let go of a name server without a word.
        channel = getattr(self, "_channel", None)
        if channel is not None:
            channel.close()

    def __repr__(self) -> str:
        connected = self._channel is not None and not self._channel.closed
        state = "connected" if connected else "not connected"
        return f"<{type(self).__name__} {self._pyroUri}, {state}>"


def _has_ended(sock: socket.socket) -> bool:
    """Whether the server has closed a connection on which nothing is expected."""
    with selectors.DefaultSelector() as selector:
        try:
            selector.register(sock, selectors.EVENT_READ)
        except (OSError, ValueError):
            return True
        return bool(selector.select(0))
