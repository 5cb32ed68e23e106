"""Announces an object, says so, and serves until it is ended.

Arguments: the name, the ttl in seconds, and the owner.
"""

from __future__ import annotations

import signal
import sys

from pyro_protocol.errors import PyroError
from pyro_suite import Daemon, expose


@expose
class Lamp:
    def shine(self) -> str:
        return "white"


def main(name: str, ttl: str, owner: str) -> int:
    with Daemon() as daemon:
        lamp = Lamp()
        uri = daemon.register(lamp)
        try:
            daemon.announce(name, lamp, ttl=float(ttl), owner=owner)
        except PyroError as error:
            print(f"refused: {error}")
            return 1
        signal.signal(signal.SIGTERM, lambda *_: daemon.shutdown(drain=5))
        print(f"announced {uri}")
        daemon.requestLoop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
