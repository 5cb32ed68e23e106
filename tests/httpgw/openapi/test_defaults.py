"""Defaults in JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.openapi.defaults import with_default
from pyro_httpgw.openapi.forms import VALUE_REFERENCE
from pyro_protocol.contract.described import NO_VALUE, DescribedField

INTEGER = {"type": "integer"}
TEXTS = {"type": "array", "items": {"type": "string"}}


def default_in(schema: dict[str, Any], value: object) -> object:
    """Return the default that a schema gets, or `NO_VALUE`."""
    written = with_default(schema, DescribedField("x", value=value))
    assert {**written, "default": None} == {**schema, "default": None}
    return written.get("default", NO_VALUE)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INTEGER, 5),
        ({"type": "number"}, 5),
        ({"type": "number"}, 0.5),
        ({"type": "boolean"}, False),
        ({"type": ["string", "null"]}, None),
        ({"type": "string", "pattern": "^a"}, "ab"),
        (TEXTS, []),
        (TEXTS, ["a"]),
        ({"type": "object", "additionalProperties": INTEGER}, {}),
        ({"enum": ["a", 1]}, 1),
        ({"anyOf": [INTEGER, TEXTS]}, ["a"]),
        (VALUE_REFERENCE, {"a": [1]}),
    ],
)
def test_a_default_that_fits_is_told(schema: dict[str, Any], value: object) -> None:
    assert default_in(schema, value) == value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INTEGER, NO_VALUE),
        (INTEGER, None),
        (INTEGER, True),
        (INTEGER, 0.5),
        (INTEGER, b"bytes"),
        ({"type": "number"}, float("nan")),
        ({"type": "number", "minimum": 5}, 4),
        ({"type": "string", "pattern": "^a"}, "b"),
        ({"type": "string", "format": "date"}, "tomorrow"),
        (TEXTS, [1]),
        ({"type": "array", "prefixItems": [INTEGER]}, [1]),
        ({"type": "object", "additionalProperties": INTEGER}, {"a": 1}),
        ({"enum": [1]}, True),
        ({"anyOf": [INTEGER, TEXTS]}, "a"),
        ({"$ref": "#/components/schemas/house.Point"}, {}),
    ],
)
def test_a_default_that_may_not_fit_is_not_told(
    schema: dict[str, Any], value: object
) -> None:
    assert default_in(schema, value) is NO_VALUE
