"""``python -m pyro_server`` publishes objects; see `pyro_server.cli`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
