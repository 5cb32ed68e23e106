"""Connections under asyncio that do more than one call after the other.

Many calls are in flight at once, each with its deadline, and can be cancelled; the
items of streams come by themselves; a silent peer is asked for a sign of life. What a
peer may call here, and which streams it gets, is for subclasses.
"""

from __future__ import annotations

from .channel import AsyncCallingChannel
from .chunks import SMALLEST_REFERENCE, ChunkedItems
from .writing import not_sent

__all__ = ["SMALLEST_REFERENCE", "AsyncCallingChannel", "ChunkedItems", "not_sent"]
