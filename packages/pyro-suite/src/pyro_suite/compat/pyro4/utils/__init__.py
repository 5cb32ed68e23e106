"""``Pyro4.utils``: the tools of Pyro4."""

from __future__ import annotations

__all__: list[str] = []
