"""Tools for tests: a server in memory, and lines on which things go wrong."""

from __future__ import annotations

from .faults import NO_FAULTS, Fault, Faults
from .line import FaultyLine, faulty_line
from .memory import MemoryConnection, MemoryServer
from .traces import Traces

__all__ = [
    "NO_FAULTS",
    "Fault",
    "Faults",
    "FaultyLine",
    "MemoryConnection",
    "MemoryServer",
    "Traces",
    "faulty_line",
]
