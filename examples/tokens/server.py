"""A telescope that knows its people: python server.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyro_server import Daemon, Identity, current_context, expose, requires
from pyro_server.authentication import TokenAuthentication

if TYPE_CHECKING:
    from pyro_protocol.dispatch import ClientConnection

TOKENS = Path(__file__).parent / "tokens.txt"


def caller() -> str:
    """Return the name of who calls."""
    # Nobody is let in without one.
    identity: Identity = current_context.client.identity
    return identity.name


@expose
class Telescope:
    """It remembers who has moved it."""

    def __init__(self) -> None:
        self._log: list[str] = []

    def log(self) -> list[str]:
        """Return who has pointed it where."""
        return self._log

    @requires("operator")
    def point(self, altitude: float) -> str:
        """Point to an altitude, in degrees."""
        self._log.append(f"{caller()}: {altitude}")
        return f"Pointing at {altitude}, says {caller()}"


class TelescopeDaemon(Daemon):
    """A daemon that tells admitted clients what it is."""

    def validateHandshake(self, conn: ClientConnection, data: Any) -> dict[str, Any]:
        """Return what the client gets to know of this server."""
        del data
        assert conn.identity is not None
        return {"hello": conn.identity.name, "site": "north", "version": 2}


with TelescopeDaemon(authenticate=TokenAuthentication.from_file(TOKENS)) as daemon:
    print("telescope:", daemon.register(Telescope(), "telescope"))
    daemon.requestLoop()
