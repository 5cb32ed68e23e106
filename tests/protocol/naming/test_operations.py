from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import RemoteProtocolError
from pyro_protocol.naming import operations

PRINTER = "PYRO:printer@example.com:4444"


@pytest.mark.parametrize("answer", [URI(PRINTER), PRINTER])
def test_a_looked_up_uri_is_a_uri_however_it_arrives(answer: object) -> None:
    assert operations.find("printer").result(answer) == URI(PRINTER)


@pytest.mark.parametrize(
    "answer",
    [
        (URI(PRINTER), {"laser", "colour"}),
        [URI(PRINTER), ["colour", "laser"]],
        (PRINTER, ("laser", "colour")),
    ],
)
def test_metadata_is_a_set_however_it_arrives(answer: object) -> None:
    found = operations.find_with_metadata("printer").result(answer)
    assert found == (URI(PRINTER), {"laser", "colour"})
    assert type(found[1]) is set


@pytest.mark.parametrize(
    "answer", [{"p": (PRINTER, {"laser"})}, {"p": [PRINTER, ["laser"]]}]
)
def test_a_list_has_the_same_types_however_it_arrives(answer: object) -> None:
    expected = {"p": (PRINTER, {"laser"})}
    assert operations.list_with_metadata("p", None).result(answer) == expected
    assert operations.search_with_metadata(["laser"], None).result(answer) == expected


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        (operations.find("x"), "not a uri"),
        (operations.find("x"), None),
        (operations.find_with_metadata("x"), PRINTER),
        (operations.count(), None),
        (operations.list_names(None, None), ["x"]),
        (operations.list_names(None, None), {"x": 5}),
        (operations.list_with_metadata(None, None), {"x": PRINTER}),
    ],
)
def test_an_answer_without_sense_is_the_servers_fault(
    operation: operations.Operation[Any], answer: object
) -> None:
    with pytest.raises(RemoteProtocolError, match=operation.method):
        operation.result(answer)


def test_tags_travel_as_a_list_which_every_serializer_has() -> None:
    operation = operations.register("x", URI(PRINTER), {"b", "a"}, safe=True)
    assert operation.args == ("x", PRINTER, True, ["a", "b"])
    assert operations.search(iter(["a", "a"]), None).args == (["a"], None, False)


@pytest.mark.parametrize("metadata", ["text", 5, [5], [b"x"]])
def test_metadata_of_a_wrong_type_is_refused_before_it_is_sent(metadata: Any) -> None:
    with pytest.raises(TypeError):
        operations.register("x", PRINTER, metadata, safe=False)
    with pytest.raises(TypeError):
        operations.set_metadata("x", metadata)
    with pytest.raises(TypeError):
        operations.search(None, metadata)


def test_a_uri_of_a_wrong_type_is_refused_before_it_is_sent() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="int"):
        operations.register("x", wrong, None, safe=False)


def test_only_what_has_the_same_result_twice_is_repeatable() -> None:
    assert operations.find("x").repeatable
    assert operations.register("x", PRINTER, None, safe=False).repeatable
    assert not operations.register("x", PRINTER, None, safe=True).repeatable
    assert not operations.remove("x", None, None).repeatable
