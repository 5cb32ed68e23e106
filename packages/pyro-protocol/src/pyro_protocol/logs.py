"""Logging as the environment asks for it: ``PYRO_LOGLEVEL`` and ``PYRO_LOGFILE``."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .config import Configuration

__all__ = ["configure_logging", "log_exception"]

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


def log_exception(
    logger: logging.Logger,
    message: str,
    *args: object,
    error: BaseException | None = None,
) -> None:
    """Log an exception of the program with its traceback, whatever it is like.

    Exceptions that fail to show themselves, and handlers of the program that fail, make
    logging itself raise. A server must not end for want of a log.

    Args:
        logger: where.
        message: what happened, as for the methods of a logger.
        *args: what is put into the message.
        error: the exception; the one being handled if left out.
    """
    if error is None:
        error = sys.exception()
    try:
        logger.error(message, *args, exc_info=error)
    except Exception:  # noqa: BLE001 - see above
        with contextlib.suppress(Exception):
            logger.error(  # noqa: TRY400 - with its traceback it could not be logged
                "%s, whose traceback cannot be shown, was raised: %s",
                type(error).__name__,
                message % args,
            )
