"""Run programs written for Pyro5 and Pyro4 on these packages, unchanged.

``import pyro_suite.compat.pyro5`` provides the modules of Pyro5, and
``python -m pyro_suite.compat.pyro5 program.py`` runs a program with them;
``pyro_suite.compat.pyro4`` does the same for Pyro4.
"""

from __future__ import annotations

__all__: list[str] = []
