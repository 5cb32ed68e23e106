"""What an object offers, as the gateway tells it to tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyro_httpgw.descriptions import document_of_names
from pyro_protocol.contract.described import described_by_names
from support.web import NAME

if TYPE_CHECKING:
    from httpgw.conftest import Visitor


def test_a_description_is_what_the_daemon_says(visitor: Visitor) -> None:
    answer = visitor.ask(f"/pyro/{NAME}/$describe")

    document = json.loads(answer.body)
    assert answer.status == 200
    assert document["complete"] is True
    assert document["class"] == "Thermostat"
    assert {one["name"] for one in document["methods"]} >= {"heat", "wait"}


def test_a_description_of_an_unknown_object_is_not_found(visitor: Visitor) -> None:
    assert visitor.ask("/pyro/http.nobody/$describe").status == 404


def test_a_description_of_a_hidden_object_is_denied(visitor: Visitor) -> None:
    assert visitor.ask("/pyro/hidden/$describe").status == 403


def test_a_description_takes_no_body(visitor: Visitor) -> None:
    answer = visitor.ask(f"/pyro/{NAME}/$describe", body=b"{}")

    assert answer.status == 400


def test_a_description_is_only_read(visitor: Visitor) -> None:
    answer = visitor.ask(f"/pyro/{NAME}/$describe", method="POST")

    assert answer.status == 405
    assert dict(answer.headers)["Allow"] == "GET, OPTIONS"


def test_of_an_object_that_is_not_described_the_names_are_told() -> None:
    description = described_by_names("Lamp", ["on", "blink"], ["blink"], ["colour"])

    document = document_of_names(description)

    kinds = {one["name"]: one["kind"] for one in document["methods"]}
    assert kinds == {"blink": "oneway", "on": "method"}
    assert all(one["parameters"] is None for one in document["methods"])
    assert [one["name"] for one in document["attributes"]] == ["colour"]
