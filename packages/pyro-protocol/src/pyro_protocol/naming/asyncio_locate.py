"""Finding the name server in an event loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..config import Configuration, config
from ..errors import CommunicationError, SecurityError
from .asyncio_client import AsyncNameServerClient
from .attempts import (
    BROADCAST_REQUEST,
    BROADCAST_ROUNDS,
    BROADCAST_WAIT_SECONDS,
    MOST_ANSWERS,
    Attempt,
    Broadcast,
    Connect,
    Discovery,
    Host,
    attempts,
    name_server_in_answer,
    not_found,
    without_token,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..uri import URI

__all__ = ["locate_ns_async"]


async def locate_ns_async(
    host: Host = "",
    port: int | None = None,
    broadcast: bool = True,
    *,
    config: Configuration = config,
) -> AsyncNameServerClient:
    """Find the name server and connect to it; see `locate_ns`."""
    tried = attempts(host, port, config, broadcast=broadcast)
    failure: CommunicationError | None = None
    refusal: SecurityError | None = None
    for attempt in tried:
        told = isinstance(attempt, Connect)
        settings = config if told else without_token(config)
        async with aclosing(_candidates(attempt, config)) as candidates:
            async for uri, *others in candidates:
                client = AsyncNameServerClient(uri, others=others, config=settings)
                try:
                    await client._pyroBind()
                except CommunicationError as error:
                    failure = error
                except SecurityError as error:
                    refusal = refusal or error
                else:
                    return client
    if refusal is not None:
        raise refusal
    raise not_found(tried) from failure


async def _candidates(
    attempt: Attempt, config: Configuration
) -> AsyncGenerator[tuple[URI, ...], None]:
    if isinstance(attempt, Broadcast):
        async with aclosing(_answers(attempt.port, config)) as answers:
            async for uri in answers:
                yield (uri,)
    elif isinstance(attempt, Discovery):
        for uri in await asyncio.to_thread(_discovered, attempt.seconds, config):
            yield (uri,)
    elif not attempt.if_named or await _has_name(str(attempt.uri.host)):
        yield (attempt.uri, *attempt.others)


def _discovered(seconds: float, config: Configuration) -> list[URI]:
    """Return what is found in other ways; these may block."""
    from .discovery import discovered  # noqa: PLC0415 - most searches end before

    return list(discovered(seconds, config))


async def _has_name(address: str) -> bool:
    loop = asyncio.get_running_loop()
    try:
        await loop.getnameinfo((address, 0), socket.NI_NAMEREQD)
    except OSError:
        return False
    return True


class _Listener(asyncio.DatagramProtocol):
    """Collects the name servers that answer, each of them once."""

    def __init__(self) -> None:
        self.found: asyncio.Queue[URI] = asyncio.Queue()
        self._known: set[URI] = set()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        uri = name_server_in_answer(data)
        if uri is None or uri in self._known or len(self._known) == MOST_ANSWERS:
            return
        self._known.add(uri)
        self.found.put_nowait(uri)


async def _answers(port: int, config: Configuration) -> AsyncGenerator[URI, None]:
    """Ask the local network, and return each name server that answers."""
    if not config.BROADCAST_ADDRS:
        return
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_datagram_endpoint(
        _Listener,
        local_addr=("0.0.0.0", 0),  # noqa: S104 - answers may come from any side
        allow_broadcast=True,
    )
    try:
        for _ in range(BROADCAST_ROUNDS):
            for address in config.BROADCAST_ADDRS:
                transport.sendto(BROADCAST_REQUEST, (address, port))
            deadline = loop.time() + BROADCAST_WAIT_SECONDS
            while (remaining := deadline - loop.time()) > 0:
                try:
                    async with asyncio.timeout(remaining):
                        uri = await listener.found.get()
                except TimeoutError:
                    break
                yield uri
    finally:
        transport.close()
