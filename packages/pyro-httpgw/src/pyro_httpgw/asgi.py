"""The gateway as an ASGI 3 application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import quote

from pyro_protocol import Configuration, config

from .gateway import Gateway
from .messages import LARGEST_BODY, Request
from .settings import ConfigurableApplication

__all__ = ["AsgiApplication", "asgi_app"]

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class AsgiApplication(ConfigurableApplication):
    """The gateway for any ASGI server; calls are made in the server's event loop.

    Args:
        config: where the name server is, and the settings of connections.
    """

    def __init__(self, config: Configuration = config) -> None:
        super().__init__(config)
        self._gateways: dict[asyncio.AbstractEventLoop, Gateway] = {}

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serve one connection, as the ASGI specification says.

        Raises:
            ValueError: the connection is neither HTTP nor about the server's life.
        """
        if scope["type"] == "http":
            await self._respond(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"pyro-httpgw does not serve {scope['type']} connections")

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        gateway = self._gateways.pop(asyncio.get_running_loop(), None)
        if gateway is not None:
            await gateway.aclose()

    def _running(self) -> Gateway:
        loop = asyncio.get_running_loop()
        gateway = self._gateways.get(loop)
        if gateway is None:
            # Servers that do not tell us when they end leave theirs behind.
            for ended in [other for other in self._gateways if other.is_closed()]:
                del self._gateways[ended]
            gateway = self._gateways[loop] = Gateway(self.config)
        return gateway

    async def _respond(self, scope: Event, receive: Receive, send: Send) -> None:
        body = await _received_body(receive)
        if body is None:
            return
        request = _request_of(scope, body)
        response = await self._running().respond(request, self.settings)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in response.headers
                ],
            }
        )
        body = b"" if request.method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _request_of(scope: Event, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    mount: str = scope.get("root_path", "")
    path: str = scope["path"]
    if mount and path.startswith(f"{mount}/"):
        # Whether the path includes it depends on the server's version of ASGI.
        path = path.removeprefix(mount)
    return Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=body,
        mount=quote(mount),
    )


async def _received_body(receive: Receive) -> bytes | None:
    """Return the body, or None if the client has gone before it was complete."""
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        part: bytes = event.get("body", b"")
        size += len(part)
        if size <= LARGEST_BODY:
            parts.append(part)
        else:
            # One byte more than is allowed shows that it is too large.
            return bytes(LARGEST_BODY + 1)
        if not event.get("more_body", False):
            return b"".join(parts)


asgi_app: Final[AsgiApplication] = AsgiApplication()
"""The gateway as an ASGI application, to be mounted in a web server.

Its settings are attributes: ``ns_regex``, ``cors``, ``gateway_key`` and
``comm_timeout``.
"""
