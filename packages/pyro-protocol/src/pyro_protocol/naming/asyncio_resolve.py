"""From a name or metadata to the place of an object, in an event loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..config import Configuration, config
from ..errors import NamingError, TimeoutError  # noqa: A004 - the documented name
from ..uri import URI
from .asyncio_locate import locate_ns_async
from .attempts import without_token
from .waiting import (
    LONGEST_CHAIN,
    choose,
    endless_chain,
    pauses,
    place_of,
    providers,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .asyncio_client import AsyncNameServerClient
    from .attempts import Host

__all__ = ["resolve_all_async", "resolve_async"]

T = TypeVar("T")


async def resolve_async(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration = config
) -> URI:
    """Return the ``PYRO`` URI of the object that a URI stands for; see `resolve`."""
    target = URI(uri, default_port=config.NS_PORT)
    return await _follow(target, place_of(target), delay_time, config)


async def resolve_all_async(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration = config
) -> list[URI]:
    """Return the URIs of all objects a URI may stand for; see `resolve_all`."""
    target = URI(uri, default_port=config.NS_PORT)
    place = place_of(target)
    tags = target.object
    if target.protocol != "PYROMETA" or isinstance(tags, str):
        return [await _follow(target, place, delay_time, config)]
    async with await locate_ns_async(*place, config=config) as name_server:

        async def find() -> list[URI]:
            found = await name_server.yplookup(meta_all=tags, return_metadata=False)
            return providers(tags, found)

        found = await _patiently(find, delay_time, config)
    result: dict[URI, None] = {}
    failure: NamingError | None = None
    for one in found:
        try:
            leads_to = await _follow(one, place, delay_time, config, told=False)
            result[leads_to] = None
        except NamingError as error:
            failure = error
    if failure is not None and not result:
        raise failure
    return list(result)


async def _follow(
    uri: URI,
    place: tuple[Host, int | None],
    delay_time: float,
    config: Configuration,
    *,
    told: bool = True,
) -> URI:
    """Return where a URI leads, asking the name server at a place until told others.

    Args:
        uri: the URI.
        place: where to ask if it does not say so.
        delay_time: as for `resolve`.
        config: the settings.
        told: whether the program has given the URI, and not a name server.
    """
    target = uri
    for _ in range(LONGEST_CHAIN):
        if target.protocol == "PYRO":
            return target
        if target.location is not None and place_of(target) != place:
            place = place_of(target)
            if not told:
                config = without_token(config, *place)
        told = False
        async with await locate_ns_async(*place, config=config) as name_server:
            find = partial(_find_once, name_server, target)
            target = await _patiently(find, delay_time, config)
    raise endless_chain(uri)


async def _patiently(
    find: Callable[[], Awaitable[T]], delay_time: float, config: Configuration
) -> T:
    for pause in pauses(delay_time, config):
        try:
            return await find()
        except (NamingError, TimeoutError):
            await asyncio.sleep(pause)
    return await find()


async def _find_once(name_server: AsyncNameServerClient, uri: URI) -> URI:
    if isinstance(uri.object, str):
        return await name_server.lookup(uri.object)
    found = await name_server.yplookup(meta_all=uri.object, return_metadata=False)
    return choose(uri.object, found)
