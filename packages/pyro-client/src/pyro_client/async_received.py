"""Whether what is being decoded is for a program that runs in an event loop."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

__all__ = ["references_are_async"]

references_are_async: Final[ContextVar[bool]] = ContextVar(
    "references_are_async", default=False
)
"""Whether received references become async proxies."""
