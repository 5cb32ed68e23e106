"""Several calls in one request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.calls.batch import MOST_CALLS
from support.hosting import HostThread
from support.house import NAME, House

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpgw.conftest import Visitor
    from pyro_httpgw.messages import Response
    from support.web import Site

JSON = "application/json"


@pytest.fixture(autouse=True)
def house(site: Site) -> House:
    """The object that is called."""
    house = House()
    site.register(NAME, house)
    return house


def send(
    visitor: Visitor,
    calls: Any,
    *,
    content_type: str = JSON,
    query: str = "",
    **headers: str,
) -> Response:
    return visitor.ask(
        f"/pyro/{NAME}/$batch",
        query,
        method="POST",
        body=json.dumps(calls).encode(),
        content_type=content_type,
        **headers,
    )


def outcomes(response: Response) -> list[Any]:
    assert response.status == 200, response
    found: list[Any] = json.loads(response.body)
    return [
        one["result"] if "result" in one else one["error"]["detail"] for one in found
    ]


def test_calls_are_answered_in_order(visitor: Visitor) -> None:
    calls = [
        {"method": "add", "args": [1, 2]},
        {"method": "add", "kwargs": {"a": 1, "b": 3}},
        {"method": "furnish", "args": [{"name": "a"}]},
        {"method": "notes_so_far"},
    ]
    calls.insert(0, {"method": "call", "args": [[1]]})
    first, *others, room, notes = outcomes(send(visitor, calls))
    assert first == "[1], None"
    assert others == [3, 4]
    assert room.startswith("Room(name='a'")
    assert notes == []


def test_they_travel_in_one_message(visitor: Visitor, site: Site) -> None:
    before = site.names._lookups
    calls = [{"method": "add", "args": [n]} for n in range(MOST_CALLS)]
    assert outcomes(send(visitor, calls)) == [n + 1 for n in range(MOST_CALLS)]
    assert site.names._lookups == before + 1


FAILING = [
    {"method": "note", "args": ["before"]},
    {"method": "fail", "args": ["so"]},
    {"method": "stream", "args": [3]},
    {"method": "fail", "args": ["again"]},
    {"method": "notes_so_far"},
]


def test_nothing_is_run_after_a_call_that_failed(
    visitor: Visitor, house: House
) -> None:
    response = send(visitor, FAILING)
    assert outcomes(response) == [None, "ValueError: so"]
    error = json.loads(response.body)[1]["error"]
    assert error["status"] == 500
    assert error["__class__"] == "builtins.ValueError"
    assert error["args"] == ["so"]
    assert "_pyroTraceback" not in error["attributes"]
    assert house.notes == ["before"]


def test_if_it_is_wanted_the_rest_is_run_all_the_same(visitor: Visitor) -> None:
    found = outcomes(send(visitor, FAILING, x_pyro_options="continue"))
    assert found[:2] == [None, "ValueError: so"]
    assert "streams are not possible in a batch" in found[2]
    assert found[3:] == ["ValueError: again", ["before"]]


def test_a_batch_can_be_sent_without_waiting(visitor: Visitor, house: House) -> None:
    response = send(visitor, FAILING, x_pyro_options="oneway")
    assert (response.status, response.body) == (200, b"")


def test_a_batch_may_be_empty(visitor: Visitor) -> None:
    assert outcomes(send(visitor, [])) == []


def test_nothing_is_run_if_any_call_does_not_fit(
    visitor: Visitor, house: House
) -> None:
    calls = [
        {"method": "note", "args": ["a"]},
        {"method": "ad", "args": [1]},
        {"method": "add", "args": ["x"], "kwargs": {"c": 1}},
        {"method": "add", "arg": [1]},
        {"method": "degrees"},
        {"method": 3, "args": {}, "kwargs": []},
        5,
    ]
    response = send(visitor, calls)
    assert response.status == 422
    errors = json.loads(response.body)["errors"]
    assert [(one["loc"], one["msg"]) for one in errors] == [
        (["body", 1, "method"], "there is no method 'ad'; did you mean 'add'?"),
        (["body", 2, "args", 0], "expected an integer, not 'x'"),
        (["body", 2, "kwargs", "c"], "is not a parameter"),
        (["body", 3, "arg"], "is not a part of a call; did you mean 'args'?"),
        (["body", 4, "method"], "there is no method 'degrees'"),
        (["body", 5, "method"], "expected the name of a method"),
        (["body", 5, "args"], "expected a list"),
        (["body", 5, "kwargs"], "expected an object"),
        (["body", 6], "expected a call: an object with method, args and kwargs"),
    ]
    assert house.notes == []


@pytest.mark.parametrize(
    ("calls", "more", "status"),
    [
        ({}, {}, 400),
        ([{"method": "notes_so_far"}] * (MOST_CALLS + 1), {}, 400),
        ([], {"query": "a=1"}, 400),
        ([], {"content_type": "text/plain"}, 415),
        ([], {"content_type": ""}, 415),
        ([{"method": "echo", "args": [{"__class__": "x"}]}], {}, 422),
    ],
)
def test_what_is_no_batch_is_refused(
    visitor: Visitor, calls: Any, more: Any, status: int
) -> None:
    assert send(visitor, calls, **more).status == status


def test_a_batch_is_not_got(visitor: Visitor) -> None:
    assert visitor.ask(f"/pyro/{NAME}/$batch").status == 405


def test_an_object_that_is_not_there_is_not_found(visitor: Visitor) -> None:
    response = visitor.ask(
        "/pyro/http.nothing/$batch",
        method="POST",
        body=b'[{"method": "a"}]',
        content_type=JSON,
    )
    assert response.status == 404


@pytest.fixture
def plain_site(site: Site) -> Iterator[Site]:
    """A site with an object whose daemon does not have the native format."""
    with HostThread() as daemon:
        daemon.host.service.capabilities = frozenset()
        site.names._uris[NAME] = daemon.register(House())
        yield site


@pytest.mark.usefixtures("plain_site")
def test_a_daemon_without_the_native_format_answers_batches_as_well(
    visitor: Visitor,
) -> None:
    calls = [
        {"method": "add", "args": ["1", "2"]},
        {"method": "fail", "kwargs": {"why": "so"}},
        {"method": "room", "args": ["hall"]},
    ]
    found = outcomes(send(visitor, calls, x_pyro_options="continue"))
    assert found[:2] == ["12", "ValueError: so"]
    assert found[2]["__class__"] == "support.house.Room"
