"""What can be done with an object, as the OpenAPI document says it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyro_httpgw.openapi.document import DescribedObject, write_document
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import (
    DescribedField,
    DescribedMethod,
    DescribedType,
    Description,
    described_by_names,
    read_description,
)
from support.typed_objects import Laboratory

NAME = "http.laboratory"


def written(*objects: DescribedObject, **others: Any) -> dict[str, Any]:
    return asyncio.run(write_document(list(objects), {}, **others))


def laboratory() -> Description:
    description = read_description(describe_members(members_of(Laboratory), Laboratory))
    assert description is not None
    return description


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return written(DescribedObject(NAME, laboratory(), frozenset({"b", "a"})))


@pytest.fixture
def paths(document: dict[str, Any]) -> Any:
    return document["paths"]


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation
        for item in document["paths"].values()
        for verb, operation in item.items()
        if verb in ("get", "post", "put")
    ]


def query_of(operation: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in operation.get("parameters", [])}


def content_of(operation: dict[str, Any], status: str = "200") -> Any:
    return operation["responses"][status].get("content")


def arguments_of(document: dict[str, Any], method: str) -> Any:
    return document["components"]["schemas"][f"{NAME}.{method}-Arguments"]


def one_method(*parameters: DescribedField, kind: str = "method") -> dict[str, Any]:
    """Return the document of an object that has only this method."""
    method = DescribedMethod("do", kind, parameters)
    types = {"a.T": DescribedType("a.T", "typeddict")}
    description = Description(methods={"do": method}, types=types)
    return written(DescribedObject(NAME, description))


def test_methods_and_attributes_have_paths(paths: Any) -> None:
    assert paths[f"/pyro/{NAME}/numbers"].keys() == {"get", "post"}
    assert paths[f"/pyro/{NAME}/probe"].keys() == {"get", "post", "put"}
    assert paths[f"/pyro/{NAME}/rights"].keys() == {"get", "post"}
    assert paths[f"/pyro/{NAME}/$describe"].keys() == {"get"}
    assert paths[f"/pyro/{NAME}/$batch"].keys() == {"post"}


def test_what_is_only_there_for_old_programs_is_deprecated(paths: Any) -> None:
    assert paths[f"/pyro/{NAME}/probe"]["post"]["deprecated"]
    assert paths[f"/pyro/{NAME}/$meta"]["post"]["deprecated"]
    assert "deprecated" not in paths[f"/pyro/{NAME}/probe"]["get"]


def test_docstrings_are_passed_on(document: dict[str, Any], paths: Any) -> None:
    operation = paths[f"/pyro/{NAME}/numbers"]["post"]

    assert operation["summary"] == "Give back numbers."
    assert "real: a real one." in operation["description"]
    (tag,) = [tag for tag in document["tags"] if tag["name"] == NAME]
    assert tag["description"].startswith("Gives back what it gets.")
    assert tag["x-pyro-class"] == "support.typed_objects.Laboratory"
    assert tag["x-pyro-metadata"] == ["a", "b"]
    assert operation["tags"] == [NAME]


def test_every_operation_has_an_id_of_its_own() -> None:
    names = ("http.lab", "http_lab", "http/lab", "http.lab.x")
    document = written(*(DescribedObject(name, laboratory()) for name in names))

    ids = [operation["operationId"] for operation in operations(document)]

    assert len(ids) == len(set(ids))
    assert "http.lab.numbers" in ids


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("http.a b", "/pyro/http.a%20b/plain"),
        ("http/a", "/pyro/http/a/plain"),
        ("http.{a}", "/pyro/http.%7Ba%7D/plain"),
        ("http.a?b#c", "/pyro/http.a%3Fb%23c/plain"),
        ("http.ä", "/pyro/http.%C3%A4/plain"),
    ],
)
def test_names_are_encoded_in_paths(name: str, path: str) -> None:
    assert path in written(DescribedObject(name, laboratory()))["paths"]


def test_parameters_can_be_given_in_the_address(paths: Any) -> None:
    query = query_of(paths[f"/pyro/{NAME}/numbers"]["get"])

    assert query["whole"]["required"]
    assert query["whole"]["schema"] == {"type": "integer"}
    assert not query["real"]["required"]
    assert query["real"]["schema"] == {"type": "number", "default": 1.5}
    assert query["real"]["allowEmptyValue"]


def test_a_text_that_has_to_be_given_is_not_empty(paths: Any) -> None:
    query = query_of(paths[f"/pyro/{NAME}/text"]["get"])

    assert query["text"]["schema"] == {"type": "string", "minLength": 1}
    assert query["more"]["schema"] == {"type": "string"}


def test_several_values_are_parameters_that_are_repeated(paths: Any) -> None:
    query = query_of(paths[f"/pyro/{NAME}/collections"]["get"])

    assert query["numbers"]["schema"] == {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 1,
    }
    assert query["names"]["schema"]["type"] == "array"
    assert len(query["places"]["schema"]["prefixItems"]) == 2


@pytest.mark.parametrize(
    "annotation", ["a.T", "dict[str, int]", "list[a.T]", "list[list[int]]", "int | a.T"]
)
def test_what_is_no_text_is_json_in_the_address(annotation: str) -> None:
    document = one_method(DescribedField("value", annotation))

    (parameter,) = document["paths"][f"/pyro/{NAME}/do"]["get"]["parameters"]

    assert parameter["content"].keys() == {"application/json"}


def test_other_arguments_have_any_name(document: dict[str, Any], paths: Any) -> None:
    others = query_of(paths[f"/pyro/{NAME}/options"]["get"])["options"]

    assert (others["style"], others["explode"]) == ("form", True)
    assert others["schema"]["additionalProperties"] == {"type": "boolean"}
    schema = arguments_of(document, "options")
    assert schema["additionalProperties"] == {"type": "boolean"}


def test_arguments_are_an_object_of_json(document: dict[str, Any], paths: Any) -> None:
    body = paths[f"/pyro/{NAME}/numbers"]["post"]["requestBody"]

    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {
        "$ref": f"#/components/schemas/{NAME}.numbers-Arguments"
    }
    assert arguments_of(document, "numbers") == {
        "type": "object",
        "properties": {
            "whole": {"type": "integer"},
            "real": {"type": "number", "default": 1.5},
            "certain": {"type": "boolean", "default": False},
        },
        "required": ["whole"],
        "additionalProperties": False,
    }


def test_members_are_defaults_by_their_value(
    document: dict[str, Any], paths: Any
) -> None:
    schema = {
        "$ref": "#/components/schemas/support.typed_objects.Level-Input",
        "default": 1,
    }

    assert arguments_of(document, "choices")["properties"]["level"] == schema
    query = query_of(paths[f"/pyro/{NAME}/choices"]["get"])
    assert query["level"]["schema"] == schema


def test_any_number_of_arguments_is_a_list(document: dict[str, Any]) -> None:
    schema = arguments_of(document, "add")

    assert schema["properties"].keys() == {"first", "more", "factor"}
    assert schema["properties"]["more"]["type"] == "array"
    assert schema["required"] == ["first"]


def test_forms_are_for_single_texts(paths: Any) -> None:
    def types(method: str) -> set[str]:
        return set(paths[f"/pyro/{NAME}/{method}"]["post"]["requestBody"]["content"])

    form = "application/x-www-form-urlencoded"
    assert types("numbers") == {"application/json", form}
    assert types("choices") == {"application/json", form}
    assert types("collections") == {"application/json"}
    assert types("record") == {"application/json"}


@pytest.mark.parametrize(
    ("parameters", "taken"),
    [
        ([DescribedField("a", "bytes")], True),
        ([DescribedField("a", "bytes", "b''")], True),
        ([DescribedField("a", "bytes"), DescribedField("b", "int", "5")], True),
        ([DescribedField("a", "bytes"), DescribedField("b", "int")], False),
        ([DescribedField("a", "bytes"), DescribedField("b", "bytes")], False),
        ([DescribedField("a", "str")], False),
    ],
)
def test_a_body_of_bytes_is_taken_where_it_is_clear_what_it_is(
    parameters: list[DescribedField], taken: bool
) -> None:
    operation = one_method(*parameters)["paths"][f"/pyro/{NAME}/do"]["post"]

    content = operation["requestBody"]["content"]
    assert ("application/octet-stream" in content) is taken


def test_a_method_without_parameters_has_no_body(paths: Any) -> None:
    assert "requestBody" not in paths[f"/pyro/{NAME}/nothing"]["post"]
    assert "parameters" not in paths[f"/pyro/{NAME}/nothing"]["get"]


def test_results_have_a_schema(paths: Any) -> None:
    content = content_of(paths[f"/pyro/{NAME}/record"]["post"])

    schema = {"$ref": "#/components/schemas/support.typed_objects.Probe"}
    assert content == {"application/json": {"schema": schema}}


def test_bytes_are_given_as_they_are_too(paths: Any) -> None:
    types = {"application/json", "application/octet-stream", "image/*"}

    assert content_of(paths[f"/pyro/{NAME}/picture"]["get"]).keys() == types
    assert content_of(paths[f"/pyro/{NAME}/blob"]["get"]).keys() == types


def test_streams_have_two_forms(paths: Any) -> None:
    operation = paths[f"/pyro/{NAME}/watch"]["get"]

    content = content_of(operation)
    assert content.keys() == {"text/event-stream", "application/x-ndjson"}
    item = {"$ref": "#/components/schemas/support.typed_objects.Probe"}
    assert all(one["x-pyro-item-schema"] == item for one in content.values())
    assert operation["x-pyro-kind"] == "stream"


def test_the_answer_to_a_oneway_call_is_empty(paths: Any) -> None:
    operation = paths[f"/pyro/{NAME}/later"]["post"]

    assert content_of(operation) is None
    assert operation["x-pyro-kind"] == "oneway"


def test_idempotent_methods_are_marked() -> None:
    method = DescribedMethod("do", parameters=(), idempotent=True)
    document = written(DescribedObject(NAME, Description(methods={"do": method})))

    assert document["paths"][f"/pyro/{NAME}/do"]["get"]["x-pyro-idempotent"]


def test_attributes_are_set_with_put(paths: Any) -> None:
    operation = paths[f"/pyro/{NAME}/label"]["put"]

    body = operation["requestBody"]
    assert body["content"] == {
        "application/json": {"schema": {"type": ["string", "null"]}}
    }
    assert "204" in operation["responses"]


def test_every_error_is_a_problem(document: dict[str, Any], paths: Any) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    responses = document["components"]["responses"]

    assert all(
        one["content"] == {"application/problem+json": {"schema": problem}}
        for one in responses.values()
    )
    statuses = paths[f"/pyro/{NAME}/numbers"]["post"]["responses"].keys()
    assert statuses >= {"400", "401", "403", "404", "406", "413", "415", "422", "429"}
    assert statuses >= {"500", "502", "503", "504"}


def test_a_batch_holds_calls_of_each_method(paths: Any) -> None:
    operation = paths[f"/pyro/{NAME}/$batch"]["post"]

    schema = operation["requestBody"]["content"]["application/json"]["schema"]

    methods = [one["properties"]["method"]["const"] for one in schema["items"]["anyOf"]]
    assert methods.count("numbers") == 2
    assert "count" not in methods
    assert schema["maxItems"] == 1000


def test_of_an_object_that_is_not_described_anything_is_taken() -> None:
    description = described_by_names("Lamp", ["on"], [], ["colour"])

    document = written(DescribedObject(NAME, description))

    item = document["paths"][f"/pyro/{NAME}/on"]
    (others,) = item["get"]["parameters"]
    assert others["schema"]["additionalProperties"] == {"type": "string"}
    assert not item["post"]["requestBody"]["required"]
    assert content_of(item["get"]) == {"application/json": {"schema": {}}}
    assert document["paths"][f"/pyro/{NAME}/colour"].keys() == {"get", "post", "put"}


def test_an_object_without_methods_has_no_batch() -> None:
    document = written(DescribedObject(NAME, Description()))

    assert f"/pyro/{NAME}/$batch" not in document["paths"]


def deep() -> Any:
    value: Any = []
    # Deeper than any version of Python writes as JSON.
    for _level in range(200_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [10**5_000, deep()], ids=["number", "list"])
def test_a_description_that_cannot_be_written_is_left_out(value: Any) -> None:
    types = {
        "a.T": DescribedType("a.T", "enum", None, (DescribedField("m", value=value),))
    }

    document = written(DescribedObject(NAME, Description(types=types)))

    (left_out,) = document["x-pyro-left-out"]
    assert left_out["name"] == NAME


def test_paths_are_where_the_application_is_mounted() -> None:
    assert written(mount="/gateway")["servers"] == [{"url": "/gateway"}]
    assert written()["servers"] == [{"url": "/"}]


def test_metrics_are_described_if_there_are_some() -> None:
    assert "/metrics" in written(metrics=True)["paths"]
