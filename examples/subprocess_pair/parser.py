"""Parse what may be hostile; parent.py starts it with the number of a socket."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import resource
import socket
import sys

from pyro_server import Daemon, expose

PROCESSOR_SECONDS = 2
MEMORY_BYTES = 512 * 2**20


@expose
class Parser:
    """Reads tables of crops and tonnes."""

    def summary(self, text: str) -> tuple[int, float]:
        """Return how many rows there are, and the sum of their second column."""
        if "\0" in text:
            os.abort()  # a bug in a library written in C would look like this
        rows = list(csv.reader(io.StringIO(text)))
        return len(rows), sum(float(row[1]) for row in rows)

    def process(self) -> int:
        """Return the id of this process."""
        return os.getpid()


def lower(limit: int, value: int) -> None:
    """Allow this process less of something from now on."""
    _, hard = resource.getrlimit(limit)
    # Some systems do not let this be limited.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(limit, (value, hard))


lower(resource.RLIMIT_CPU, PROCESSOR_SECONDS)
lower(resource.RLIMIT_AS, MEMORY_BYTES)
lower(resource.RLIMIT_CORE, 0)
with Daemon(connected_socket=socket.socket(fileno=int(sys.argv[1]))) as daemon:
    daemon.register(Parser(), "parser")
    daemon.requestLoop()
