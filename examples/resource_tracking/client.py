"""Use the laser while it is there: python client.py PYRO:laboratory@..."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyro_client import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reserved(instrument: str) -> Iterator[None]:
    """Have an instrument for the time of a block."""
    laboratory.reserve(instrument)
    try:
        yield
    finally:
        laboratory.give_back(instrument)


with Proxy(sys.argv[1]) as laboratory:
    with reserved("laser"):
        print("The laser is mine")
        print("In use:", *laboratory.in_use())
    in_use = laboratory.in_use() or ["nothing"]
    print("Until the end of the block only. In use:", *in_use)
    print("Protocol:", ", ".join(laboratory.protocol()))
