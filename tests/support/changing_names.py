"""Name servers that share what they know, can be watched and page their answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final

from pyro_protocol import URI, expose
from pyro_protocol.errors import NamingError

from .hosting import HostThread

__all__ = ["ChangingNames", "NameServers", "Registry"]

_NAME_SERVER: Final = "Pyro.NameServer"


class Registry:
    """What name servers know, and the history of it.

    Attributes:
        registered: what is registered, by name.
        history: what has happened, and of what name.
        forgotten: how many changes are not remembered any more.
        watching: released when a client begins to wait for changes.
    """

    def __init__(self) -> None:
        self.registered: dict[str, dict[str, Any]] = {}
        self.history: list[dict[str, Any]] = []
        self.forgotten = 0
        self.watching = threading.Semaphore(0)
        self.news = threading.Condition()

    def put(self, name: str, uri: str, *tags: str, owner: str = "") -> None:
        """Register a name."""
        with self.news:
            kind = "changed" if name in self.registered else "added"
            self.registered[name] = {
                "name": name, "uri": uri, "metadata": sorted(tags), "owner": owner,
                "ttl": 0.0,
            }  # fmt: skip
            self._note(kind, name)

    def drop(self, name: str) -> bool:
        """Remove a name; return False if it is not registered."""
        with self.news:
            if self.registered.pop(name, None) is None:
                return False
            self._note("removed", name)
            return True

    def forget(self) -> None:
        """Forget what has happened up to now."""
        with self.news:
            self.forgotten = len(self.history) + 1
            self.history += [{}] * (self.forgotten - len(self.history))
            self.news.notify_all()

    def _note(self, kind: str, name: str) -> None:
        position = str(len(self.history) + 1)
        nothing = {"uri": None, "metadata": None, "owner": None, "ttl": None}
        details = self.registered.get(name, {"name": name, **nothing})
        self.history.append({**details, "kind": kind, "position": position})
        self.news.notify_all()


@expose
class ChangingNames:
    """One of the name servers of a registry.

    Attributes:
        calls: the methods that were called.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.calls: list[str] = []
        self.closed = False

    def ping(self) -> None:
        self.calls.append("ping")

    def count(self) -> int:
        return len(self.registry.registered)

    def lookup(self, name: str, return_metadata: bool = False) -> Any:
        self.calls.append(f"lookup {name}")
        found = self.registry.registered.get(name)
        if found is None:
            raise NamingError(f"unknown name: {name}")
        uri = URI(found["uri"])
        return (uri, set(found["metadata"])) if return_metadata else uri

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
        self.calls.append(f"register {name} {ttl} {owner} {force}")
        self.registry.put(name, str(uri), *(metadata or ()), owner=owner or "")

    def set_metadata(
        self, name: str, metadata: Any, owner: str | None = None, force: bool = False
    ) -> None:
        self.calls.append(f"set_metadata {name} {owner} {force}")
        self.registry.put(name, self.registry.registered[name]["uri"], *metadata)

    def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> int:
        self.calls.append(f"remove {name} {owner} {force}")
        return int(self.registry.drop(str(name)))

    def renew(self, names: Any, owner: str | None = None) -> list[str]:
        self.calls.append(f"renew {owner}")
        return [name for name in names if name not in self.registry.registered]

    def describe(self, name: str) -> dict[str, Any]:
        found = self.registry.registered.get(name)
        if found is None:
            raise NamingError(f"unknown name: {name}")
        return {**found, "age": 1.5, "expires_in": None}

    def list(
        self, prefix: Any = None, regex: Any = None, return_metadata: bool = False
    ) -> dict[str, Any]:
        return {
            name: (one["uri"], set(one["metadata"])) if return_metadata else one["uri"]
            for name, one in self.registry.registered.items()
        }

    def yplookup(
        self, meta_all: Any = None, meta_any: Any = None, return_metadata: bool = True
    ) -> dict[str, Any]:
        self.calls.append("yplookup")
        return {
            name: (one["uri"], set(one["metadata"])) if return_metadata else one["uri"]
            for name, one in self.registry.registered.items()
            if set(meta_all) <= set(one["metadata"])
        }

    def entries(
        self,
        prefix: str = "",
        meta_all: Any = None,
        meta_any: Any = None,
        regex: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> dict[str, Any]:
        self.calls.append(f"entries {after}")
        wanted = set(meta_all or ())
        names = sorted(
            name
            for name, one in self.registry.registered.items()
            if name > after
            and name.startswith(prefix)
            and wanted <= set(one["metadata"])
        )
        page = names[:limit]
        rest = len(names) > limit
        return {
            "entries": [self.describe(name) for name in page],
            "next": page[-1] if rest else "",
        }

    def position(self) -> str:
        self.calls.append("position")
        return str(len(self.registry.history))

    async def changes(
        self, after: str, prefix: str = "", wait: float = 0.0, limit: int = 1000
    ) -> dict[str, Any]:
        self.calls.append(f"changes {after}")
        registry = self.registry
        found = self._since(after, limit)
        if not found and wait:
            registry.watching.release()
            await asyncio.to_thread(self._wait, after, wait)
            found = self._since(after, limit)
        return {
            "changes": [one for one in found if one["name"].startswith(prefix)],
            "position": found[-1]["position"] if found else after,
        }

    def _since(self, after: str, limit: int) -> Any:
        with self.registry.news:
            if int(after) < self.registry.forgotten:
                raise NamingError(f"history lost: {after} is too long ago")
            return self.registry.history[int(after) :][:limit]

    def _wait(self, after: str, wait: float) -> None:
        with self.registry.news:
            self.registry.news.wait_for(
                lambda: self.closed or len(self.registry.history) > int(after), wait
            )

    def _close(self) -> None:
        with self.registry.news:
            self.closed = True
            self.registry.news.notify_all()


class NameServers:
    """Several name servers over one registry, each in a thread of its own.

    Attributes:
        registry: what they know.
        hosts: the servers; None in the place of one that was stopped.
        objects: their name server objects.
        ports: their ports.
    """

    def __init__(self, count: int = 1, **options: Any) -> None:
        self.registry = Registry()
        self.options = options
        self.hosts: list[HostThread | None] = [None] * count
        self.objects: list[ChangingNames] = []
        self.ports = [0] * count
        for number in range(count):
            self.objects.append(ChangingNames(self.registry))
            self.start(number)

    def start(self, number: int) -> None:
        """Start one, at the place where it was before."""
        target = self.objects[number] = ChangingNames(self.registry)
        host = HostThread(port=self.ports[number], **self.options)
        host.register(target, _NAME_SERVER)
        self.hosts[number] = host
        self.ports[number] = int(host.location.rpartition(":")[2])

    def stop(self, number: int) -> None:
        """Stop one."""
        host, self.hosts[number] = self.hosts[number], None
        if host is not None:
            self.objects[number]._close()
            host.stop()

    @property
    def addresses(self) -> str:
        """Where they are, as in NS_HOST."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def uris(self) -> list[URI]:
        """Their URIs."""
        return [URI(f"PYRO:{_NAME_SERVER}@127.0.0.1:{port}") for port in self.ports]

    def close(self) -> None:
        """Stop all."""
        for number in range(len(self.hosts)):
            self.stop(number)
