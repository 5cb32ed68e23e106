"""Whether the gateway is alive, and whether it can be of use: for load balancers."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ..messages import Headers, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.names import NameCache
    from ..exchange import Exchange

__all__ = ["Readiness", "answer_health"]

_logger = logging.getLogger("pyro.httpgw")

ASK_AGAIN_SECONDS: Final = 2.0
"""How long it is believed how the name server is, however many ask."""

ANSWER_SECONDS: Final = 3.0
"""How long the name server may take; those who ask wait some seconds themselves."""

_RETRY: Final[Headers] = (("Retry-After", str(round(ASK_AGAIN_SECONDS))),)


async def answer_health(exchange: Exchange) -> Response:
    """Return the answer that says that there are answers."""
    del exchange
    return json_response(HTTPStatus.OK, b'{"status":"ok"}')


class Readiness:
    """Knows whether the name server can be reached; for use in one event loop.

    Strangers may ask, so that the answers tell nothing more than that.

    Args:
        names: asks the name server.
        clock: tells the time in seconds.
    """

    def __init__(self, names: NameCache, clock: Callable[[], float]) -> None:
        self._names = names
        self._clock = clock
        self._reachable = True
        self._asked_at: float | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def answer(self, exchange: Exchange) -> Response:
        """Return the answer that says whether calls can be made."""
        if exchange.settings.draining:
            return _not_ready("stopping")
        if not await self._is_reachable():
            return _not_ready("no name server")
        return json_response(HTTPStatus.OK, b'{"status":"ready"}')

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()

    async def _is_reachable(self) -> bool:
        asked = self._asked_at
        if asked is not None and self._clock() - asked < ASK_AGAIN_SECONDS:
            return self._reachable
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(
                self._ask(),
                # Not on behalf of the one request that happens to be the first.
                context=contextvars.Context(),
            )
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        before = self._reachable
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._names.ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            self._reachable = False
            if before:
                _logger.warning("not ready, without the name server: %r", error)
        else:
            self._reachable = True
            if not before:
                _logger.info("the name server is there again")
        finally:
            self._asking = None
        self._asked_at = self._clock()
        return self._reachable


def _not_ready(status: str) -> Response:
    body = f'{{"status":"{status}"}}'.encode("ascii")
    return json_response(HTTPStatus.SERVICE_UNAVAILABLE, body, _RETRY)
