"""What puts the demo on: its processes, its printed report, its orderly end."""

from __future__ import annotations
