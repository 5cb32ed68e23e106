"""The OpenAPI document of all exposed objects, made of what they offer just now."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from pyro_protocol.errors import PyroError

from ..__about__ import __version__
from ..admission.access import is_exposed
from ..answers.rendering import render_value
from ..messages import json_response
from .errors import PROBLEM_SCHEMA, error_responses
from .gateway import GATEWAY_TAG, gateway_paths
from .operations import ObjectPaths, OperationNames
from .registry import PROBLEM, SchemaRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.contract.described import Description

    from ..calls.objects import RemoteObjects
    from ..exchange import Exchange
    from ..messages import Response
    from ..settings import Settings

__all__ = ["DescribedObject", "answer_openapi", "write_document"]

MOST_OBJECTS: Final = 500
"""How many objects are described: more than anybody reads, and some MiB of text."""

MOST_OPERATIONS: Final = 3_000
"""How many operations are described, when the objects have many methods."""

ASKING_SECONDS: Final = 3.0
"""How long the objects may take to say what they offer; the others need not wait for
those whose daemon is gone."""

ASKED_AT_ONCE: Final = 20
"""How many objects are asked at the same time, so that calls find connections too."""

KEPT_SECONDS: Final = 5.0
"""How long a document is given out again: pages and generators fetch it repeatedly, and
people do not wait longer for what they have changed."""

_ABOUT: Final = """\
Each method of an object is called with POST, or with GET where its arguments fit into
an address. A body of JSON holds the arguments by name, or is an object of the list
`args` and the object `kwargs`.

Header fields of every call: `X-Pyro-Timeout` (seconds that it may take),
`X-Pyro-Options: oneway` (the answer comes at once and is empty),
`X-Pyro-Correlation-Id` (a UUID that goes with the call)."""


class DescribedObject(NamedTuple):
    """An object that is part of a document.

    Attributes:
        name: its name.
        description: what it offers.
        metadata: its metadata in the name server.
    """

    name: str
    description: Description
    metadata: frozenset[str] = frozenset()


class _Key(NamedTuple):
    """What a document depends on, apart from the objects."""

    exposed: str
    mount: str
    schemes: tuple[str, ...]
    metrics: bool


class _Documents:
    """The documents of one gateway that were made a moment ago."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._kept: dict[_Key, tuple[float, bytes]] = {}

    def get(self, key: _Key) -> bytes | None:
        expires, body = self._kept.get(key, (0.0, b""))
        return body if expires > time.monotonic() else None

    def put(self, key: _Key, body: bytes) -> None:
        # There are others only after the settings have been changed.
        self._kept = {key: (time.monotonic() + KEPT_SECONDS, body)}


_documents: Final[WeakKeyDictionary[RemoteObjects, _Documents]] = WeakKeyDictionary()


async def answer_openapi(exchange: Exchange) -> Response:
    """Return the OpenAPI document.

    Objects that do not answer are left out, with a note.

    Raises:
        NamingError: there is no name server.
        CommunicationError: it does not answer.
    """
    settings = exchange.settings
    key = _Key(
        settings.exposed.pattern,
        exchange.request.mount,
        _schemes(settings),
        settings.metrics,
    )
    documents = _documents.setdefault(exchange.objects, _Documents())
    body = documents.get(key)
    if body is None:
        async with documents.lock:
            body = documents.get(key)
            if body is None:
                body = render_value(await _gather_document(exchange, key))
                documents.put(key, body)
    return json_response(HTTPStatus.OK, body)


def _schemes(settings: Settings) -> tuple[str, ...]:
    key = ("gatewayKey",) if settings.gateway_key is not None else ()
    return key if settings.tokens is None else (*key, "bearer")


async def _gather_document(exchange: Exchange, key: _Key) -> dict[str, Any]:
    metadata = await exchange.names.all_metadata()
    names = sorted(name for name in metadata if is_exposed(name, exchange.settings))
    left_out = dict.fromkeys(names[MOST_OBJECTS:], "there are too many objects")
    names = names[:MOST_OBJECTS]
    described = await _descriptions(exchange, names, left_out)
    objects = [
        DescribedObject(name, described[name], metadata[name])
        for name in names
        if name in described
    ]
    return await write_document(
        objects, left_out, mount=key.mount, schemes=key.schemes, metrics=key.metrics
    )


async def _descriptions(
    exchange: Exchange, names: list[str], left_out: dict[str, str]
) -> dict[str, Description]:
    """Return what those objects offer that say it in time.

    Args:
        exchange: the request.
        names: the names of the objects.
        left_out: where the reasons are put why objects are missing.
    """
    found: dict[str, Description] = {}
    room = asyncio.Semaphore(ASKED_AT_ONCE)
    objects = exchange.objects

    async def ask(name: str) -> None:
        async with room:
            try:
                found[name] = await objects.at(name, objects.describe)
            except PyroError as error:
                left_out[name] = f"{type(error).__name__}: {error}"

    seconds = ASKING_SECONDS
    if exchange.settings.comm_timeout:
        seconds = min(seconds, exchange.settings.comm_timeout / 2)
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(ask(name))
    except TimeoutError:
        pass
    for name in names:
        if name not in found:
            left_out.setdefault(name, f"no answer within {seconds:g} seconds")
    return found


async def write_document(
    objects: list[DescribedObject],
    left_out: Mapping[str, str],
    *,
    mount: str = "",
    schemes: tuple[str, ...] = (),
    metrics: bool = False,
) -> dict[str, Any]:
    """Return the document for these objects.

    Args:
        objects: the objects.
        left_out: the names of others, with the reason why they are not there.
        mount: the path at which the gateway is mounted.
        schemes: what callers can prove who they are with: ``gatewayKey``, ``bearer``.
        metrics: whether there is a page with metrics.
    """
    registry = SchemaRegistry()
    registry.schemas[PROBLEM] = PROBLEM_SCHEMA
    names = OperationNames()
    paths = gateway_paths(names, metrics=metrics)
    left_out = dict(left_out)
    tags: list[dict[str, Any]] = [_GATEWAY_TAG]
    for name, description, metadata in objects:
        if len(names) >= MOST_OPERATIONS:
            left_out[name] = "there are too many methods"
            continue
        try:
            paths.update(ObjectPaths(name, description, registry, names).write())
        except (ValueError, RecursionError):
            # Python has no text for some numbers, nor for values that are very deep.
            left_out[name] = "its description cannot be written"
            continue
        tags.append(_tag(name, description, metadata))
        # Others have their turn while a large document is made.
        await asyncio.sleep(0)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Pyro objects",
            "version": __version__,
            "description": _ABOUT,
        },
        "servers": [{"url": mount or "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": registry.schemas,
            "responses": error_responses(),
            "headers": {"CorrelationId": _CORRELATION_ID},
        },
    }
    if schemes:
        document["components"]["securitySchemes"] = {
            scheme: _SCHEMES[scheme] for scheme in schemes
        }
        document["security"] = [{scheme: []} for scheme in schemes]
    if left_out:
        document["x-pyro-left-out"] = [
            {"name": name, "reason": reason}
            for name, reason in sorted(left_out.items())
        ]
    return document


def _tag(
    name: str, description: Description, metadata: frozenset[str]
) -> dict[str, Any]:
    tag: dict[str, Any] = {"name": name}
    if description.doc:
        tag["description"] = description.doc
    if description.class_name:
        tag["x-pyro-class"] = description.class_name
    if metadata:
        tag["x-pyro-metadata"] = sorted(metadata)
    return tag


_GATEWAY_TAG: Final[dict[str, Any]] = {
    "name": GATEWAY_TAG,
    "description": "The gateway itself.",
}
_CORRELATION_ID: Final[dict[str, Any]] = {
    "description": "The correlation id of the request, or a new one.",
    "schema": {"type": "string", "format": "uuid"},
}
_SCHEMES: Final[dict[str, Any]] = {
    "gatewayKey": {"type": "apiKey", "in": "header", "name": "X-Pyro-Gateway-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
