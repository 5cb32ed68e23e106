"""Compute rows of a picture: python worker.py NAME [--rows N] [--host ADDRESS]."""

from __future__ import annotations

import argparse
import os

from pyro_server import Daemon, expose, idempotent

SHADES = " .,-:;=+*#%@"
WIDTH = 78
MOST_STEPS = 400


@expose
class Worker:
    """Computes rows of the Mandelbrot set.

    Args:
        name: which worker this is.
        rows: after how many rows it dies; 0 for never.
    """

    def __init__(self, name: str, rows: int) -> None:
        self._name = name
        self._rows = rows
        self._done = 0

    # It depends on nothing but its argument, so it may run twice.
    @idempotent
    def row(self, y: float) -> tuple[str, str]:
        """Compute a row, and return it with the name of the worker."""
        if 0 < self._rows <= self._done:
            os._exit(1)
        self._done += 1
        points = (complex(3.2 * x / WIDTH - 2.3, y) for x in range(WIDTH))
        return self._name, "".join(map(shade, points))


def shade(point: complex) -> str:
    """Return the character for a point of the plane."""
    value = 0j
    for step in range(MOST_STEPS):
        if abs(value) > 2:
            return SHADES[step % len(SHADES)]
        value = value * value + point
    return " "


def main() -> None:
    """Work until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--rows", type=int, default=0, help="lose power after so many")
    parser.add_argument("--host", help="the address that others reach")
    options = parser.parse_args()
    with Daemon(host=options.host) as daemon:
        worker = Worker(options.name, options.rows)
        daemon.register(worker)
        daemon.announce(
            f"compute.{options.name}", worker, metadata={"mandelbrot", "cpu"}
        )
        print(options.name, "is ready")
        daemon.requestLoop()


main()
