"""Hosts: they move bytes, and decide in which thread a call runs.

Those that need what takes long to import are in `event_loop` and `connected`.
"""

from __future__ import annotations

from .multiplex import MultiplexHost
from .selector import SelectorHost
from .thread import ThreadHost

__all__ = [
    "MultiplexHost",
    "SelectorHost",
    "ThreadHost",
]
