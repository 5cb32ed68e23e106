"""Who may do what at a name server: `AccessRules`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.errors import SecurityError

from .access_file import (
    OPERATIONS,
    AccessFile,
    Grant,
    read_access,
    read_access_file,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pyro_protocol.dispatch import ClientConnection, Identity

__all__ = ["AccessRules"]

_logger = logging.getLogger("pyro.naming")

_EVERYBODY: Final = Grant(everybody=True)
_KNOWN: Final = Grant(known=True)
# What counts where no rule mentions the operation: everybody finds what is there,
# and changes come from clients that are in the file.
_DEFAULTS: Final = {
    "lookup": _EVERYBODY,
    "register": _KNOWN,
    "remove": _KNOWN,
    "force": Grant(),
}


class AccessRules:
    """Knows the clients of a name server, and what they may do.

    The methods may be called from several threads. A file is read again when it has
    changed, which is looked at whenever a client connects. The new rules hold for
    all clients at once, also for those that are connected. A file that has become
    unusable is logged, and the rules from before stay.

    Args:
        content: what a file would hold: the tables ``clients`` and ``rules``.

    Raises:
        ValueError: there is a mistake in it.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._path: Path | None = None
        self._stamp: tuple[int, ...] | None = None
        self._rules = _Rules(read_access(content, "the access rules"))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the rules from a TOML file.

        Raises:
            OSError: it cannot be read.
            ValueError: there is a mistake in it; the text says where, and what is
                expected there.
        """
        result = cls({})
        result._path = Path(path)
        result._stamp = _stamp(result._path)
        result._rules = _Rules(read_access_file(path))
        return result

    def authenticate(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Find out who a client is: by its token, its certificate or its user.

        Returns:
            Its identity; None if it does not say, and may do what everybody may.

        Raises:
            SecurityError: it shows a token that is not in the file.
        """
        self._read_again_if_changed()
        file = self._rules.file
        if isinstance(handshake, dict) and "token" in handshake:
            identity = file.token(client, handshake)
            if identity is None:
                raise SecurityError(
                    "the name server does not know this token; clients set theirs "
                    "with NS_TOKEN, and the name server has the hashes of all in its "
                    "access file"
                )
            return identity
        return file.others(client, handshake)

    def allows(self, identity: Identity | None, operation: str, name: str) -> bool:
        """Tell whether a client may do something with a name.

        Args:
            identity: who the client is; None if that is not known.
            operation: ``lookup``, ``register``, ``remove`` or ``force``.
            name: the name.

        Raises:
            ValueError: there is no such operation.
        """
        rules = self._rules
        table = rules.tables.get(operation)
        if table is None:
            raise ValueError(f"{operation!r} is not one of {', '.join(OPERATIONS)}")
        return table.grant_for(name).includes(rules.current(identity))

    def may_see_all(self, identity: Identity | None) -> bool:
        """Tell whether a client may look up every name.

        Args:
            identity: who the client is; None if that is not known.
        """
        rules = self._rules
        current = rules.current(identity)
        return all(grant.includes(current) for grant in rules.tables["lookup"].grants)

    def reload(self) -> None:
        """Read the file again; nothing happens if the rules come from none.

        Raises:
            OSError: it cannot be read.
            ValueError: there is a mistake in it. The rules from before stay.
        """
        if self._path is not None:
            self._rules = _Rules(read_access_file(self._path))

    def _read_again_if_changed(self) -> None:
        if self._path is None:
            return
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        # Before it is read, so that a change meanwhile is seen the next time; and
        # kept if it cannot be used, so that one mistake is logged once.
        self._stamp = stamp
        try:
            self.reload()
        except (OSError, ValueError) as error:
            _logger.error(  # noqa: TRY400 - the text tells all
                "the access file has changed and cannot be used, what it said before "
                "holds on: %s",
                error,
            )
        else:
            _logger.info("%s was read again", self._path)

    def __repr__(self) -> str:
        place = "" if self._path is None else f" from {self._path}"
        return (
            f"<{type(self).__name__}{place}: {len(self._rules.file.clients)} clients>"
        )


class _Rules:
    """One state of the file, made for quick answers. It never changes."""

    def __init__(self, file: AccessFile) -> None:
        self.file = file
        self.tables: Final = {
            operation: _PrefixTable(file.grants[operation], default)
            for operation, default in _DEFAULTS.items()
        }

    def current(self, identity: Identity | None) -> Identity | None:
        """Return who a client is now: since it connected, the file may have changed."""
        return None if identity is None else self.file.clients.get(identity.name)


class _PrefixTable:
    """Finds what holds for the longest beginning of a name that is known.

    It takes a look for each *length* of prefixes, however many there are.
    """

    def __init__(self, grants: Mapping[str, Grant], default: Grant) -> None:
        self._grants = {"": default, **grants}
        self._lengths = sorted({len(prefix) for prefix in self._grants}, reverse=True)
        self.grants: Final = frozenset(self._grants.values())

    def grant_for(self, name: str) -> Grant:
        """Return who may do it with a name."""
        for length in self._lengths:
            grant = self._grants.get(name[:length])
            if grant is not None:
                return grant
        # The empty prefix is always there.
        raise AssertionError


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what differs when a file has changed; None if it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
