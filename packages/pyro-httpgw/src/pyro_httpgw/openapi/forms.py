"""JSON schemas of values of known types, such as text, numbers, bytes and dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..arguments.json_input import CLASS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BASE64_TEXT",
    "BYTES",
    "BYTES_NAME",
    "GIVEN",
    "TAKEN",
    "TAKEN_KEYS",
    "TEXT_FORMS",
    "VALUE",
    "VALUE_REFERENCE",
    "VALUE_SCHEMA",
    "Schema",
]

Schema: TypeAlias = dict[str, Any]
"""A JSON schema."""

# The alphabet for addresses counts too, and padding may be left out.
_BASE64: Final = (
    "^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$"
)

BASE64_TEXT: Final[Schema] = {
    "type": "string",
    "contentEncoding": "base64",
    "pattern": _BASE64,
}
"""What bytes are in a text."""

BYTES: Final[Schema] = {
    "type": "object",
    "description": "Bytes, as base64.",
    "properties": {"data": BASE64_TEXT, "encoding": {"const": "base64"}},
    "required": ["data", "encoding"],
    "additionalProperties": False,
}
"""What bytes are in JSON."""

_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET: Final = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"

_REAL: Final = r"[0-9]{1,15}(\.[0-9]{1,15})?"
# As many as a timedelta holds.
_LEAST_SECONDS: Final = -86_399_999_913_600
_MOST_SECONDS: Final = 86_399_999_999_999

_TIME_TEXT: Final[Schema] = {"type": "string", "pattern": f"^{_TIME}{_OFFSET}$"}
_BOTH: Final[Mapping[str, Schema]] = {
    "None": {"type": "null"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": _TIME_TEXT,
    "uuid.UUID": {"type": "string", "format": "uuid"},
}

TEXT_FORMS: Final[Mapping[str, Schema]] = {
    **_BOTH,
    "float": {"type": "number"},
    "complex": {
        "type": "string",
        "description": "A complex number, such as 1+2j.",
        "pattern": f"^-?{_REAL}([+-]{_REAL}j)?$",
    },
    "bytes": BASE64_TEXT,
    "bytearray": BASE64_TEXT,
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.timedelta": {
        "type": "number",
        "description": "Seconds.",
        "minimum": _LEAST_SECONDS,
        "maximum": _MOST_SECONDS,
    },
    "decimal.Decimal": {
        "type": "string",
        "description": "A decimal number.",
        "pattern": r"^-?[0-9]{1,28}(\.[0-9]{1,28})?$",
    },
    "fractions.Fraction": {
        "type": "string",
        "description": "A fraction, such as 2/3.",
        "pattern": r"^-?[0-9]{1,28}(/[1-9][0-9]{0,27})?$",
    },
}
"""What values without parts are where all is text, by the names of `Scalar`."""

BYTES_NAME: Final = "Bytes"
"""The name of the schema `BYTES`."""

_BYTES_REFERENCE: Final[Schema] = {"$ref": f"#/components/schemas/{BYTES_NAME}"}
_TAKEN_BYTES: Final[Schema] = {"anyOf": [BASE64_TEXT, _BYTES_REFERENCE]}
_NUMBER: Final[Schema] = {"type": "number"}
TAKEN: Final[Mapping[str, Schema]] = {
    **TEXT_FORMS,
    "bytes": _TAKEN_BYTES,
    "bytearray": _TAKEN_BYTES,
    "complex": {
        "anyOf": [
            TEXT_FORMS["complex"],
            _NUMBER,
            {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
        ]
    },
    "decimal.Decimal": {"anyOf": [TEXT_FORMS["decimal.Decimal"], _NUMBER]},
    "fractions.Fraction": {"anyOf": [TEXT_FORMS["fractions.Fraction"], _NUMBER]},
    "datetime.timedelta": {
        "anyOf": [
            TEXT_FORMS["datetime.timedelta"],
            {"type": "string", "pattern": "^P([0-9]{1,6}D)?T[0-9]{1,6}S$"},
        ]
    },
}
"""What values without parts are in the body of a request."""

GIVEN: Final[Mapping[str, Schema]] = {
    **_BOTH,
    "float": {
        "type": ["number", "null"],
        "description": "null stands for NaN and the infinities.",
    },
    "complex": {"type": "string", "description": "A complex number."},
    "bytes": _BYTES_REFERENCE,
    "bytearray": _BYTES_REFERENCE,
    # Without an offset it is not the format date-time.
    "datetime.datetime": {
        "type": "string",
        "description": "A date and time in ISO 8601, perhaps without an offset.",
        "pattern": f"^{_DAY}T{_TIME}{_OFFSET}$",
    },
    "datetime.timedelta": {"type": "number", "description": "Seconds."},
    "decimal.Decimal": {"type": "string", "description": "A decimal number."},
    "fractions.Fraction": {
        "type": "string",
        "description": "A fraction.",
        "pattern": "^-?[0-9]+(/[0-9]+)?$",
    },
}
"""What values without parts are in an answer."""

TAKEN_KEYS: Final[Mapping[str, Schema]] = {
    name: schema
    for name, schema in TEXT_FORMS.items()
    if schema.get("type") == "string" and name != "str"
} | {"int": {"pattern": "^-?[0-9]{1,15}$"}}
"""What keys without parts are in an object of a request."""


VALUE: Final = "Value"
"""The name of the schema `VALUE_SCHEMA`."""

VALUE_REFERENCE: Final[Schema] = {"$ref": f"#/components/schemas/{VALUE}"}
"""Refers to it."""

VALUE_SCHEMA: Final[Schema] = {
    "description": f"Any value, in which no object has the key {CLASS_KEY}.",
    "anyOf": [
        {"type": ["null", "boolean", "number", "string"]},
        {"type": "array", "items": VALUE_REFERENCE},
        {
            "type": "object",
            "propertyNames": {"not": {"const": CLASS_KEY}},
            "additionalProperties": VALUE_REFERENCE,
        },
    ],
}
"""The schema of what can be given where anything is taken."""
