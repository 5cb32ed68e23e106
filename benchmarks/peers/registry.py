"""The peers by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peers.interface import Peer

__all__ = ["LIMIT", "OURS", "PEERS", "REFERENCE", "Entry", "load"]

_BASIC: Final = frozenset({"call", "connect", "upload", "download"})
_WITH_UNIX: Final = _BASIC | {"unix", "records"}
_PYRO: Final = _WITH_UNIX | {"batch", "stream", "items", "together", "oneway"}


@dataclass(frozen=True, slots=True)
class Entry:
    """How to obtain a peer, without importing its library.

    Attributes:
        title: what the report calls it.
        module: the module in this package.
        factory: the class in it.
        arguments: of the class.
        environment: that holds the library, a key of ``ENVIRONMENTS``; None for the
            one that this runs in.
        settings: of its processes, as environment variables.
        offers: operations that it can do, and ``unix`` if it has Unix sockets.
    """

    title: str
    module: str
    factory: str
    arguments: tuple[str, ...] = ()
    environment: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    offers: frozenset[str] = _PYRO


OURS: Final = "ours"
"""The peer whose figures the summary shows."""

REFERENCE: Final = "pyro5"
"""The peer that the others are compared with."""

LIMIT: Final = "raw"
"""The peer that does nothing but move bytes."""

_MULTIPLEX: Final = {"PYRO_SERVERTYPE": "multiplex"}
_ASYNCIO: Final = {"PYRO_SERVERTYPE": "asyncio"}


def _ours(title: str, serializer: str, settings: Mapping[str, str]) -> Entry:
    arrays = {"array"} if serializer == "auto" else set()
    return Entry(
        *(title, "ours", "OurPeer", (serializer,)),
        settings=settings,
        offers=_PYRO | arrays,
    )


def _pyro5(title: str, serializer: str, settings: Mapping[str, str]) -> Entry:
    return Entry(*(title, "pyro", "PyroPeer", ("Pyro5", serializer), "pyro5"), settings)


PEERS: Final[dict[str, Entry]] = {
    "raw": Entry(
        *("raw Python socket", "raw", "RawPeer"),
        offers=_BASIC | {"unix", "oneway", "array"},
    ),
    "ours": _ours("**ours** (default: native)", "auto", {}),
    "ours-serpent": _ours("ours, serpent", "serpent", {}),
    "ours-multiplex": _ours("ours, multiplex", "auto", _MULTIPLEX),
    "ours-asyncio": _ours("ours, asyncio", "auto", _ASYNCIO),
    "pyro5": _pyro5("Pyro5 (default: serpent)", "serpent", {}),
    "pyro5-msgpack": _pyro5("Pyro5, msgpack", "msgpack", {}),
    "pyro5-marshal": Entry(
        *("Pyro5, marshal", "pyro", "PyroPeer", ("Pyro5", "marshal"), "pyro5"),
        offers=_PYRO - {"batch"},  # they fail with this serializer
    ),
    "pyro5-multiplex": _pyro5("Pyro5, multiplex", "serpent", _MULTIPLEX),
    "pyro5-msgpack-multiplex": _pyro5(
        "Pyro5, msgpack, multiplex", "msgpack", _MULTIPLEX
    ),
    "pyro4": Entry("Pyro4", "pyro", "PyroPeer", ("Pyro4", "serpent"), "pyro4"),
    "managers": Entry(
        *("multiprocessing.managers", "managers", "ManagersPeer"),
        offers=_WITH_UNIX | {"array"},
    ),
    "rpyc": Entry(
        *("RPyC", "rpyc", "RpycPeer", (), "rpyc"),
        offers=_WITH_UNIX | {"stream", "together", "oneway"},
    ),
    "grpc": Entry(
        *("gRPC, msgpack", "grpc", "GrpcPeer", (), "grpc"),
        offers=_WITH_UNIX | {"stream", "together"},
    ),
    "thriftpy2": Entry(
        *("thriftpy2", "thriftpy2", "ThriftPeer", (), "thriftpy2"),
        offers=_WITH_UNIX | {"oneway"},
    ),
    "zerorpc": Entry(
        *("zerorpc", "zerorpc", "ZeroRpcPeer", (), "zerorpc"),
        offers=_WITH_UNIX | {"stream", "together"},
    ),
    "zeromq": Entry(
        *("ZeroMQ, msgpack", "zeromq", "ZeroMqPeer", (), "zeromq"),
        offers=_WITH_UNIX | {"together", "oneway"},
    ),
    "xmlrpc": Entry(
        *("xmlrpc", "xmlrpc", "XmlRpcPeer"),
        offers=_BASIC | {"records", "batch"},
    ),
}


def load(name: str) -> Peer:
    """Import the library of a peer and return the peer.

    Raises:
        ImportError: the library is not installed in this environment.
    """
    entry = PEERS[name]
    factory = getattr(import_module(f"peers.{entry.module}"), entry.factory)
    peer: Peer = factory(*entry.arguments)
    return peer
