"""Defaults in JSON schemas, which have to fit what they are the default of."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.described import NO_VALUE

from .forms import VALUE_REFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.contract.described import DescribedField

    from .forms import Schema

__all__ = ["plain_value", "with_default"]

_TYPES: Final[Mapping[type, tuple[str, ...]]] = {
    type(None): ("null",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    str: ("string",),
    list: ("array",),
    dict: ("object",),
}


def with_default(schema: Schema, one: DescribedField) -> Schema:
    """Return a schema that tells the default of a parameter or field, if there is one.

    A default that has no form in JSON, or does not fit, is left out: many a program has
    ``None`` where the annotation does not allow it.
    """
    value = plain_value(one)
    if value is NO_VALUE or not _fits(value, schema):
        return schema
    return {**schema, "default": value}


def plain_value(one: DescribedField) -> Any:
    """Return the value of a field, which may be anything, if JSON has it too."""
    try:
        json.dumps(one.value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return NO_VALUE
    return one.value


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value surely fits a schema, as far as that is easily seen."""
    if schema == VALUE_REFERENCE:
        return True
    if "anyOf" in schema:
        return any(_fits(value, option) for option in schema["anyOf"])
    if "enum" in schema:
        return any(type(value) is type(one) and value == one for one in schema["enum"])
    return _has_type(value, schema.get("type", ())) and _has_parts(value, schema)


def _has_type(value: Any, types: str | list[str] | tuple[()]) -> bool:
    allowed = (types,) if isinstance(types, str) else types
    return any(one in allowed for one in _TYPES.get(type(value), ()))


def _has_parts(value: Any, schema: Schema) -> bool:
    if isinstance(value, str):
        if "format" in schema:
            return False
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        # Of tuples only those of any length are looked at.
        items = schema.get("items")
        return items is not None and all(_fits(one, items) for one in value)
    if isinstance(value, dict):
        return not value and "required" not in schema
    return "minimum" not in schema
