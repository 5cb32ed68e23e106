"""Housekeeping of a name server: what it does every now and then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from pyro_protocol import URI

    from .asyncio_name_server import AsyncNameServer

__all__ = ["ANNOUNCED_SECONDS", "keep_announced", "keep_swept"]

_logger = logging.getLogger("pyro.naming")

# Nobody sees what has expired, but those who watch want to be told.
_INTERVAL_SECONDS: Final = 1.0
# When a name server dies over a shared storage, another takes its place there after the
# latter time at most. An engine that is away for a moment costs none its place.
_ANNOUNCE_SECONDS: Final = 10.0
ANNOUNCED_SECONDS: Final = 30.0
"""How long a name server stays announced in a shared storage without renewing that."""


async def keep_swept(name_server: AsyncNameServer) -> None:
    """Remove the names that have expired, until cancelled."""
    failing = False
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        try:
            while await name_server.sweep_now():  # noqa: ASYNC110 - no waiting, a turn for others
                await asyncio.sleep(0)
        except Exception:
            # A storage that is away for an hour is worth one report.
            if not failing:
                _logger.exception("removing expired names failed; it is tried again")
            failing = True
        else:
            failing = False


async def keep_announced(name_server: AsyncNameServer, uri: URI) -> None:
    """Have a living name server registered in a shared storage, until cancelled.

    Args:
        name_server: the name server.
        uri: its URI.
    """
    while True:
        await asyncio.sleep(_ANNOUNCE_SECONDS)
        # Where the storage fails, `keep_swept` says so.
        with contextlib.suppress(NamingError):
            await name_server.keep_announced_now(uri, ANNOUNCED_SECONDS)
