"""``Pyro5`` in the processes that multiprocessing starts for a program.

They search the same folders as their parent, and this one is among them if the
program was run by ``python -m pyro_suite.compat.pyro5``.
"""

# ruff: noqa: N999 - the name of the package it stands for

from __future__ import annotations

import sys
from importlib import import_module

__all__: list[str] = []

# In its place comes what the layer provides, also for the import that has led here.
del sys.modules[__name__]
import_module("pyro_suite.compat.pyro5")
sys.modules[__name__] = import_module(__name__)
