"""Finding name servers by what has been installed for that, as besides broadcasts."""

from __future__ import annotations

import logging
import time
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..errors import PyroError
from ..logs import log_exception
from ..uri import URI
from .attempts import MOST_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Configuration

__all__ = ["DISCOVERY_GROUP", "discovered"]

_logger = logging.getLogger("pyro.naming")

DISCOVERY_GROUP: Final = "pyro.discovery"
"""The group of entry points that are asked. Each is called with the settings and with
the seconds that it may take, and returns the texts of URIs of name servers."""


def discovered(seconds: float, config: Configuration) -> Iterator[URI]:
    """Return the name servers that other ways of finding them know of.

    One that fails is logged, and the next one asked.

    Args:
        seconds: how long it may take in all.
        config: the settings.
    """
    end = time.monotonic() + seconds
    known: set[URI] = set()
    for entry_point in metadata.entry_points(group=DISCOVERY_GROUP):
        left = end - time.monotonic()
        if left <= 0:
            return
        try:
            for text in islice(entry_point.load()(config, left), MOST_ANSWERS):
                uri = _name_server(text)
                if uri is not None and uri not in known:
                    known.add(uri)
                    yield uri
        except Exception:  # noqa: BLE001 - somebody else's part must not end the search
            log_exception(
                _logger, "looking for name servers by %s failed", entry_point.name
            )


def _name_server(text: object) -> URI | None:
    try:
        uri = URI(text) if isinstance(text, str | URI) else None
    except PyroError:
        uri = None
    if uri is None or uri.protocol != "PYRO":
        _logger.warning("this was found and is no name server: %.200r", text)
        return None
    return uri
