"""``pyro-check-config`` = ``python -m pyro_protocol``: show the settings in force."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .config import config

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Print versions and settings, as the environment has made them.

    Args:
        args: the command line; None means ``sys.argv``.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="pyro-check-config",
        description="Print Pyro's versions and the settings that are in force here, "
        "with the PYRO_* environment variables applied.",
    )
    parser.parse_args(args)
    print(config.dump())
    return 0


if __name__ == "__main__":
    sys.exit(main())
