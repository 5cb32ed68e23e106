"""Parse files in a process that may crash: python parent.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyro_client import Proxy, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent / "parser.py"
FILES = {
    "harvest.csv": "wheat,4.5\nrye,2.5\noats,4.5\n",
    "hostile.csv": "wheat,\0",
    "prices.csv": "wheat,210.0\nrye,200.0\n",
}


@contextmanager
def parser() -> Iterator[Proxy]:
    """Start a parser, and end it after the block."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            number = theirs.fileno()
            child = subprocess.Popen(
                [sys.executable, PROGRAM, str(number)], pass_fds=[number]
            )
        with child:
            try:
                with Proxy("parser", connected_socket=ours) as proxy:
                    yield proxy
            finally:
                # It ends when this end of the pair is closed.
                ours.close()


waiting = list(FILES)
while waiting:
    with parser() as remote:
        name = waiting[0]
        try:
            while waiting:
                name = waiting.pop(0)
                rows, tonnes = remote.summary(FILES[name])
                print(f"{name}: {rows} rows, {tonnes} tonnes")
            print("The parser ran as another process:", remote.process() != os.getpid())
        except errors.ConnectionClosedError:
            print(f"{name}: the parser crashed; a new one is started")
