"""Where ``pyro-serve`` and its workers log to: lines on standard error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pyro_protocol import config

if TYPE_CHECKING:
    from .options import ServeOptions

__all__ = ["start_logging"]


def start_logging(options: ServeOptions, who: str = "") -> None:
    """Have everything of the level that the options name written as lines.

    Without a level these are warnings and errors, and with several processes what
    becomes of them too.

    Args:
        options: the level.
        who: which process this is, if there are several.
    """
    prefix = f"[{who}] " if who else ""
    logging.basicConfig(
        level=options.log_level or config.LOGLEVEL or logging.WARNING,
        format=f"%(asctime)s %(levelname)s {prefix}%(name)s: %(message)s",
        # An option is meant; a variable of the environment has been obeyed already.
        force=options.log_level is not None,
    )
    if options.supervised and not (options.log_level or config.LOGLEVEL):
        logging.getLogger("pyro.serve").setLevel(logging.INFO)
