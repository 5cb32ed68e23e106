"""Names in the name server, and a keeper that sees to it that they stay there."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Final

from pyro_protocol import NameServerClient, config, locate_ns
from pyro_protocol.errors import NamingError, PyroError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration

    from .options import ServeOptions

__all__ = ["NameKeeper"]

_logger = logging.getLogger("pyro.serve")

# A name server that hangs must neither keep a program from ending nor its names
# from being registered at the next one.
_NAME_SERVER_SECONDS: Final = 5.0


class NameKeeper:
    """Registers names, keeps them registered, and removes them at the end.

    All of that is done by a thread of its own, so that a name server that is slow
    or gone holds up nobody. Names that the name server has forgotten are registered
    again; those that have become another's are left alone.

    Args:
        uris: what is registered, by name.
        options: how, and how often it is checked.
        registered: called by the thread when all names are registered for the first
            time, or with the error for which they are not; there is no second try.
        settings: where the name server is.
    """

    def __init__(
        self,
        uris: Mapping[str, URI],
        options: ServeOptions,
        registered: Callable[[PyroError | None], None],
        *,
        settings: Configuration = config,
    ) -> None:
        self._uris = dict(uris)
        self._options = options
        self._registered = registered
        self._settings = settings.copy()
        self._settings.COMMTIMEOUT = settings.COMMTIMEOUT or _NAME_SERVER_SECONDS
        self._client: NameServerClient | None = None
        self._ours: set[str] = set()
        self._foreign: set[str] = set()
        self._lost = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="pyro-names", daemon=True
        )

    def start(self) -> None:
        """Begin to register the names; ``registered`` tells of the result."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to remove the names."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until they are removed, or for some seconds at most."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(_NAME_SERVER_SECONDS)

    def _run(self) -> None:
        try:
            failure: PyroError | None = None
            try:
                self._register_all()
            except PyroError as error:
                failure = error
            self._registered(failure)
            while failure is None and not self._stopping.wait(
                self._options.names_check
            ):
                self._check()
        finally:
            self._withdraw()
            self._release()

    def _connected(self) -> NameServerClient:
        """Return the name server, found anew if it was lost.

        Raises:
            NamingError: it is not found.
        """
        if self._client is None:
            self._client = locate_ns(config=self._settings)
        return self._client

    def _release(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client._pyroRelease()

    def _register_all(self) -> None:
        """Register all names for the first time.

        Raises:
            PyroError: there is no name server, or a name cannot be registered.
        """
        try:
            name_server = self._connected()
        except NamingError as error:
            raise NamingError(f"{error}; or use --no-ns") from error
        for name, uri in self._uris.items():
            if self._stopping.is_set():
                return
            try:
                name_server.register(
                    name,
                    uri,
                    safe=not self._options.replace,
                    metadata=self._options.metadata,
                )
            except NamingError as error:
                raise NamingError(
                    f"{error}; choose another --name, or --replace it"
                ) from error
            self._ours.add(name)

    def _check(self) -> None:
        """Register again what the name server has forgotten."""
        try:
            name_server = self._connected()
            for name, uri in self._uris.items():
                self._keep(name_server, name, uri)
        except PyroError as error:
            self._release()
            if not self._lost:
                self._lost = True
                _logger.warning(
                    "the name server cannot be reached, and is tried every %g s: %s",
                    self._options.names_check,
                    error,
                )
            return
        if self._lost:
            self._lost = False
            _logger.warning("the name server is back")

    def _keep(self, name_server: NameServerClient, name: str, uri: URI) -> None:
        try:
            found = name_server.lookup(name)
        except NamingError:
            try:
                name_server.register(
                    name, uri, safe=True, metadata=self._options.metadata
                )
            except NamingError as error:
                # Somebody else was faster; the next look shows who.
                _logger.info("name %s was not registered again: %s", name, error)
                return
            self._foreign.discard(name)
            _logger.warning("name %s was gone, and is registered again", name)
            return
        if found == uri:
            self._foreign.discard(name)
        elif name not in self._foreign:
            self._foreign.add(name)
            _logger.warning("name %s is now that of %s, and left alone", name, found)

    def _withdraw(self) -> None:
        """Remove the names that are still ours, if the name server is still there."""
        if not self._ours:
            return
        try:
            name_server = self._connected()
            for name in self._ours:
                # Unknown, if somebody has removed it.
                with contextlib.suppress(NamingError):
                    if name_server.lookup(name) == self._uris[name]:
                        name_server.remove(name)
        except PyroError as error:
            _logger.info("names were not removed: %s", error)
