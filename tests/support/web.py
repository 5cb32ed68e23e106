"""What a web gateway needs around it: a name server, a daemon and an object."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol import (
    NAMESERVER_NAME,
    URI,
    Configuration,
    current_context,
    expose,
    oneway,
)
from pyro_protocol.errors import NamingError, ServerBusyError

from .hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NAME", "NameTable", "Site", "Thermostat"]

NAME: Final = "http.thermostat"


@expose
class NameTable:
    """As much of a name server as finding objects takes.

    Attributes:
        lookups: how many names have been looked up.
    """

    def __init__(self) -> None:
        self._uris: dict[str, URI] = {}
        self._lookups = 0

    def lookup(self, name: str, return_metadata: bool = False) -> Any:
        """Return where the object of this name is."""
        self._lookups += 1
        uri = self._uris.get(name)
        if uri is None:
            raise NamingError(f"unknown name: {name}")
        return (uri, set()) if return_metadata else uri

    def ping(self) -> None:
        """Do nothing."""

    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
    ) -> dict[str, Any]:
        """Return all names."""
        if prefix or regex:
            raise NotImplementedError
        return {
            name: (str(uri), []) if return_metadata else str(uri)
            for name, uri in self._uris.items()
        }


class Reading:
    """A value of a class that the gateway does not know."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class Thermostat:
    """An object with members of every kind.

    Attributes:
        heated: set when `heat_later` has run.
        release: lets `wait` return.
        waiting: set when `wait` has been called.
    """

    def __init__(self) -> None:
        self.heated = threading.Event()
        self.release = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.streamed = False
        self._target = 20.5

    @expose  # type: ignore[prop-decorator] # mypy does not know such, Pyro does
    @property
    def target(self) -> float:
        return self._target

    @expose
    def heat(self, room: Any = "hall", hours: Any = 1) -> dict[str, Any]:
        return {"room": room, "hours": hours}

    @expose
    def echo(self, value: Any) -> Any:
        return value

    @expose
    def treasures(self) -> dict[str, Any]:
        return {
            "bytes": b"\x00\xff",
            "set": {1},
            "tuple": (1, "two"),
            "day": dt.date(2026, 1, 2),
            "nan": float("nan"),
        }

    @expose
    def reading(self) -> Reading:
        return Reading(21.5)

    @expose
    def own_uri(self) -> URI:
        return URI("PYRO:somewhere@localhost:4444")

    @expose
    def fail(self) -> None:
        raise ValueError("too hot", 99)

    @expose
    def busy(self) -> None:
        raise ServerBusyError("come back later")

    @expose
    @oneway
    def heat_later(self) -> None:
        self.heated.set()

    @expose
    def heat_now(self) -> str:
        self.heated.set()
        return "heated"

    @expose
    def stream(self) -> Iterator[int]:
        try:
            yield 1
        finally:
            self.streamed = True

    @expose
    def correlation(self) -> str:
        return str(current_context.correlation_id)

    @expose
    def trace(self) -> str | None:
        data = current_context.annotations.get("TRCE")
        return None if data is None else bytes(data).decode("ascii")

    @expose
    async def wait(self) -> str:
        import asyncio

        self.waiting.release()
        await asyncio.to_thread(self.release.wait, DEADLINE)
        return "waited"

    def hidden(self) -> None: ...


class Site:
    """A name server, and a daemon with a thermostat, in threads of their own.

    Args:
        name_server_port: the port of the name server; 0 lets the system choose.

    Attributes:
        names: the name server's table.
        thermostat: the object, registered as `NAME`.
        daemon: where it is.
        config: settings with which the name server is found.
    """

    def __init__(self, name_server_port: int = 0) -> None:
        self.names = NameTable()
        self.thermostat = Thermostat()
        self.name_server = HostThread(port=name_server_port)
        self.name_server.register(self.names, NAMESERVER_NAME)
        self.daemon = HostThread()
        self.register(NAME, self.thermostat)
        self.config = Configuration(use_environment=False)
        self.config.NS_HOST, port = self.name_server.location.rsplit(":", 1)
        self.config.NS_PORT = int(port)

    def register(self, name: str, target: object) -> URI:
        """Make an object reachable under a name."""
        uri = self.daemon.register(target)
        self.names._uris[name] = uri
        return uri

    def stop(self) -> None:
        """Stop everything."""
        self.thermostat.release.set()
        self.daemon.stop()
        self.name_server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.stop()
