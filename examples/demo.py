"""The demo, from a checkout: a weather station, a name server and a gateway.

``pyro demo`` is the same wherever pyro-suite is installed.
"""

from __future__ import annotations

import sys

from pyro_suite.demo.command import main

if __name__ == "__main__":
    sys.exit(main(prog="demo.py"))
