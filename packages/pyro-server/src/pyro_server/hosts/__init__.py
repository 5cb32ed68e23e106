"""Hosts: they move bytes, and decide in which thread a call runs."""

from __future__ import annotations

from .connected import ConnectedSocketHost
from .event_loop import EventLoopHost
from .multiplex import MultiplexHost
from .selector import SelectorHost
from .thread import ThreadHost

__all__ = [
    "ConnectedSocketHost",
    "EventLoopHost",
    "MultiplexHost",
    "SelectorHost",
    "ThreadHost",
]
