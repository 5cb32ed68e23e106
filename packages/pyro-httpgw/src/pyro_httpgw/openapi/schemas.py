"""JSON schemas of what methods take and return, by their annotations.

What is taken and what is given differ: bytes, for example, can be given to a method as
base64 text, and come back as an object. So classes have a schema for each direction.
"""

from __future__ import annotations

import base64
import functools
import operator
import re
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.described import NO_VALUE

from ..arguments.annotation_tree import (
    EnumMember,
    FixedTuple,
    Keyed,
    Literal,
    Named,
    Scalar,
    Sequence,
    Stream,
    Union,
)
from ..arguments.json_input import CLASS_KEY
from .defaults import plain_value, with_default
from .forms import GIVEN, TAKEN, TAKEN_KEYS, VALUE_REFERENCE, Schema
from .registry import reference_to

if TYPE_CHECKING:
    from pyro_protocol.contract.described import DescribedField, DescribedType

    from ..arguments.annotation_tree import Annotation
    from ..arguments.annotations import AnnotationReader
    from .registry import SchemaRegistry

__all__ = ["SchemaWriter", "any_of"]

_TAKEN_SUFFIX: Final = "-Input"


class SchemaWriter:
    """Writes the schemas of the annotations of one description.

    Args:
        reader: reads the annotations.
        registry: has the schemas of classes.
    """

    def __init__(self, reader: AnnotationReader, registry: SchemaRegistry) -> None:
        self._reader = reader
        self._names = registry.names_of(reader)
        self._schemas = registry.schemas
        self._pending: list[tuple[DescribedType, str, bool]] = []

    def taken(self, annotation: Annotation) -> Schema:
        """Return the schema of a value in the body of a request."""
        return self._written(annotation, given=False)

    def given(self, annotation: Annotation) -> Schema:
        """Return the schema of a value in an answer."""
        return self._written(annotation, given=True)

    def _written(self, annotation: Annotation, *, given: bool) -> Schema:
        schema = self._schema(annotation, given)
        # One after the other: classes may lead to others in long chains.
        while self._pending:
            described, key, for_given = self._pending.pop()
            self._schemas[key] = self._class_schema(described, for_given)
        return schema

    def _schema(self, annotation: Annotation, given: bool) -> Schema:
        schema: Schema = {} if given else VALUE_REFERENCE
        match annotation:
            case Scalar(name):
                schema = (GIVEN if given else TAKEN)[name]
            case Literal(values):
                schema = {"enum": [self._literal(value) for value in values]}
            case Sequence(_, item) | Stream(item):
                schema = {"type": "array", "items": self._schema(item, given)}
            case FixedTuple(items):
                schema = _tuple([self._schema(item, given) for item in items])
            case Keyed():
                schema = self._keyed(annotation, given)
            case Union(options):
                schema = any_of([self._schema(option, given) for option in options])
            case Named(name):
                schema = self._reference(name, given)
        return schema

    def _keyed(self, annotation: Keyed, given: bool) -> Schema:
        values = self._schema(annotation.value, given)
        schema: Schema = {"type": "object", "additionalProperties": values}
        key = annotation.key
        if not given and isinstance(key, Scalar) and key.name in TAKEN_KEYS:
            schema["propertyNames"] = TAKEN_KEYS[key.name]
        return schema

    def _literal(self, value: object) -> object:
        if isinstance(value, EnumMember):
            members = self._reader.types[value.enum].fields
            found = next(one for one in members if one.name == value.name)
            known = plain_value(found)
            return value.name if known is NO_VALUE else known
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")
        return value

    def _reference(self, name: str, given: bool) -> Schema:
        key = self._names[name] + ("" if given else _TAKEN_SUFFIX)
        if key not in self._schemas:
            self._schemas[key] = {}
            self._pending.append((self._reader.types[name], key, given))
        return reference_to(key)

    def _class_schema(self, described: DescribedType, given: bool) -> Schema:
        if described.kind == "alias":
            schema = self._schema(self._reader.read(described.target), given)
        elif described.kind == "enum":
            schema = _given_enum(described) if given else _taken_enum(described)
        elif described.kind != "namedtuple":
            schema = self._record(described, given)
        elif given:
            schema = self._tuple_of(described, given)
        else:
            either = [self._record(described, given), self._tuple_of(described, given)]
            schema = {"anyOf": either}
        return {"description": described.doc, **schema} if described.doc else schema

    def _record(self, described: DescribedType, given: bool) -> Schema:
        fields, kind = described.fields, described.kind
        always = given and kind == "dataclass"
        properties = {one.name: self._field(one, given) for one in fields}
        required = [one.name for one in fields if one.default is None or always]
        if always:
            # It may be a class derived from the described one.
            properties[CLASS_KEY] = {"type": "string"}
        elif kind != "typeddict":
            properties[CLASS_KEY] = {"const": described.name}
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if not given:
            schema["additionalProperties"] = False
        return schema

    def _tuple_of(self, described: DescribedType, given: bool) -> Schema:
        items = [self._field(one, given) for one in described.fields]
        schema = _tuple(items)
        if not given:
            required = sum(one.default is None for one in described.fields)
            schema["minItems"] = required
        return schema

    def _field(self, one: DescribedField, given: bool) -> Schema:
        schema = self._schema(self._reader.read(one.annotation), given)
        return schema if given else self.with_default(schema, one)

    def with_default(self, schema: Schema, one: DescribedField) -> Schema:
        """Return the schema of a parameter or field, with its default if it has one.

        Defaults that JSON does not have, or that do not fit, are left out.
        """
        enum, _dot, name = (one.default or "").rpartition(".")
        described = self._reader.types.get(enum)
        if described is None or described.kind != "enum":
            return with_default(schema, one)
        own = reference_to(self._names[enum] + _TAKEN_SUFFIX)
        fits = schema == own or own in schema.get("anyOf", ())
        if fits and any(member.name == name for member in described.fields):
            return {**schema, "default": self._literal(EnumMember(enum, name))}
        return schema


def any_of(schemas: list[Schema]) -> Schema:
    """Return the schema of what fits one of several."""
    different = list({repr(one): one for one in schemas}.values())
    for anything in ({}, VALUE_REFERENCE):
        if anything in different:
            return anything
    if len(different) == 1:
        return different[0]
    if all(
        one.keys() == {"type"} and isinstance(one["type"], str) for one in different
    ):
        return {"type": [one["type"] for one in different]}
    return {"anyOf": different}


def _tuple(items: list[Schema]) -> Schema:
    schema: Schema = {"type": "array", "minItems": len(items), "maxItems": len(items)}
    return {**schema, "prefixItems": items} if items else schema


def _given_enum(described: DescribedType) -> Schema:
    values = [plain_value(one) for one in described.fields]
    if described.flags:
        members = ", ".join(f"{one.name} ({one.value})" for one in described.fields)
        return {"type": "integer", "description": f"A combination of {members}."}
    if not values or NO_VALUE in values:
        return {}
    return {"enum": _different(values)}


def _taken_enum(described: DescribedType) -> Schema:
    known = [plain_value(one) for one in described.fields]
    values = [value for value in known if value is not NO_VALUE]
    names = [one.name for one in described.fields]
    if not names:
        return {}
    choices: Schema = {"enum": _different([*values, *names])}
    if not described.flags or {type(value) for value in values} != {int}:
        return choices
    name = "|".join(map(re.escape, names))
    combined: Schema = {
        "type": "string",
        "description": "Names with | between them.",
        "pattern": rf"^({name})( *\| *({name}))*$",
    }
    options = [choices, combined]
    most = functools.reduce(operator.or_, values)
    if most > 0 and (most + 1).bit_count() == 1:
        options.append({"type": "integer", "minimum": 0, "maximum": most})
    return {"anyOf": options}


def _different(values: list[Any]) -> list[Any]:
    # Without its text, True would be 1.
    return list({repr(value): value for value in values}.values())
