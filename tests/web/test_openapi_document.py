"""Whatever daemons say of their objects, the OpenAPI document is valid."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from pyro_httpgw.answers.rendering import render_value
from pyro_httpgw.openapi.document import DescribedObject, write_document
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import read_description
from support.typed_objects import Laboratory

NAMES = st.sampled_from(["a", "b", "args", "kwargs", "self", "keywords", "x" * 300])
TYPE_NAMES = st.sampled_from(["a.A", "a.B", "a.<locals>.C", "Value", "Problem", "ü"])
ANNOTATIONS = st.one_of(
    st.none(),
    st.text(max_size=20),
    TYPE_NAMES,
    st.recursive(
        st.sampled_from(
            [
                *("int", "float", "str", "bytes", "None", "bool", "typing.Any"),
                *("datetime.datetime", "complex", "a.A", "a.B", "nowhere.X"),
                *("typing.Literal[1, True, 'x', b'y', None, a.A.m]", "tuple[()]"),
            ]
        ),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(" | ".join),
            st.tuples(inner, inner).map(lambda both: f"dict[{both[0]}, {both[1]}]"),
            st.tuples(inner, inner).map(lambda both: f"tuple[{both[0]}, {both[1]}]"),
            inner.map(lambda one: f"set[{one}]"),
            inner.map(lambda one: f"collections.abc.Iterator[{one}]"),
        ),
        max_leaves=6,
    ),
)
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.sampled_from([[], [float("nan")], {"a": b"x"}, {1: 2}, "\ud800"]),
)
KINDS = st.sampled_from(
    [
        *("positional_only", "positional_or_keyword", "keyword_only"),
        *("var_positional", "var_keyword", "strange"),
    ]
)


def fields(**others: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    one = st.fixed_dictionaries(
        {"name": NAMES, "annotation": ANNOTATIONS, "required": st.booleans(), **others},
        optional={"value": VALUES, "default": st.sampled_from(["...", "5"])},
    )
    return st.lists(one, max_size=4, unique_by=lambda field: field["name"])


DOCS = st.one_of(st.none(), st.text(max_size=200))
TYPES = st.dictionaries(
    TYPE_NAMES,
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(
                ["dataclass", "namedtuple", "typeddict", "enum", "alias"]
            ),
            "fields": fields(),
            "members": fields(),
            "flags": st.booleans(),
            "of": ANNOTATIONS,
            "doc": DOCS,
        }
    ),
    max_size=4,
)
METHODS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "kind": st.sampled_from(["method", "oneway", "stream"]),
        "parameters": st.none() | fields(kind=KINDS),
        "returns": ANNOTATIONS,
        "doc": DOCS,
    }
)
ATTRIBUTES = st.fixed_dictionaries(
    {"name": NAMES, "annotation": ANNOTATIONS, "writable": st.booleans(), "doc": DOCS}
)
DESCRIPTIONS = st.fixed_dictionaries(
    {
        "methods": st.lists(METHODS, max_size=3),
        "attributes": st.lists(ATTRIBUTES, max_size=2),
        "types": TYPES,
        "doc": DOCS,
    }
)
OBJECT_NAMES = st.text(min_size=1, max_size=8)


def document_of(described: dict[str, Any]) -> Any:
    """Return the document for objects, as a client reads it."""
    objects = []
    for name, data in described.items():
        description = read_description(data)
        assert description is not None
        objects.append(DescribedObject(name, description))
    document = asyncio.run(write_document(objects, {"x": "gone"}, schemes=("bearer",)))
    return json.loads(render_value(document))


# To look for the smallest failure takes minutes: it is the validator that is slow.
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
@given(st.dictionaries(OBJECT_NAMES, DESCRIPTIONS, max_size=2))
def test_any_descriptions_make_a_valid_document(described: dict[str, Any]) -> None:
    validate(document_of(described), cls=OpenAPIV31SpecValidator)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_objects_of_a_class_make_a_valid_document(count: int) -> None:
    data = describe_members(members_of(Laboratory), Laboratory)

    document = document_of({f"http.lab{n}": data for n in range(count)})

    validate(document, cls=OpenAPIV31SpecValidator)
