"""``pyro-check-config`` = ``python -m pyro_protocol``: show the settings in force."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from .__about__ import __version__
from .config import PROTOCOL_VERSION, Configuration, config
from .config_rules import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_config_parser", "main"]


def main(args: Sequence[str] | None = None, prog: str = "pyro-check-config") -> int:
    """Print versions and settings, as the environment has made them.

    Args:
        args: the command line; None means ``sys.argv``.
        prog: what the command is called in its messages.

    Returns:
        The exit status: 1 if an environment variable has a value that cannot be
        used, else 0.
    """
    options = check_config_parser(prog).parse_args(args)
    print(json.dumps(_document(config), indent=2) if options.json else _text(config))
    for fault in config.faults.values():
        print(f"Error: {fault}", file=sys.stderr)
    return 1 if config.faults else 0


def check_config_parser(prog: str = "pyro-check-config") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Print Pyro's versions and the settings that are in force here, "
        "with the PYRO_* environment variables applied. What is not the default is "
        "marked. The exit status is 1 if a variable has an unusable value.",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object instead of text"
    )
    return parser


def _text(settings: Configuration) -> str:
    marks = {item: _mark(settings, item) for item in settings.defaults()}
    return "\n".join(
        line + marks.get(line.partition(" = ")[0], "")
        for line in settings.dump().splitlines()
    )


def _mark(settings: Configuration, item: str) -> str:
    """Return what is said about an item that does not have its default."""
    default = settings.defaults()[item]
    if item not in settings.faults and getattr(settings, item) == default:
        return ""
    return f"    # from {_origin(item)}; default: {default!r}"


def _origin(item: str) -> str:
    variable = f"PYRO_{item}"
    return variable if variable in os.environ else "the program"


def _document(settings: Configuration) -> dict[str, Any]:
    defaults = settings.defaults()
    changed = {
        item: _origin(item)
        for item in defaults
        if item not in settings.faults and getattr(settings, item) != defaults[item]
    }
    return {
        "pyro_version": __version__,
        "protocol_version": PROTOCOL_VERSION,
        "python_version": platform.python_version(),
        "items": {
            item: "***" if is_secret(item) and item in changed else value
            for item, value in settings.usable().items()
        },
        "changed": changed,
        "errors": settings.faults,
    }


if __name__ == "__main__":
    sys.exit(main())
