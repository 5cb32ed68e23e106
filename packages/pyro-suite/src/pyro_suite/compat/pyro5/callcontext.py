"""``Pyro5.callcontext``: what is known about the call in hand."""

from __future__ import annotations

from pyro_protocol import current_context

__all__ = ["current_context"]
