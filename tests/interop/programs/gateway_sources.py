"""Serves streams and exceptions with a library: python gateway_sources.py LIBRARY.

Prints the URI of the object, then a line for each generator that has ended, until it
is ended itself.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

api: Any = importlib.import_module(sys.argv[1])


class ShopError(Exception):
    """A class that no client knows."""


class Thing:
    def __init__(self) -> None:
        self.size = 3


@api.expose
@api.behavior(instance_mode="single")
class Sources:
    def count(self, most: Any = 3) -> Any:
        try:
            yield from range(int(most))
        finally:
            print("closed", flush=True)

    def fail_at_once(self) -> Any:
        raise ShopError("nothing there")
        yield 1

    def fail_later(self) -> Any:
        yield float("inf")
        raise ShopError("sold out", 2)

    def fail(self) -> Any:
        error = ShopError("empty", Thing())
        error.left = 0  # type: ignore[attr-defined] # as programs do
        raise error from KeyError("inner")

    def numbers(self) -> Any:
        return [float("nan"), float("inf"), 1.5]


with api.Daemon(host="127.0.0.1") as daemon:
    print(daemon.register(Sources), flush=True)
    daemon.requestLoop()
