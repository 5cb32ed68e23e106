"""What shells need to complete ``pyro``, made from the parsers of its tools."""

from __future__ import annotations
