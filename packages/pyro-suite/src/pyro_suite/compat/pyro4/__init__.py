"""Runs programs written for Pyro4: provides its modules on top of these packages.

Import this before anything imports ``Pyro4``, or run a program with it::

    python -m pyro_suite.compat.pyro4 program.py argument ...

From then on ``import Pyro4`` gets the modules in this folder, in this process alone;
an installed Pyro4 is neither used nor changed. What differs from it is in
docs/migrating-from-pyro4.md.
"""

from __future__ import annotations

import warnings
from typing import Final

from ..providing import provide

__all__: list[str] = []

# Pyro4 ignores environment variables that it does not know, and some of those that it
# knows are unknown to the packages below.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)
    import pyro_protocol  # noqa: F401 - it reads the environment now

_MODULES: Final = (
    "configuration",
    "constants",
    "core",
    "errors",
    "futures",
    "message",
    "naming",
    "naming_storage",
    "nsc",
    "socketutil",
    "test",
    "test.echoserver",
    "util",
    "utils",
    "utils.flame",
    "utils.flameserver",
    "utils.httpgateway",
)

provide(
    "Pyro4",
    {
        "Pyro4": f"{__name__}.package",
        **{f"Pyro4.{module}": f"{__name__}.{module}" for module in _MODULES},
    },
)
