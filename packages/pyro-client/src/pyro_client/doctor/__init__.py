"""The doctor: finds out where the way to a remote object ends, and why."""

from __future__ import annotations

from .advice import Advice
from .examination import examine
from .report import Report, Step

__all__ = ["Advice", "Report", "Step", "examine"]
