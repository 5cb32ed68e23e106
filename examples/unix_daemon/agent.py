"""Sign texts for the programs of one user; client.py starts it."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from typing import TYPE_CHECKING

from pyro_server import Daemon, Identity, current_context, expose
from pyro_server.authentication import UserAuthentication

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = float(os.environ.get("AGENT_IDLE", "60"))
# It would be decrypted with a passphrase, once, which is what the agent is for.
KEY = b"an unlocked key"


@expose
class Agent:
    """Has the key, and does not give it away."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._signatures = 0

    def sign(self, text: str) -> str:
        """Return a signature of a text."""
        self._signatures += 1
        return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()

    def status(self) -> str:
        """Say what was done, and who asks."""
        who = current_context.client.peer_credentials
        asks = f"user {who.uid} and process {who.pid}" if who else "somebody"
        return f"{self._signatures} signatures, called by {asks}"

    def stop(self) -> None:
        """End the agent; this call is still answered."""
        self._end()


class IdleDaemon(Daemon):
    """A daemon that ends when nobody was connected for a while."""

    last_seen = time.monotonic()

    def housekeeping(self) -> None:
        """Look whether anybody is there."""
        if self.connections():
            self.last_seen = time.monotonic()
        elif time.monotonic() - self.last_seen > IDLE_SECONDS:
            self.shutdown()


own_user = UserAuthentication({os.getuid(): Identity("owner")})
with IdleDaemon(unixsocket=os.environ["AGENT_SOCKET"], authenticate=own_user) as daemon:
    daemon.register(Agent(daemon.shutdown), "agent")
    print("ready", flush=True)
    daemon.requestLoop()
