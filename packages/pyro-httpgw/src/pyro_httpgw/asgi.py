"""The gateway as an ASGI 3 application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from pyro_protocol import Configuration, config

from .errors import StreamFailedError
from .gateway import Gateway
from .messages import Request
from .serving.disconnects import DisconnectWatch
from .settings import ConfigurableApplication

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .messages import Parts, Response

__all__ = ["AsgiApplication", "asgi_app"]

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


_CONSTANT_FIELDS: Final = frozenset(
    {
        "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods",
        "Access-Control-Expose-Headers",
        "Allow",
        "Cache-Control",
        "Content-Security-Policy",
        "Content-Type",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "Permissions-Policy",
        "Referrer-Policy",
        "Vary",
        "X-Content-Type-Options",
        "X-Frame-Options",
    }
)
# Fields that are the same in many answers, as they are sent. There are some dozen.
_known_fields: Final[dict[tuple[str, str], tuple[bytes, bytes]]] = {}
_MOST_KNOWN_FIELDS: Final = 200


class _Running(NamedTuple):
    """What there is for one event loop."""

    gateway: Gateway
    watch: DisconnectWatch


class AsgiApplication(ConfigurableApplication):
    """The gateway for any ASGI server; calls are made in the server's event loop.

    Args:
        config: where the name server is, and the settings of connections.
    """

    def __init__(self, config: Configuration = config) -> None:
        super().__init__(config)
        self._gateways: dict[asyncio.AbstractEventLoop, _Running] = {}

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

    @property
    def gateway(self) -> Gateway:
        """What answers in the running event loop."""
        return self._running().gateway

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        running = self._gateways.pop(asyncio.get_running_loop(), None)
        if running is not None:
            running.watch.close()
            await running.gateway.aclose()

    def _running(self) -> _Running:
        loop = asyncio.get_running_loop()
        running = self._gateways.get(loop)
        if running is None:
            # Servers that do not tell us when they end leave theirs behind.
            for ended in [other for other in self._gateways if other.is_closed()]:
                del self._gateways[ended]
            running = _Running(Gateway(self.config), DisconnectWatch())
            self._gateways[loop] = running
        return running

    async def _respond(self, scope: Event, receive: Receive, send: Send) -> None:
        settings = self.settings
        body = await _received_body(receive, settings.max_body)
        if body is None:
            return
        request = _request_of(scope, body)
        gateway, watch = self._running()
        client = watch.begin(receive)
        try:
            response = await gateway.respond(request, settings)
            body = b"" if request.method == "HEAD" else response.body
            if response.parts is None:
                await send(_start_of(response))
                await send({"type": "http.response.body", "body": body})
            else:
                client.listen()
                await _send_parts(response, response.parts, request, send)
        except asyncio.CancelledError:
            if not client.gone:
                raise
            client.forgive()
        finally:
            watch.end(client)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _start_of(response: Response) -> Event:
    return {
        "type": "http.response.start",
        "status": response.status,
        "headers": [
            _known_fields.get(field) or _encoded(field) for field in response.headers
        ],
    }


async def _send_parts(
    response: Response, parts: Parts, request: Request, send: Send
) -> None:
    try:
        await send(_start_of(response))
        if request.method != "HEAD":
            await send(_part(response.body))
            async for part in parts:
                await send(_part(part))
    except (StreamFailedError, OSError):
        # The server sees that the answer is not complete, and ends the connection.
        return
    finally:
        await parts.aclose()
    await send({"type": "http.response.body", "body": b""})


def _part(body: bytes) -> Event:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _encoded(field: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = field
    encoded = name.lower().encode("latin-1"), value.encode("latin-1")
    if name in _CONSTANT_FIELDS and len(_known_fields) < _MOST_KNOWN_FIELDS:
        _known_fields[field] = encoded
    return encoded


def _request_of(scope: Event, body: bytes) -> Request:
    # Names are in lower case already.
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
    }
    if len(headers) != len(scope["headers"]):
        headers = _joined(scope["headers"])
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
        mount=quote(mount) if mount else "",
        client=(scope.get("client") or ("",))[0],
        scheme=scope.get("scheme", "http"),
    )


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return header fields some of which are there several times."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


async def _received_body(receive: Receive, most: int) -> bytes | None:
    """Return the body, or None if the client has gone before it was complete."""
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        part: bytes = event.get("body", b"")
        size += len(part)
        if size <= most:
            parts.append(part)
        else:
            # One byte more than is allowed shows that it is too large.
            return bytes(most + 1)
        if not event.get("more_body", False):
            return b"".join(parts)


asgi_app: Final[AsgiApplication] = AsgiApplication()
"""The gateway as an ASGI application, to be mounted in a web server.

Its settings are the attributes of `ConfigurableApplication`, such as ``ns_regex``,
``cors`` and ``gateway_key``.
"""
