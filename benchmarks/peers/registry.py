"""The peers by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from peers.interface import Peer

__all__ = ["LIMIT", "OURS", "PEERS", "REFERENCE", "Entry", "load"]


@dataclass(frozen=True, slots=True)
class Entry:
    """How to obtain a peer, without importing its library.

    Attributes:
        title: what the report calls it.
        module: the module in this package.
        factory: the class in it.
        serializer: the argument of the class; None if it takes none.
        needs_pyro5: whether it runs in the environment that holds Pyro5.
    """

    title: str
    module: str
    factory: str
    serializer: str | None = None
    needs_pyro5: bool = False


OURS: Final = "ours"
"""The peer whose figures the summary shows."""

REFERENCE: Final = "pyro5"
"""The peer that the others are compared with."""

LIMIT: Final = "raw"
"""The peer that does nothing but move bytes."""

PEERS: Final[dict[str, Entry]] = {
    "raw": Entry("raw Python socket", "raw", "RawPeer"),
    "ours": Entry("**ours** (default: native)", "ours", "OurPeer", "auto"),
    "ours-serpent": Entry("ours, serpent", "ours", "OurPeer", "serpent"),
    "managers": Entry("multiprocessing.managers", "managers", "ManagersPeer"),
    "pyro5": Entry(
        "Pyro5 (default: serpent)", "pyro5", "Pyro5Peer", "serpent", needs_pyro5=True
    ),
    "pyro5-msgpack": Entry(
        "Pyro5, msgpack", "pyro5", "Pyro5Peer", "msgpack", needs_pyro5=True
    ),
}


def load(name: str) -> Peer:
    """Import the library of a peer and return the peer.

    Raises:
        ImportError: the library is not installed in this environment.
    """
    entry = PEERS[name]
    factory = getattr(import_module(f"peers.{entry.module}"), entry.factory)
    peer: Peer = factory() if entry.serializer is None else factory(entry.serializer)
    return peer
