"""What ``pyro --version`` prints."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

__all__ = ["DISTRIBUTIONS", "versions"]

DISTRIBUTIONS: Final = (
    "pyro-suite",
    "pyro-protocol",
    "pyro-client",
    "pyro-server",
    "pyro-naming",
    "pyro-httpgw",
)
"""All six, each of which has a version of its own."""


def versions() -> str:
    """Return the version of each distribution, and of Python, a line for each."""
    width = max(map(len, DISTRIBUTIONS))
    lines = [f"{name:{width}}  {_version(name)}\n" for name in DISTRIBUTIONS]
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    return "".join([*lines, f"{'Python':{width}}  {python}\n"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed: pip install {name}"
