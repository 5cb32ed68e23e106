"""Forward a port, as routers do: python router.py OUTSIDE:PORT INSIDE:PORT."""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on bytes until there are no more."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


async def main(outside: str, inside: str) -> None:
    """Forward until Ctrl-C."""
    outer_host, _, outer_port = outside.rpartition(":")
    inner_host, _, inner_port = inside.rpartition(":")

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner = await asyncio.open_connection(inner_host, int(inner_port))
        await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

    server = await asyncio.start_server(forward, outer_host, int(outer_port))
    async with server:
        print(outside, "leads to", inside)
        await server.serve_forever()


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:]))
