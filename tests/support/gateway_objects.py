"""What the gateway calls objects with, for tests that make calls without requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pyro_httpgw.calls.names import NameCache
from pyro_httpgw.calls.objects import RemoteObjects
from pyro_httpgw.calls.pool import ChannelPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pyro_httpgw.calls.objects import RemoteStream, Reply
    from pyro_protocol import Configuration

__all__ = ["objects_of", "run_with_objects", "value_of"]


@asynccontextmanager
async def objects_of(
    config: Configuration, **options: Any
) -> AsyncIterator[RemoteObjects]:
    """Find objects with a configuration; the options are those of `RemoteObjects`."""
    names, pool = NameCache(config), ChannelPool(config)
    try:
        yield RemoteObjects(names, pool, **options)
    finally:
        await pool.aclose()
        await names.aclose()


def run_with_objects(
    config: Configuration, scenario: Callable[[RemoteObjects], Awaitable[None]]
) -> None:
    """Run a scenario in an event loop of its own."""

    async def main() -> None:
        async with objects_of(config) as objects:
            await scenario(objects)

    asyncio.run(main())


def value_of(reply: Reply | RemoteStream | None) -> Any:
    """Return what the answer to a call holds, which is no stream."""
    assert isinstance(reply, tuple)
    return reply.serializer.loads(reply.frame.payload)
