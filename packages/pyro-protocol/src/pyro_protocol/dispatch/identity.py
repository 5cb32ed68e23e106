"""Who a client is: what a server has found out about the peer of a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Identity", "PeerCredentials"]

_NO_DETAILS: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, init=False)
class Identity:
    """A client that has shown who it is.

    Args:
        name: its name, as logs and messages show it.
        roles: what it may act as; see `pyro_protocol.requires`.
        details: anything else that the program wants to know later.

    Raises:
        TypeError: the roles are one text, or not all of them are text.

    Attributes:
        name: its name.
        roles: what it may act as.
        details: anything else; it is not shown in logs.
    """

    name: str
    roles: frozenset[str]
    details: Mapping[str, Any] = field(repr=False, hash=False)

    def __init__(
        self,
        name: str,
        roles: Iterable[str] = (),
        details: Mapping[str, Any] = _NO_DETAILS,
    ) -> None:
        # A text is a sequence of texts too, and "admin" would be five roles.
        if isinstance(roles, str):
            raise TypeError(f"roles must be a collection, such as {{{roles!r}}}")
        known = frozenset(roles)
        for one in known:
            if not isinstance(one, str):
                raise TypeError(f"a role must be text, not {type(one).__name__}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "roles", known)
        object.__setattr__(self, "details", details)

    def __reduce__(self) -> tuple[type[Identity], tuple[Any, ...]]:
        """Return how another process of the program makes the same one."""
        # The details may be a view, which cannot be taken along.
        return Identity, (self.name, self.roles, dict(self.details))


class PeerCredentials(NamedTuple):
    """What the operating system knows about the peer of a Unix socket.

    Attributes:
        pid: the id of the process that has connected.
        uid: the id of the user it ran as then.
        gid: the id of its group.
    """

    pid: int
    uid: int
    gid: int
