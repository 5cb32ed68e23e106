"""Tools for tests of programs with remote objects, and fixtures for pytest.

PYTEST_DONT_REWRITE: it has no assertions, and pytest would warn if it was imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyro_protocol.testing import (
        NO_FAULTS,
        Fault,
        Faults,
        FaultyLine,
        MemoryConnection,
        MemoryServer,
        faulty_line,
    )

    from .joining import in_process, running
    from .leaks import Leaks

__all__ = [
    "NO_FAULTS",
    "Fault",
    "Faults",
    "FaultyLine",
    "Leaks",
    "MemoryConnection",
    "MemoryServer",
    "faulty_line",
    "in_process",
    "running",
]

# For those who name this package as a plugin of pytest.
pytest_plugins: list[str] = ["pyro_suite.testing.plugin"]

_MODULES = {
    "Leaks": "pyro_suite.testing.leaks",
    "in_process": "pyro_suite.testing.joining",
    "running": "pyro_suite.testing.joining",
}


def __getattr__(name: str) -> object:
    """Import no more than what is used: the plugin is part of every run of pytest."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES.get(name, "pyro_protocol.testing")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
