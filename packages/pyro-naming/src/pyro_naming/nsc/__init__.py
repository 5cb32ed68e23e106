"""The command ``pyro-nsc``: asks a name server, and changes what it knows."""

from __future__ import annotations

from .command import main

__all__ = ["main"]
