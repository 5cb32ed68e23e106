"""The peers by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        settings: of its processes, as environment variables.
    """

    title: str
    module: str
    factory: str
    serializer: str | None = None
    needs_pyro5: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


OURS: Final = "ours"
"""The peer whose figures the summary shows."""

REFERENCE: Final = "pyro5"
"""The peer that the others are compared with."""

LIMIT: Final = "raw"
"""The peer that does nothing but move bytes."""

_MULTIPLEX: Final = {"PYRO_SERVERTYPE": "multiplex"}
_ASYNCIO: Final = {"PYRO_SERVERTYPE": "asyncio"}

PEERS: Final[dict[str, Entry]] = {
    "raw": Entry("raw Python socket", "raw", "RawPeer"),
    "ours": Entry("**ours** (default: native)", "ours", "OurPeer", "auto"),
    "ours-serpent": Entry("ours, serpent", "ours", "OurPeer", "serpent"),
    "ours-multiplex": Entry(
        "ours, multiplex", "ours", "OurPeer", "auto", settings=_MULTIPLEX
    ),
    "ours-asyncio": Entry(
        "ours, asyncio", "ours", "OurPeer", "auto", settings=_ASYNCIO
    ),
    "managers": Entry("multiprocessing.managers", "managers", "ManagersPeer"),
    "pyro5": Entry(
        "Pyro5 (default: serpent)", "pyro5", "Pyro5Peer", "serpent", needs_pyro5=True
    ),
    "pyro5-msgpack": Entry(
        "Pyro5, msgpack", "pyro5", "Pyro5Peer", "msgpack", needs_pyro5=True
    ),
    "pyro5-multiplex": Entry(
        *("Pyro5, multiplex", "pyro5", "Pyro5Peer", "serpent"),
        needs_pyro5=True,
        settings=_MULTIPLEX,
    ),
    "pyro5-msgpack-multiplex": Entry(
        *("Pyro5, msgpack, multiplex", "pyro5", "Pyro5Peer", "msgpack"),
        needs_pyro5=True,
        settings=_MULTIPLEX,
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
