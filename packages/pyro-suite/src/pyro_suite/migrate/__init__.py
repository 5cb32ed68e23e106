"""Moving programs from Pyro4 and Pyro5 to these packages: ``pyro migrate``."""

from __future__ import annotations

from .applying import apply, backup_of
from .findings import FileReport, Finding, Level
from .walking import examine

__all__ = ["FileReport", "Finding", "Level", "apply", "backup_of", "examine"]
