"""``python -m pyro_suite.compat.pyro4 program.py`` runs a program written for Pyro4."""

from __future__ import annotations

import sys

from ..running import run

if __name__ == "__main__":
    run(sys.argv[1:], "pyro_suite.compat.pyro4")
