"""What a client needs to know of leases."""

from __future__ import annotations

from typing import Final

__all__ = ["LEASE_KEY_ID"]

LEASE_KEY_ID: Final = "LEAS"
"""The annotation of the handshake by which references name the connection."""
