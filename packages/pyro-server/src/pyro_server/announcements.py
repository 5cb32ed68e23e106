"""What is said about a name when it is registered: `Announcement`."""

from __future__ import annotations

import dataclasses
import math
import os
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration

__all__ = ["Announcement", "user_and_machine"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A name that is to be in the name server, and stay there.

    Attributes:
        name: the name.
        uri: where its object is.
        metadata: its tags.
        ttl: after how many seconds the name server forgets it unless it is renewed;
            0 means never.
        owner: in whose name it is registered; None means in that of the user, of
            whom the name server may know better.
        safe: whether a name that is registered already is left alone at first.
        force: whether it is taken from another owner at first.
    """

    name: str
    uri: URI
    metadata: frozenset[str] | None = None
    ttl: float = 0.0
    owner: str | None = None
    safe: bool = False
    force: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        uri: URI,
        settings: Configuration,
        *,
        metadata: Iterable[str] | None = None,
        ttl: float | None = None,
        owner: str | None = None,
        safe: bool = False,
        force: bool = False,
    ) -> Self:
        """Return an announcement in which the settings stand for what is left out.

        Raises:
            TypeError: the name or an owner is not text, or the metadata is not a
                collection of texts.
            ValueError: the time is negative, or not a number.
        """
        if not isinstance(name, str):
            raise TypeError(f"a name must be text, not {type(name).__name__}")
        if not isinstance(owner, str | None):
            raise TypeError(f"an owner must be text, not {type(owner).__name__}")
        seconds = settings.NS_TTL if ttl is None else ttl
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a ttl must be 0 or a number of seconds, not {seconds!r}")
        return cls(
            name=name,
            uri=uri,
            metadata=_tags(metadata),
            ttl=seconds,
            owner=(settings.NS_OWNER or None) if owner is None else owner,
            safe=safe,
            force=force,
        )


def user_and_machine() -> str:
    """Return who runs this program, and where: the owner if no other is named."""
    import getpass  # noqa: PLC0415 - few programs need it

    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):
        # A container may run as somebody it does not know; Windows knows no users.
        user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return f"{user}@{socket.gethostname()}"


def _tags(metadata: Iterable[str] | None) -> frozenset[str] | None:
    """Return tags that stay as they are, as they are sent again and again."""
    if metadata is None:
        return None
    if isinstance(metadata, str):
        raise TypeError("metadata must be a collection of texts, not one text")
    tags = frozenset(metadata)
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(f"a metadata tag must be text, not {type(tag).__name__}")
    return tags
