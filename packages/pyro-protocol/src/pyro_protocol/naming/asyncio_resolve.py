"""From a name or metadata to the place of an object, in an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..config import Configuration, config
from ..errors import NamingError, TimeoutError  # noqa: A004 - the documented name
from ..uri import URI
from .asyncio_locate import locate_ns_async
from .waiting import LONGEST_CHAIN, choose, endless_chain, pauses, place_of

if TYPE_CHECKING:
    from .asyncio_client import AsyncNameServerClient

__all__ = ["resolve_async"]


async def resolve_async(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration = config
) -> URI:
    """Return the ``PYRO`` URI of the object that a URI stands for; see `resolve`."""
    original = target = URI(uri, default_port=config.NS_PORT)
    place = place_of(target)
    for _ in range(LONGEST_CHAIN):
        if target.protocol == "PYRO":
            return target
        if target.location is not None:
            place = place_of(target)
        async with await locate_ns_async(*place, config=config) as name_server:
            target = await _find(name_server, target, delay_time, config)
    raise endless_chain(original)


async def _find(
    name_server: AsyncNameServerClient,
    uri: URI,
    delay_time: float,
    config: Configuration,
) -> URI:
    for pause in pauses(delay_time, config):
        try:
            return await _find_once(name_server, uri)
        except (NamingError, TimeoutError):
            await asyncio.sleep(pause)
    return await _find_once(name_server, uri)


async def _find_once(name_server: AsyncNameServerClient, uri: URI) -> URI:
    if isinstance(uri.object, str):
        return await name_server.lookup(uri.object)
    found = await name_server.yplookup(meta_all=uri.object, return_metadata=False)
    return choose(uri.object, found)
