"""A server of additions, and a client that makes them; for what watches processes.

    adding.py serve [SOCKET]   prints the URI, and serves until its input ends
    adding.py call URI ROUNDS CALLS

Both mark where each round begins and where the last one ends.
"""

from __future__ import annotations

import os
import sys
import threading

from pyro_suite import Daemon, Proxy, expose


@expose
class Adder:
    """Adds, and marks when it is told to."""

    def add(self, one: int, other: int) -> int:
        return one + other

    def mark(self) -> None:
        os.getsid(0)


def serve(*socket: str) -> None:
    with Daemon(unixsocket=socket[0] if socket else None) as daemon:
        uri = daemon.register(Adder(), "adder")
        thread = threading.Thread(target=daemon.requestLoop)
        thread.start()
        print(uri, flush=True)
        sys.stdin.read()
        daemon.shutdown()
        thread.join()


def call(uri: str, rounds: str, calls: str) -> None:
    with Proxy(uri) as proxy:
        for _ in range(int(rounds)):
            proxy.mark()
            os.getsid(0)
            for _ in range(int(calls)):
                proxy.add(2, 3)
        os.getsid(0)
        proxy.mark()


if __name__ == "__main__":
    (serve if sys.argv[1] == "serve" else call)(*sys.argv[2:])
