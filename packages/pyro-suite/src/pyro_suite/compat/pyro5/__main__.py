"""``python -m pyro_suite.compat.pyro5``: run a program written for Pyro5."""

from __future__ import annotations

import sys

from ..running import run

if __name__ == "__main__":
    run(sys.argv[1:], "pyro_suite.compat.pyro5")
