"""What can be asked of the gateway itself, as an OpenAPI document says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..arguments.reading import JSON_TYPE
from ..routing import OBJECTS, PREFIX
from .errors import error_references

if TYPE_CHECKING:
    from .forms import Schema
    from .operations import OperationNames

__all__ = ["GATEWAY_TAG", "gateway_paths"]

GATEWAY_TAG: Final = "gateway"
"""The tag of what is about the gateway itself, and about none of the objects."""

_EVENTS: Final = "text/event-stream"
_ASKING: Final = (400, 401, 403, 429, 502, 503, 504)
_PLAIN: Final = (400, 403, 429)

_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_TEXT: Final[Schema] = {"type": "string"}
_OBJECTS: Final[Schema] = {
    "type": "object",
    "properties": {
        "objects": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "metadata": _TEXTS},
                "required": ["name", "metadata"],
            },
        },
        "exposed": {**_TEXT, "description": "What exposed names begin with."},
        "name_server": {"type": ["string", "null"]},
        "version": _TEXT,
    },
    "required": ["objects"],
}
_STATUS: Final[Schema] = {
    "type": "object",
    "properties": {"status": _TEXT},
    "required": ["status"],
}
_NOT_READY: Final[dict[str, Any]] = {
    "description": "Calls cannot be made just now.",
    "headers": {"Retry-After": {"schema": _TEXT}},
    "content": {JSON_TYPE: {"schema": _STATUS}},
}
_SEARCH: Final[list[dict[str, Any]]] = [
    {
        "name": "search",
        "in": "query",
        "description": "Words that have to be part of the name or of the metadata.",
        "schema": _TEXT,
    },
    {
        "name": "metadata",
        "in": "query",
        "description": "Metadata that objects have to have, all of it.",
        "schema": _TEXTS,
    },
]


def gateway_paths(names: OperationNames, *, metrics: bool) -> dict[str, Any]:
    """Return what can be done at the paths of the gateway itself.

    Args:
        names: has the operations of the document.
        metrics: whether there is a page with metrics.
    """
    paths: dict[str, Any] = {
        f"/{PREFIX}{OBJECTS}": {
            "parameters": _SEARCH,
            "get": {
                "operationId": names.new(GATEWAY_TAG, "objects"),
                "summary": "The exposed objects, or a stream of changes",
                "responses": _responses({JSON_TYPE: _OBJECTS, _EVENTS: _TEXT}, _ASKING),
            },
        },
        "/openapi.json": {
            "get": {
                "operationId": names.new(GATEWAY_TAG, "openapi"),
                "summary": "This document",
                "responses": _responses({JSON_TYPE: {"type": "object"}}, _ASKING),
            }
        },
        "/healthz": {
            "get": {
                "operationId": names.new(GATEWAY_TAG, "health"),
                "summary": "Whether the gateway is alive",
                "security": [],
                "responses": _responses({JSON_TYPE: _STATUS}, _PLAIN),
            }
        },
        "/readyz": {
            "get": {
                "operationId": names.new(GATEWAY_TAG, "readiness"),
                "summary": "Whether calls can be made",
                "security": [],
                "responses": {
                    **_responses({JSON_TYPE: _STATUS}, _PLAIN),
                    "503": _NOT_READY,
                },
            }
        },
    }
    if metrics:
        paths["/metrics"] = {
            "get": {
                "operationId": names.new(GATEWAY_TAG, "metrics"),
                "summary": "The gateway in numbers, for Prometheus",
                "responses": _responses({"text/plain": _TEXT}, _ASKING),
            }
        }
    for item in paths.values():
        item["get"]["tags"] = [GATEWAY_TAG]
    return paths


def _responses(schemas: dict[str, Schema], errors: tuple[int, ...]) -> dict[str, Any]:
    content = {media_type: {"schema": one} for media_type, one in schemas.items()}
    done = {"description": "The answer.", "content": content}
    return {"200": done, **error_references(errors)}
