"""Calls of an object that says in detail what its methods take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.house import NAME, House

if TYPE_CHECKING:
    from httpgw.conftest import Visitor
    from pyro_httpgw.messages import Response
    from support.web import Site

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def house(site: Site) -> House:
    """The object that is called."""
    house = House()
    site.register(NAME, house)
    return house


def ask(visitor: Visitor, member: str, query: str = "", **more: Any) -> Response:
    return visitor.ask(f"/pyro/{NAME}/{member}", query, **more)


def get(visitor: Visitor, member: str, query: str = "") -> Any:
    response = ask(visitor, member, query)
    assert response.status == 200, response
    return json.loads(response.body)


def post(visitor: Visitor, member: str, value: Any) -> Any:
    body = json.dumps(value).encode()
    response = ask(visitor, member, method="POST", body=body, content_type=JSON)
    assert response.status == 200, response
    return json.loads(response.body)


def errors_of(response: Response) -> list[Any]:
    assert response.status == 422, response
    problem = json.loads(response.body)
    return [(one["loc"], one["msg"]) for one in problem["errors"]]


TIMES = (
    "datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4), "
    "datetime.time(12, 30), datetime.timedelta(seconds=90)"
)


@pytest.mark.parametrize(
    ("member", "query", "expected"),
    [
        ("add", "a=2&b=3", 5),
        (
            "numbers",
            "f=2&flag=yes&c=1%2b2j&d=1.10&q=1/3",
            "2.0, True, (1+2j), Decimal('1.10'), Fraction(1, 3)",
        ),
        (
            "times",
            "day=2026-01-02&at=2026-01-02T03:04&hour=12:30&span=90",
            TIMES,
        ),
        ("texts", "text=5&anything=6&plain=7&plain=8", "'5', '6', ['7', '8']"),
        (
            "choose",
            "mode=boost&right=READ|OWN&literal=1&either=ECO",
            "<Mode.BOOST: 'boost'>, <Right.READ|OWN: 5>, 1, <Mode.ECO: 'eco'>",
        ),
        (
            "collect",
            'items=1&items=2&unique=PAIR&pair=1&pair=x&shapes={"sides":3}',
            "[1, 2], {<Mode.PAIR: (1, 2)>}, (1, 'x'), None, {Shape(sides=3)}",
        ),
        (
            "identify",
            "who=" + "0" * 32,
            f"UUID('{'00000000-0000-0000-0000-' + '0' * 12}')",
        ),
        ("positional", "a=1&c=5", "1, 2, 5"),
        ("total", "first=1&values=2&values=3", "1, (2.0, 3.0), 1.0"),
        ("open", "b=2", "0, {'b': '2'}"),
        ("store", "data=AP8=", "b'\\x00\\xff', ''"),
        ("notes_so_far", "", []),
    ],
)
def test_a_query_is_converted_by_the_annotations(
    visitor: Visitor, member: str, query: str, expected: Any
) -> None:
    assert get(visitor, member, query) == expected


def test_a_form_is_converted_as_well(visitor: Visitor) -> None:
    response = ask(visitor, "add", "b=3", method="POST", body=b"a=2", content_type=FORM)
    assert json.loads(response.body) == 5


def test_objects_arrive_with_their_class_though_the_gateway_does_not_have_it(
    visitor: Visitor,
) -> None:
    room = {
        "name": "hall",
        "mode": "boost",
        "corners": [[1, 2], {"x": 3}],
        "inner": {"name": "in"},
    }
    assert post(visitor, "furnish", {"room": room, "corner": {"x": 5}}) == (
        "Room(name='hall', mode=<Mode.BOOST: 'boost'>, corners=[Corner(x=1.0, y=2.0), "
        "Corner(x=3.0, y=0.0)], inner=Room(name='in', mode=<Mode.ECO: 'eco'>, "
        "corners=[], inner=None)), Corner(x=5.0, y=0.0)"
    )
    numbered = post(visitor, "collect", {"by_number": {"1": {"name": "a"}}})
    assert "{1: Room(name='a'" in numbered


def test_what_a_method_returns_can_be_given_to_another(visitor: Visitor) -> None:
    room = get(visitor, "room", "name=hall")
    assert room["__class__"] == "support.house.Room"
    assert post(visitor, "furnish", {"room": room}) == (
        "Room(name='hall', mode=<Mode.BOOST: 'boost'>, "
        "corners=[Corner(x=1.0, y=0.0)], inner=None), None"
    )


def test_a_typed_dictionary_arrives_as_one(visitor: Visitor) -> None:
    plan = {"start": "2026-01-02T03:04", "rooms": [{"name": "a"}]}
    assert post(visitor, "plan", {"plan": plan}).startswith(
        "{'start': datetime.datetime(2026, 1, 2, 3, 4), 'rooms': [Room(name='a'"
    )


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"name": "a"}, "Room(name='a'"),
        ({"x": 1}, "Corner(x=1.0, y=0.0)"),
        ([{"name": "a"}], "[Room(name='a'"),
        (5, "5.0"),
    ],
)
def test_of_a_union_what_fits_arrives(
    visitor: Visitor, what: Any, expected: str
) -> None:
    assert post(visitor, "either", {"what": what}).startswith(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"args": [2, 3]}, 5),
        ({"args": [2], "kwargs": {"b": 3}}, 5),
        ({"a": 2, "b": 3}, 5),
        ({"b": 3, "a": 2.0}, 5),
    ],
)
def test_json_gives_arguments_by_position_or_name(
    visitor: Visitor, value: Any, expected: int
) -> None:
    assert post(visitor, "add", value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"args": []}, "[], None"),
        ({"args": [1], "kwargs": {"a": 1}}, "[1], {'a': 1}"),
    ],
)
def test_parameters_may_have_the_names_of_the_other_form(
    visitor: Visitor, value: Any, expected: str
) -> None:
    assert post(visitor, "call", value) == expected


@pytest.mark.parametrize(
    ("member", "content_type", "body", "expected"),
    [
        ("store", "application/octet-stream", b"\x00\xff", "b'\\x00\\xff', 'n'"),
        ("store", "image/png", b"\x89PNG", "b'\\x89PNG', 'n'"),
        ("store", "application/octet-stream", b"", "b'', 'n'"),
    ],
)
def test_a_body_can_be_the_bytes_themselves(
    visitor: Visitor, member: str, content_type: str, body: bytes, expected: str
) -> None:
    response = ask(
        visitor, member, "name=n", method="POST", body=body, content_type=content_type
    )
    assert json.loads(response.body) == expected


def test_a_body_can_be_the_text_itself(visitor: Visitor) -> None:
    response = ask(
        visitor,
        "write",
        "size=3",
        method="POST",
        body="é".encode(),
        content_type="text/plain; charset=utf-8",
    )
    assert json.loads(response.body) == "'é', 3"


def test_a_body_that_no_parameter_takes_is_unsupported(visitor: Visitor) -> None:
    response = ask(visitor, "add", method="POST", body=b"a", content_type="image/png")
    assert response.status == 415


def test_what_does_not_fit_is_told_before_the_call(visitor: Visitor) -> None:
    response = ask(visitor, "add", "A=1&b=x")
    assert errors_of(response) == [
        (["query", "A"], "is not a parameter; did you mean 'a'?"),
        (["query", "b"], "expected an integer, not 'x'"),
        (["query", "a"], "is missing"),
    ]
    problem = json.loads(response.body)
    assert problem["__exception__"] is True
    assert "$describe" in problem["hint"]


def test_no_other_class_can_be_named(visitor: Visitor, house: House) -> None:
    for member, value in (
        ("furnish", {"room": {"__class__": "support.house.Shape", "name": "a"}}),
        ("echo", {"value": [{"__class__": "support.house.Room", "name": "a"}]}),
        ("open", {"a": 1, "other": {"__class__": "Pyro5.client.Proxy"}}),
    ):
        body = json.dumps(value).encode()
        response = ask(visitor, member, method="POST", body=body, content_type=JSON)
        assert "__class__" in str(errors_of(response))


def test_a_oneway_method_is_not_waited_for(visitor: Visitor, house: House) -> None:
    response = ask(visitor, "note", "text=a")
    assert (response.status, response.body) == (200, b"")


def test_any_method_can_be_called_without_waiting(visitor: Visitor) -> None:
    response = ask(visitor, "add", "a=1", x_pyro_options="foo, OneWay")
    assert (response.status, response.body) == (200, b"")
    assert ask(visitor, "add", "a=x", x_pyro_options="oneway").status == 422


def test_an_attribute_takes_no_parameters(visitor: Visitor) -> None:
    assert get(visitor, "degrees") == 20.0
    for more in (
        {"query": "a=1"},
        {"method": "POST", "body": b'{"a": 1}', "content_type": JSON},
    ):
        response = ask(visitor, "degrees", **more)
        assert response.status == 400
        assert "PUT" in json.loads(response.body)["hint"]


def test_what_is_not_there_is_not_found(visitor: Visitor) -> None:
    response = ask(visitor, "degres")
    assert response.status == 404
    assert "did you mean 'degrees'?" in json.loads(response.body)["detail"]


def test_the_names_of_what_an_object_has_can_only_be_read(visitor: Visitor) -> None:
    names = get(visitor, "$meta")
    assert names["attributes"] == ["degrees", "mode", "picture", "rooms"]
    assert "add" in names["methods"]
    assert ask(visitor, "$meta", method="PUT", body=b"1").status == 405
    assert ask(visitor, "$meta", method="POST", body=b"1").status == 400


def test_the_description_of_an_object_is_given(visitor: Visitor) -> None:
    assert "degrees" in str(get(visitor, "$describe"))
