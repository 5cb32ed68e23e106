"""Small name servers for tests of the client half, where no other is installed."""

from __future__ import annotations

from typing import Any

from pyro_protocol import URI, expose
from pyro_protocol.errors import NamingError, SecurityError

__all__ = ["LeasingNames", "Names"]


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

    def list(
        self, prefix: Any = None, regex: Any = None, return_metadata: bool = False
    ) -> dict[str, str]:
        self.calls.append("list")
        return {name: uri for name, (uri, _) in self.registered.items()}

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


@expose
class LeasingNames(Names):
    """The same with owners and leases, which end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, str] = {}
        self.ttls: dict[str, float] = {}
        self.known_client: str | None = None

    def register(
        self,
        name: str,
        uri: str,
        safe: bool = False,
        metadata: Any = None,
        ttl: float | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        owner = self._believed(owner)
        holder = self.owners.get(name, "")
        if (
            holder not in ("", owner)
            and name in self.registered
            and not (force or safe)
        ):
            raise NamingError(f"name {name!r} is held by {holder}")
        super().register(name, uri, safe, metadata)
        self.owners[name], self.ttls[name] = owner, ttl or 0.0

    def renew(self, names: list[str], owner: str | None = None) -> list[str]:
        owner = self._believed(owner)
        self.calls.append(f"renew {' '.join(names)}")
        return [
            name
            for name in names
            if name not in self.registered or self.owners.get(name, "") != owner
        ]

    def remove(
        self,
        name: Any = None,
        prefix: Any = None,
        regex: Any = None,
        owner: str | None = None,
        force: bool = False,
    ) -> int:
        owner = self._believed(owner)
        holder = self.owners.get(name, "")
        if name in self.registered and holder not in ("", owner) and not force:
            raise NamingError(f"name {name!r} is held by {holder}")
        return super().remove(name)

    def _believed(self, owner: str | None) -> str:
        if self.known_client is None:
            return owner or ""
        if owner not in (None, self.known_client):
            raise SecurityError(f"you are {self.known_client}, not {owner}")
        return self.known_client
