"""The schemas of described classes, by the names that they have in a document."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ..arguments.annotation_tree import (
    FixedTuple,
    Keyed,
    Named,
    Sequence,
    Stream,
    Union,
)
from .forms import BYTES, BYTES_NAME, VALUE, VALUE_SCHEMA, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..arguments.annotation_tree import Annotation
    from ..arguments.annotations import AnnotationReader

__all__ = ["PROBLEM", "SchemaRegistry", "reference_to"]

PROBLEM: Final = "Problem"
"""The name of the schema of problem documents, which no class can have."""

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


class SchemaRegistry:
    """The schemas of all described classes of a document.

    Several daemons may describe a class alike, or differently under the same name;
    then there is a schema for each.

    Attributes:
        schemas: the schemas by name.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {BYTES_NAME: BYTES, VALUE: VALUE_SCHEMA}
        self._texts: dict[str, str] = {}
        self._first: dict[str, str] = {}
        self._names: dict[bytes, dict[str, str]] = {}
        self._used = {*self.schemas, PROBLEM}

    def add(self, name: str, schema: Schema) -> Schema:
        """Give a schema a name, and return what refers to it."""
        key = self._new(name)
        self.schemas[key] = schema
        return reference_to(key)

    def names_of(self, reader: AnnotationReader) -> dict[str, str]:
        """Return what the classes of a description are called in the document."""
        texts = {name: repr(one) for name, one in sorted(reader.types.items())}
        whole = sha256(repr(texts).encode("utf-8", "surrogatepass")).digest()
        if whole not in self._names:
            different = {
                name
                for name, text in texts.items()
                if self._texts.setdefault(name, text) != text
            }
            different = _with_users(different, reader)
            self._names[whole] = {
                name: self._new(name) if name in different else self._known(name)
                for name in texts
            }
        return self._names[whole]

    def _known(self, name: str) -> str:
        if name not in self._first:
            self._first[name] = self._new(name)
        return self._first[name]

    def _new(self, name: str) -> str:
        usable = new = _NOT_IN_NAMES.sub("_", name)
        number = 1
        while new in self._used:
            number += 1
            new = f"{usable}-{number}"
        self._used.add(new)
        return new


def reference_to(name: str) -> Schema:
    """Return the schema that refers to the one of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _with_users(names: set[str], reader: AnnotationReader) -> set[str]:
    """Return classes with all those that consist of them, however indirectly."""
    if not names:
        return names
    users: dict[str, list[str]] = {}
    for name, described in reader.types.items():
        texts = [described.target, *(one.annotation for one in described.fields)]
        for text in texts:
            for part in _parts_of(reader.read(text)):
                if isinstance(part, Named):
                    users.setdefault(part.name, []).append(name)
    found, pending = set(names), list(names)
    while pending:
        for user in users.get(pending.pop(), ()):
            if user not in found:
                found.add(user)
                pending.append(user)
    return found


def _parts_of(annotation: Annotation) -> Iterator[Annotation]:
    """Return an annotation and all that it consists of."""
    yield annotation
    match annotation:
        case Sequence(_, item):
            inner: tuple[Annotation, ...] = (item,)
        case FixedTuple(items) | Union(items):
            inner = items
        case Keyed(key, value) | Stream(key, value):
            inner = (key, value)
        case _:
            inner = ()
    for one in inner:
        yield from _parts_of(one)
