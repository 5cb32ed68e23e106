"""Logging as the environment asks for it: ``PYRO_LOGLEVEL`` and ``PYRO_LOGFILE``."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .config import Configuration

__all__ = ["configure_logging"]

_FORMAT: Final = "[%(asctime)s.%(msecs)03d,%(name)s,%(levelname)s] %(message)s"
_DATE_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
_STANDARD_ERROR: Final = "{stderr}"


def configure_logging(config: Configuration) -> None:
    """Set up the root logger if ``config.LOGLEVEL`` is set, and nobody has done so.

    Without it nothing is touched: a program's own logging is its own business, and
    errors reach standard error by way of the logging module's last resort.
    """
    if not config.LOGLEVEL:
        return
    level = logging.getLevelNamesMapping().get(config.LOGLEVEL.upper())
    if level is None:
        warnings.warn(
            f"PYRO_LOGLEVEL={config.LOGLEVEL} is not a level of the logging module; "
            "ignored; use DEBUG, INFO, WARNING, ERROR or CRITICAL",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    if logging.getLogger().handlers:
        return
    options: dict[str, Any] = {
        "level": level,
        "format": _FORMAT,
        "datefmt": _DATE_FORMAT,
    }
    if config.LOGFILE == _STANDARD_ERROR:
        logging.basicConfig(stream=sys.stderr, **options)
    else:
        logging.basicConfig(filename=config.LOGFILE, encoding="utf-8", **options)
