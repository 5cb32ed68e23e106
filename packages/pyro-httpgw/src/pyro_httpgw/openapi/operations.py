"""What can be done with one object, as an OpenAPI document says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..answers.replies import OCTETS
from ..arguments.annotations import AnnotationReader
from ..arguments.reading import JSON_TYPE
from ..calls.batch import MOST_CALLS
from ..routing import BATCH, DESCRIPTION, METADATA, PREFIX
from .errors import error_references
from .parameters import OCTET_STRING, MethodInput, contains_bytes
from .registry import PROBLEM, SchemaRegistry
from .schemas import SchemaWriter, any_of

if TYPE_CHECKING:
    from pyro_protocol.contract.described import (
        DescribedAttribute,
        DescribedMethod,
        Description,
    )

    from .forms import Schema

__all__ = ["ObjectPaths", "OperationNames"]

Operation = dict[str, Any]

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._-]")
_SUMMARY_LIMIT: Final = 120

_EVENTS: Final = "text/event-stream"
_PICTURES: Final = "image/*"
_LINES: Final = "application/x-ndjson"

_ALWAYS: Final = (400, 401, 403, 404, 429, 502, 503, 504)
_CALLING: Final = (*_ALWAYS, 406, 422, 500)
_WITH_BODY: Final = (*_CALLING, 413, 415)

_HEADERS: Final[dict[str, Any]] = {
    "X-Pyro-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"}
}
# Programs that were written for Pyro5's gateway do it.
_AS_PYRO5: Final[dict[str, Any]] = {"deprecated": True}
_NAMES: Final[Schema] = {"type": "array", "items": {"type": "string"}}


_OUTCOME: Final[Schema] = {
    "type": "object",
    "properties": {
        "result": {},
        "error": {"$ref": f"#/components/schemas/{PROBLEM}"},
    },
    "minProperties": 1,
    "maxProperties": 1,
}


class OperationNames:
    """Gives each operation of a document an ``operationId`` of its own."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def __len__(self) -> int:
        return len(self._used)

    def new(self, *parts: str) -> str:
        """Return a name that consists of these parts, and perhaps a number."""
        wanted = name = _NOT_IN_IDS.sub("_", ".".join(parts))
        number = 1
        while name in self._used:
            number += 1
            name = f"{wanted}-{number}"
        self._used.add(name)
        return name


class ObjectPaths:
    """Writes the paths of one object.

    Args:
        name: its name.
        description: what it offers.
        registry: has the schemas of the document.
        names: has the operations of the document.
    """

    def __init__(
        self,
        name: str,
        description: Description,
        registry: SchemaRegistry,
        names: OperationNames,
    ) -> None:
        self._name = name
        self._description = description
        self._reader = AnnotationReader(description.types)
        self._writer = SchemaWriter(self._reader, registry)
        self._registry = registry
        self._names = names
        self._calls: list[Schema] = []

    def write(self) -> dict[str, Any]:
        """Return what can be done at each path."""
        description = self._description
        paths = {
            self._path(METADATA): {
                "get": self._metadata(""),
                "post": {**self._metadata("post"), **_AS_PYRO5},
            }
        }
        paths[self._path(DESCRIPTION)] = {"get": self._describe()}
        for attribute in description.attributes.values():
            item = self._attribute(attribute)
            if item:
                paths[self._path(attribute.name)] = item
        for method in description.methods.values():
            paths[self._path(method.name)] = self._method(method)
        if self._calls:
            paths[self._path(BATCH)] = {"post": self._batch()}
        return paths

    def _path(self, member: str) -> str:
        return quote(f"/{PREFIX}{self._name}/{member}", safe="/$")

    def _operation(
        self, member: str, verb: str, doc: str | None, fallback: str
    ) -> Operation:
        parts = (self._name, member, verb) if verb else (self._name, member)
        operation: Operation = {
            "tags": [self._name],
            "operationId": self._names.new(*parts),
            "summary": _summary(doc) or fallback,
        }
        if doc:
            operation["description"] = doc
        return operation

    def _metadata(self, verb: str) -> Operation:
        schema = {
            "type": "object",
            "properties": {"methods": _NAMES, "attributes": _NAMES},
            "required": ["methods", "attributes"],
        }
        return {
            **self._operation(METADATA, verb, None, f"What {self._name} has"),
            "responses": _json_responses(schema, _ALWAYS),
        }

    def _describe(self) -> Operation:
        return {
            **self._operation(DESCRIPTION, "", None, f"What {self._name} offers"),
            "responses": _json_responses({"type": "object"}, _ALWAYS),
        }

    def _batch(self) -> Operation:
        calls = {"type": "array", "maxItems": MOST_CALLS, "items": any_of(self._calls)}
        body = {"required": True, "content": {JSON_TYPE: {"schema": calls}}}
        results = {"type": "array", "items": _OUTCOME}
        return {
            **self._operation(BATCH, "", None, f"Several calls of {self._name}"),
            "description": "The calls run one after the other, up to the first that "
            "fails. With the header `X-Pyro-Options: continue` all of them run.",
            "requestBody": body,
            "responses": _json_responses(results, _WITH_BODY),
        }

    def _attribute(self, attribute: DescribedAttribute) -> dict[str, Any]:
        annotation = self._reader.read(attribute.annotation)
        name, doc = attribute.name, attribute.doc
        item: dict[str, Any] = {}
        if attribute.readable:
            content = self._result_content(attribute.annotation)
            for verb in ("get", "post"):
                item[verb] = {
                    **self._operation(name, verb, doc, f"The value of {name}"),
                    "responses": _responses(content, _CALLING),
                }
            item["post"].update(_AS_PYRO5)
        if attribute.writable:
            taken: dict[str, Any] = {
                JSON_TYPE: {"schema": self._writer.taken(annotation)}
            }
            if contains_bytes(annotation, self._reader):
                taken[OCTETS] = {"schema": OCTET_STRING}
            done = {"description": "It is set.", "headers": _HEADERS}
            item["put"] = {
                **self._operation(name, "set", doc, f"Set {name}"),
                "requestBody": {"required": True, "content": taken},
                "responses": {"204": done, **error_references(sorted(_WITH_BODY))},
            }
        return item

    def _method(self, method: DescribedMethod) -> dict[str, Any]:
        given = MethodInput(method, self._reader, self._writer)
        fallback = f"Call {method.name}"
        by_name, positions = given.keywords(), given.positions()
        keywords = self._registry.add(f"{self._name}.{method.name}-Arguments", by_name)
        if method.kind != "stream":
            call = {"method": {"const": method.name}}
            self._calls.append(_call(call, "kwargs", keywords, "required" in by_name))
            if positions is not None:
                needed = positions.get("minItems", 0) > 0
                self._calls.append(_call(call, "args", positions, needed))
        parameters, body = given.query(), given.body(keywords)
        return {
            "get": {
                **self._operation(method.name, "get", method.doc, fallback),
                **({"parameters": parameters} if parameters else {}),
                "responses": self._call_responses(method, _CALLING),
                **_facts(method),
            },
            "post": {
                **self._operation(method.name, "", method.doc, fallback),
                **({"requestBody": body} if body else {}),
                "responses": self._call_responses(method, _WITH_BODY),
                **_facts(method),
            },
        }

    def _call_responses(
        self, method: DescribedMethod, statuses: tuple[int, ...]
    ) -> dict[str, Any]:
        if method.kind == "oneway":
            accepted = {
                "description": "The call is on its way; the body is empty.",
                "headers": _HEADERS,
            }
            return {"200": accepted, **error_references(sorted(statuses))}
        if method.kind == "stream":
            return _responses(self._stream_content(method.returns), statuses)
        return _responses(self._result_content(method.returns), statuses)

    def _result_content(self, annotation_text: str | None) -> dict[str, Any]:
        annotation = self._reader.read(annotation_text)
        content: dict[str, Any] = {
            JSON_TYPE: {"schema": self._writer.given(annotation)}
        }
        if contains_bytes(annotation, self._reader):
            content[OCTETS] = content[_PICTURES] = {"schema": OCTET_STRING}
        return content

    def _stream_content(self, annotation_text: str | None) -> dict[str, Any]:
        item = self._writer.given(self._reader.stream_item(annotation_text))
        # This version of OpenAPI has no schemas for what comes one after the other.
        return {
            _LINES: {"schema": {"type": "string"}, "x-pyro-item-schema": item},
            _EVENTS: {"schema": {"type": "string"}, "x-pyro-item-schema": item},
        }


def _call(call: Schema, key: str, arguments: Schema, needed: bool) -> Schema:
    """Return the schema of a call in a batch, with arguments under one of its keys."""
    return {
        "type": "object",
        "properties": {**call, key: arguments},
        "required": ["method", key] if needed else ["method"],
        "additionalProperties": False,
    }


def _summary(doc: str | None) -> str:
    """Return the first line of a docstring, if it is short enough for a heading."""
    line = (doc or "").strip().partition("\n")[0]
    return line if len(line) <= _SUMMARY_LIMIT else f"{line[: _SUMMARY_LIMIT - 1]}…"


def _facts(method: DescribedMethod) -> dict[str, Any]:
    idempotent = {"x-pyro-idempotent": True} if method.idempotent else {}
    return {"x-pyro-kind": method.kind, **idempotent}


def _json_responses(schema: Schema, statuses: tuple[int, ...]) -> dict[str, Any]:
    return _responses({JSON_TYPE: {"schema": schema}}, statuses)


def _responses(content: dict[str, Any], statuses: tuple[int, ...]) -> dict[str, Any]:
    done = {"description": "The result.", "headers": _HEADERS, "content": content}
    return {"200": done, **error_references(sorted(statuses))}
