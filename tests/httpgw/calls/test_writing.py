"""Attributes that are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.house import NAME, House, Mode

if TYPE_CHECKING:
    from httpgw.conftest import Visitor
    from pyro_httpgw.messages import Response
    from support.web import Site

JSON = "application/json"


@pytest.fixture(autouse=True)
def house(site: Site) -> House:
    """The object that is written to."""
    house = House()
    site.register(NAME, house)
    return house


def put(
    visitor: Visitor,
    member: str,
    body: bytes,
    content_type: str = JSON,
    query: str = "",
    **headers: str,
) -> Response:
    return visitor.ask(
        f"/pyro/{NAME}/{member}",
        query,
        method="PUT",
        body=body,
        content_type=content_type,
        **headers,
    )


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"21.5", JSON, 21.5),
        (b"22", f"{JSON}; charset=utf-8", 22.0),
        (b"23", "text/plain", 23.0),
    ],
)
def test_a_value_is_converted_and_set(
    visitor: Visitor, house: House, body: bytes, content_type: str, expected: float
) -> None:
    response = put(visitor, "degrees", body, content_type)
    assert (response.status, response.body) == (204, b"")
    assert house.degrees == expected
    assert type(house.degrees) is float


def test_a_member_of_an_enumeration_is_set(visitor: Visitor, house: House) -> None:
    assert put(visitor, "mode", b'"BOOST"').status == 204
    assert house.mode is Mode.BOOST


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"\x00\xff", "application/octet-stream"), (b"\x00\xff", "image/png")],
)
def test_bytes_are_set_as_they_are(
    visitor: Visitor, house: House, body: bytes, content_type: str
) -> None:
    assert put(visitor, "picture", body, content_type).status == 204
    assert house.picture == body
    assert put(visitor, "picture", b'"AAE="').status == 204
    assert house.picture == b"\x00\x01"


@pytest.mark.parametrize(
    ("member", "body", "content_type", "status"),
    [
        ("degrees", b'"x"', JSON, 422),
        ("degrees", b"x", "text/plain", 422),
        ("degrees", b"x", "application/octet-stream", 422),
        ("degrees", b'{"__class__": "x"}', JSON, 422),
        ("degrees", b"{", JSON, 400),
        ("degrees", b"", JSON, 400),
        ("degrees", b"", "", 415),
        ("degrees", b"a=1", "application/x-www-form-urlencoded", 415),
        ("degrees", b"a", "multipart/form-data; boundary=a", 415),
        ("degrees", b"200", JSON, 500),
        ("rooms", b"1", JSON, 405),
        ("add", b"1", JSON, 405),
        ("$batch", b"[]", JSON, 405),
        ("degres", b"1", JSON, 404),
    ],
)
def test_what_cannot_be_set_is_refused(
    visitor: Visitor,
    house: House,
    member: str,
    body: bytes,
    content_type: str,
    status: int,
) -> None:
    response = put(visitor, member, body, content_type)
    assert response.status == status, response
    names = {name for name, _value in response.headers}
    assert ("Allow" in names) is (status == 405)
    assert ("Accept-Put" in names) is (status == 415)
    assert house.degrees == 20.0


def test_a_value_that_does_not_fit_is_told_with_its_place(visitor: Visitor) -> None:
    problem = json.loads(put(visitor, "degrees", b'"x"').body)
    assert problem["errors"] == [{"loc": ["body"], "msg": "expected a number, not 'x'"}]


def test_the_value_is_in_the_body_alone(visitor: Visitor) -> None:
    assert put(visitor, "degrees", b"1", query="value=1").status == 400


def test_a_value_can_be_set_without_waiting(visitor: Visitor) -> None:
    response = put(visitor, "degrees", b"200", x_pyro_options="oneway")
    assert response.status == 204
