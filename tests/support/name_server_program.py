"""A name server that runs as a process of its own, and may be killed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pyro_protocol import Configuration
from pyro_protocol.naming import NameServerClient

from .programs import Program

if TYPE_CHECKING:
    import contextlib

__all__ = ["NameServerProgram"]


class NameServerProgram:
    """A pyro-ns that can be killed, and started again where it was."""

    def __init__(
        self, stack: contextlib.ExitStack, storage: str, *options: str
    ) -> None:
        self._stack = stack
        self._options = ("-s", storage, *options)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, at the same port as before."""
        self._program = self._stack.enter_context(
            Program(
                *("-m", "pyro_naming", "-n", "127.0.0.1", "-p", str(self.port)),
                *("-x", *self._options),
            )
        )
        ready = self._program.wait_for(r"^URI = PYRO:Pyro.NameServer@127.0.0.1:(\d+)$")
        self.port = int(ready[1])

    def kill(self) -> None:
        """End it at once."""
        self._program.end(signal.SIGKILL)

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"PYRO:Pyro.NameServer@127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What has a program find it."""
        return {"PYRO_NS_HOST": "127.0.0.1", "PYRO_NS_PORT": str(self.port)}

    @property
    def settings(self) -> Configuration:
        """What has a daemon find it."""
        settings = Configuration(use_environment=False)
        settings.NS_HOST, settings.NS_PORT = "127.0.0.1", self.port
        settings.BROADCAST_ADDRS = []
        return settings

    def client(self) -> NameServerClient:
        """Return a client, to be used in a ``with`` block."""
        return NameServerClient(self.uri, config=self.settings)

    def names(self) -> dict[str, str]:
        """Return what is registered, but itself."""
        with self.client() as client:
            return client.list(prefix="lab.")
