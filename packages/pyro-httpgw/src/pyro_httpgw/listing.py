"""Which objects there are: as a document, and as a stream of what changes."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from .__about__ import __version__
from .admission.access import is_exposed
from .answers.rendering import render_value
from .answers.stream_forms import EVENTS
from .messages import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.errors import PyroError

    from .exchange import Exchange

__all__ = ["News", "answer_objects"]

SILENCE_SECONDS: Final = 15.0
"""After how long without news a comment is sent, so that whoever passes the stream on
does not take it for dead."""

BURST_SECONDS: Final = 0.1
"""How long changes are gathered after some were told: a daemon registers many names in
a row, and people see no difference."""

_STILL_HERE: Final = b":\n\n"

Names = dict[str, frozenset[str]]


async def answer_objects(exchange: Exchange) -> Response:
    """Return the objects that are exposed, or a stream of changes if that is wanted.

    Parameters of the query choose among them: each word of ``search`` has to be part of
    the name or of the metadata; each ``metadata`` has to be among the metadata.

    Raises:
        RequestRefusedError: the client has too many streams already.
        NamingError: there is no name server.
        CommunicationError: it does not answer.
    """
    if EVENTS in exchange.request.headers.get("accept", ""):
        headers = (("Content-Type", EVENTS), ("X-Accel-Buffering", "no"))
        # Something has to come at once, or the reader does not know that it works.
        return Response(HTTPStatus.OK, headers, _STILL_HERE, News(exchange))
    names = _chosen(exchange, await exchange.names.all_metadata())
    document = {"objects": _listed(names), **_about(exchange)}
    return json_response(HTTPStatus.OK, render_value(document))


class News:
    """The objects, and what changes, as the parts of an event stream.

    Call `aclose` in the end whatever happens.

    Args:
        exchange: the request, which says what objects count.

    Raises:
        RequestRefusedError: the client has too many streams already.
    """

    def __init__(self, exchange: Exchange) -> None:
        exchange.streams.begin(exchange.request.client)
        self._exchange = exchange
        self._live = exchange.names.live
        self._live.begin()
        self._version = -1
        self._told: Names | None = None
        self._problem: PyroError | None = None
        self._open = True

    def __aiter__(self) -> News:
        return self

    async def __anext__(self) -> bytes:
        """Return the events that tell of the next change, or a comment.

        Raises:
            StopAsyncIteration: the gateway ends.
        """
        if self._told is not None:
            await asyncio.sleep(BURST_SECONDS)
        await self._live.wait(self._version, SILENCE_SECONDS)
        if self._live.closed or not self._open:
            raise StopAsyncIteration
        self._version = self._live.version
        return b"".join(self._events()) or _STILL_HERE

    async def aclose(self) -> None:
        """Follow the changes no more; harmless if that has been done."""
        if self._open:
            self._open = False
            self._live.end()
            self._exchange.streams.end(self._exchange.request.client)

    def _events(self) -> list[bytes]:
        events: list[bytes] = []
        if self._live.names is not None:
            now = _chosen(self._exchange, self._live.names)
            events += _differences(self._exchange, self._told, now)
            self._told = now
        if self._live.problem is not self._problem:
            self._problem = problem = self._live.problem
            text = None if problem is None else str(problem)
            events.append(_event("problem", {"detail": text}))
        return events


def _differences(exchange: Exchange, old: Names | None, new: Names) -> list[bytes]:
    if old is None:
        return [_event("objects", {"objects": _listed(new), **_about(exchange)})]
    gone = [_event("removed", {"name": name}) for name in sorted(old.keys() - new)]
    changed = {name: tags for name, tags in new.items() if old.get(name) != tags}
    return gone + [
        _event("changed" if one["name"] in old else "added", one)
        for one in _listed(changed)
    ]


def _chosen(exchange: Exchange, names: Mapping[str, frozenset[str]]) -> Names:
    """Return the names that are exposed and looked for."""
    words = " ".join(exchange.parameters.get("search", ())).lower().split()
    wanted = frozenset(exchange.parameters.get("metadata", ()))
    return {
        name: tags
        for name, tags in names.items()
        if is_exposed(name, exchange.settings)
        and wanted <= tags
        and (not words or _has_all(words, name, tags))
    }


def _has_all(words: list[str], name: str, tags: frozenset[str]) -> bool:
    texts = [text.lower() for text in (name, *tags)]
    return all(any(word in text for text in texts) for word in words)


def _listed(names: Names) -> list[dict[str, Any]]:
    return [
        {"name": name, "metadata": sorted(tags)} for name, tags in sorted(names.items())
    ]


def _about(exchange: Exchange) -> dict[str, Any]:
    return {
        "exposed": exchange.settings.exposed.pattern,
        "name_server": exchange.names.location,
        "version": __version__,
    }


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    # JSON in ASCII has no line ends, which an event stream would take for its own.
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode("ascii")
