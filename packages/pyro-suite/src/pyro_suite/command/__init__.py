"""The command ``pyro``: every tool of Pyro as a subcommand.

A tool is imported when it is asked for, so that none of them waits for the others.
"""

from __future__ import annotations

from .cli import main

__all__ = ["main"]
