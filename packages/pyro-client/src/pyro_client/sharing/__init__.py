"""Connections that any number of threads use at the same time."""

from __future__ import annotations

from .channel import SharedChannel, offered_capabilities
from .received import ReceivedStream

__all__ = ["ReceivedStream", "SharedChannel", "offered_capabilities"]
