"""``Pyro5.compatibility``: names of Pyro4 for programs that move from it."""

from __future__ import annotations

__all__: list[str] = []
