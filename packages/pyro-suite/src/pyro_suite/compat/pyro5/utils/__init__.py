"""``Pyro5.utils``: the echo server and the HTTP gateway."""

from __future__ import annotations

__all__: list[str] = []
