"""Publish the microscope in an event loop: python microscope_server.py.

It prints its address, and a token each for an operator and a guest. Ctrl-C and SIGTERM
let what is under way come to its end.
"""

from __future__ import annotations

import asyncio
import secrets
import signal

from microscope import Microscope
from pyro_protocol import Configuration
from pyro_server import Daemon, Identity
from pyro_server.authentication import TokenAuthentication

DRAIN_SECONDS = 5.0


async def main() -> None:
    """Serve until asked to end."""
    operator, guest = secrets.token_urlsafe(), secrets.token_urlsafe()
    known = TokenAuthentication(
        {operator: Identity("operator", {"operator"}), guest: Identity("guest")}
    )
    settings = Configuration(SERVERTYPE="asyncio")
    async with Daemon(config=settings, authenticate=known) as daemon:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(
                number, daemon.shutdown, DRAIN_SECONDS
            )
        print("token of an operator:", operator)
        print("token of a guest:", guest)
        print("microscope:", daemon.register(Microscope(), "microscope"), flush=True)
        await daemon.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
