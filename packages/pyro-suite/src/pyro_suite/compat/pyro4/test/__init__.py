"""``Pyro4.test``: the server to try things out with."""

from __future__ import annotations

__all__: list[str] = []
