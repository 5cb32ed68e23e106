"""A small name server for tests of the client half, where no other is installed."""

from __future__ import annotations

from typing import Any

from pyro_protocol import URI, expose
from pyro_protocol.errors import NamingError

__all__ = ["Names"]


@expose
class Names:
    """Registrations in a dictionary, with the methods that clients call."""

    def __init__(self) -> None:
        self.registered: dict[str, tuple[str, set[str]]] = {}
        self.calls: list[str] = []

    def ping(self) -> None:
        self.calls.append("ping")

    def count(self) -> int:
        return len(self.registered)

    def lookup(self, name: str, return_metadata: bool = False) -> Any:
        self.calls.append(f"lookup {name}")
        try:
            uri, metadata = self.registered[name]
        except KeyError:
            raise NamingError(f"unknown name: {name}") from None
        return (URI(uri), metadata) if return_metadata else URI(uri)

    def register(
        self, name: str, uri: str, safe: bool = False, metadata: Any = None
    ) -> None:
        self.calls.append(f"register {name}")
        if safe and name in self.registered:
            raise NamingError(f"name already registered: {name}")
        self.registered[name] = (str(uri), set(metadata or ()))

    def remove(self, name: Any = None, prefix: Any = None, regex: Any = None) -> int:
        self.calls.append(f"remove {name}")
        return int(self.registered.pop(name, None) is not None)

    def yplookup(
        self, meta_all: Any = None, meta_any: Any = None, return_metadata: bool = True
    ) -> Any:
        self.calls.append("yplookup")
        found = {
            name: (uri, metadata)
            for name, (uri, metadata) in self.registered.items()
            if set(meta_all) <= metadata
        }
        return (
            found
            if return_metadata
            else {name: uri for name, (uri, _) in found.items()}
        )
