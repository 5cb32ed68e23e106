"""What a method takes, as an OpenAPI document says it: in addresses and in bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..answers.replies import OCTETS
from ..arguments.annotation_tree import (
    ANYTHING,
    Anything,
    FixedTuple,
    Literal,
    Named,
    Scalar,
    Sequence,
    Stream,
    Union,
)
from ..arguments.reading import FORM_TYPE, JSON_TYPE
from .forms import TEXT_FORMS
from .schemas import any_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.contract.described import DescribedField, DescribedMethod

    from ..arguments.annotation_tree import Annotation
    from ..arguments.annotations import AnnotationReader
    from .forms import Schema
    from .schemas import SchemaWriter

__all__ = ["OCTET_STRING", "MethodInput", "contains_bytes"]

_TEXT: Final[Schema] = {"type": "string"}
_NONE: Final = Scalar("None")
_VARIABLE: Final = ("var_positional", "var_keyword")
_OTHERS: Final[Mapping[str, Any]] = {
    "in": "query",
    "description": "Other arguments, each by its name.",
    "style": "form",
    "explode": True,
}

OCTET_STRING: Final[Schema] = {
    "type": "string",
    "contentMediaType": OCTETS,
}
"""The schema of bytes as they are."""


class MethodInput:
    """The arguments of a method, in the forms in which a request can have them.

    Args:
        method: the method.
        reader: reads its annotations.
        writer: writes their schemas.
    """

    def __init__(
        self, method: DescribedMethod, reader: AnnotationReader, writer: SchemaWriter
    ) -> None:
        self._parameters = method.parameters
        self._reader = reader
        self._writer = writer
        parameters = method.parameters or ()
        self._named = [one for one in parameters if one.kind not in _VARIABLE]
        self._by_kind = {one.kind: one for one in parameters}

    def keywords(self) -> Schema:
        """Return the schema of the arguments by name, as an object of JSON."""
        properties = {one.name: self._taken(one) for one in self._named}
        more = self._by_kind.get("var_positional")
        if more is not None:
            item = self._writer.taken(self._reader.read(more.annotation))
            properties[more.name] = {"type": "array", "items": item}
        schema: Schema = {"type": "object", "properties": properties}
        required = [one.name for one in self._named if one.default is None]
        if required:
            schema["required"] = required
        others = self._others()
        schema["additionalProperties"] = (
            False if others is None else self._writer.taken(others)
        )
        return schema

    def positions(self) -> Schema | None:
        """Return the schema of the arguments as a list; None if that is impossible."""
        if any(
            one.kind == "keyword_only" and one.default is None for one in self._named
        ):
            return None
        if self._parameters is None:
            return {"type": "array"}
        taken = [one for one in self._named if one.kind != "keyword_only"]
        more = self._by_kind.get("var_positional")
        schema: Schema = {
            "type": "array",
            "minItems": sum(one.default is None for one in taken),
        }
        if taken:
            schema["prefixItems"] = [self._taken(one) for one in taken]
        if more is None:
            schema["maxItems"] = len(taken)
        else:
            schema["items"] = self._writer.taken(self._reader.read(more.annotation))
        return schema

    def query(self) -> list[dict[str, Any]]:
        """Return the parameters of a query string."""
        found = [self._query_parameter(one) for one in self._named]
        more = self._by_kind.get("var_positional")
        if more is not None:
            several = Sequence("tuple", self._reader.read(more.annotation))
            found.append({"name": more.name, "in": "query", **self._text_form(several)})
        others = self._others()
        if others is not None:
            schema = {
                "type": "object",
                "additionalProperties": self._text_schema(others) or _TEXT,
            }
            own = self._by_kind.get("var_keyword")
            name = "arguments" if own is None else own.name
            found.append({"name": name, **_OTHERS, "schema": schema})
        return found

    def body(self, keywords: Schema) -> dict[str, Any] | None:
        """Return the request body; None if there is nothing to give.

        Args:
            keywords: the schema of the arguments by name, or a reference to it.
        """
        if self._parameters is not None and not self._parameters:
            return None
        content = {JSON_TYPE: {"schema": keywords}}
        form = self._form_schema()
        if form is not None:
            content[FORM_TYPE] = {"schema": form}
        if self._takes_octets():
            content[OCTETS] = {"schema": OCTET_STRING}
        required = any(one.default is None for one in self._named)
        return {"required": required, "content": content}

    def _others(self) -> Annotation | None:
        """Return what arguments of any name are; None if there are no such."""
        if self._parameters is None:
            return ANYTHING
        others = self._by_kind.get("var_keyword")
        return None if others is None else self._reader.read(others.annotation)

    def _taken(self, one: DescribedField) -> Schema:
        schema = self._writer.taken(self._reader.read(one.annotation))
        return self._writer.with_default(schema, one)

    def _form_schema(self) -> Schema | None:
        """Return the schema of a form; None if there is more in it than single texts.

        Those are left out, as there are several ways to write lists into a form.
        """
        parameters = self.query()
        if any(not _is_single(one) for one in parameters):
            return None
        schema: Schema = {
            "type": "object",
            "properties": {one["name"]: one["schema"] for one in parameters},
            "additionalProperties": False,
        }
        required = [one["name"] for one in parameters if one["required"]]
        return {**schema, "required": required} if required else schema

    def _takes_octets(self) -> bool:
        """Whether a body of bytes can be the argument that is needed."""
        needed = [one for one in self._named if one.default is None]
        chosen = needed or self._named
        return len(chosen) == 1 and _is_bytes(
            self._reader.resolve(self._reader.read(chosen[0].annotation))
        )

    def _query_parameter(self, one: DescribedField) -> dict[str, Any]:
        is_required = one.default is None
        parameter = {"name": one.name, "in": "query", "required": is_required}
        form = self._text_form(self._reader.read(one.annotation))
        schema = form.get("schema")
        if schema is None:
            return {**parameter, **form}
        # What has no value in a query string counts as left out.
        if not is_required:
            parameter["allowEmptyValue"] = True
        elif schema.get("type") == "string":
            schema = {**schema, "minLength": 1}
        elif schema.get("type") == "array":
            schema = {"minItems": 1, **schema}
        # There is no word for None where it may be any text.
        if one.value is not None:
            schema = self._writer.with_default(schema, one)
        return {**parameter, "schema": schema}

    def _text_form(self, annotation: Annotation) -> dict[str, Any]:
        """Return how a value is written where all is text: as it is, or as JSON."""
        schema = self._text_schema(annotation)
        if schema is not None:
            return {"schema": schema}
        return {"content": {JSON_TYPE: {"schema": self._writer.taken(annotation)}}}

    def _text_schema(self, annotation: Annotation) -> Schema | None:
        """Return the schema of a text, or of several; None if it has to be JSON."""
        annotation = self._reader.resolve(annotation)
        single = self._single_text(annotation)
        if single is not None:
            return single
        if isinstance(annotation, Union):
            # What may be None can be left out.
            (some, *others) = [one for one in annotation.options if one != _NONE]
            return None if others else self._text_schema(some)
        if isinstance(annotation, Sequence | Stream):
            item = self._single_text(annotation.item)
            return None if item is None else {"type": "array", "items": item}
        if isinstance(annotation, FixedTuple):
            items = [self._single_text(one) for one in annotation.items]
            if not items or None in items:
                return None
            count = len(items)
            return {
                "type": "array",
                "prefixItems": items,
                "minItems": count,
                "maxItems": count,
            }
        return None

    def _single_text(self, annotation: Annotation) -> Schema | None:
        annotation = self._reader.resolve(annotation)
        if isinstance(annotation, Anything):
            return _TEXT
        if isinstance(annotation, Scalar):
            return TEXT_FORMS[annotation.name]
        if isinstance(annotation, Union):
            options = [self._single_text(one) for one in annotation.options]
            known = [one for one in options if one is not None]
            if len(known) < len(options):
                return None
            return _TEXT if _TEXT in known else any_of(known)
        is_choice = isinstance(annotation, Literal) or (
            isinstance(annotation, Named)
            and self._reader.types[annotation.name].kind == "enum"
        )
        return self._writer.taken(annotation) if is_choice else None


def _is_single(parameter: dict[str, Any]) -> bool:
    schema = parameter.get("schema", {"type": "array"})
    return schema.get("type") not in ("array", "object")


def contains_bytes(annotation: Annotation, reader: AnnotationReader) -> bool:
    """Whether a value may be bytes."""
    annotation = reader.resolve(annotation)
    if isinstance(annotation, Union):
        return any(_is_bytes(reader.resolve(one)) for one in annotation.options)
    return _is_bytes(annotation)


def _is_bytes(annotation: Annotation) -> bool:
    return isinstance(annotation, Scalar) and annotation.name in ("bytes", "bytearray")
