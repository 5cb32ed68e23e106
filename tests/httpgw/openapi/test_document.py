"""The OpenAPI document, asked of a gateway."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyro_httpgw.openapi import document as openapi
from pyro_protocol import URI
from pyro_protocol.authentication import TokenAuthentication
from pyro_protocol.dispatch import Identity
from support.typed_objects import Laboratory
from support.web import NAME

if TYPE_CHECKING:
    import pytest

    from httpgw.conftest import Visitor
    from support.web import Site


def document_of(visitor: Visitor) -> Any:
    answer = visitor.ask("/openapi.json")
    assert answer.status == 200, answer
    assert ("Content-Type", "application/json; charset=utf-8") in answer.headers
    return json.loads(answer.body)


def test_exposed_objects_are_described(visitor: Visitor) -> None:
    document = document_of(visitor)

    assert document["openapi"] == "3.1.0"
    assert f"/pyro/{NAME}/heat" in document["paths"]
    assert [tag["name"] for tag in document["tags"]] == ["gateway", NAME]
    assert "security" not in document
    assert "x-pyro-left-out" not in document


def test_hidden_objects_are_not_mentioned(site: Site, visitor: Visitor) -> None:
    site.register("hidden.lamp", Laboratory())

    assert "hidden" not in json.dumps(document_of(visitor))


def test_what_the_gateway_itself_has_is_described(visitor: Visitor) -> None:
    paths = document_of(visitor)["paths"]

    assert {"/pyro/$objects", "/openapi.json", "/healthz", "/readyz"} <= paths.keys()
    assert "/metrics" not in paths


def test_an_object_whose_daemon_is_gone_is_left_out(
    site: Site, visitor: Visitor
) -> None:
    site.names._uris["http.gone"] = URI("PYRO:gone@127.0.0.1:1")

    document = document_of(visitor)

    assert f"/pyro/{NAME}/heat" in document["paths"]
    (left_out,) = document["x-pyro-left-out"]
    assert left_out["name"] == "http.gone"
    assert "127.0.0.1:1" in left_out["reason"]


def test_an_object_that_does_not_answer_in_time_is_left_out(
    site: Site, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi, "ASKING_SECONDS", 0.0)

    document = document_of(visitor)

    (left_out,) = document["x-pyro-left-out"]
    assert left_out == {"name": NAME, "reason": "no answer within 0 seconds"}


def test_only_so_many_objects_are_described(
    site: Site, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi, "MOST_OBJECTS", 1)
    site.register("http.zoo", Laboratory())

    document = document_of(visitor)

    assert f"/pyro/{NAME}/heat" in document["paths"]
    (left_out,) = document["x-pyro-left-out"]
    assert left_out == {"name": "http.zoo", "reason": "there are too many objects"}


def test_only_so_many_methods_are_described(
    site: Site, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi, "MOST_OPERATIONS", 10)
    site.register("http.zoo", Laboratory())

    (left_out,) = document_of(visitor)["x-pyro-left-out"]

    assert left_out == {"name": "http.zoo", "reason": "there are too many methods"}


def test_a_document_is_given_out_again_for_a_moment(
    site: Site, visitor: Visitor
) -> None:
    first = document_of(visitor)
    site.register("http.new", Laboratory())

    assert document_of(visitor) == first


def test_other_settings_have_a_document_of_their_own(
    site: Site, visitor: Visitor
) -> None:
    document_of(visitor)
    site.register("other.new", Laboratory())
    visitor.settings = replace(visitor.settings, exposed=re.compile(r"other\."))

    document = document_of(visitor)

    assert "/pyro/other.new/numbers" in document["paths"]
    assert f"/pyro/{NAME}/heat" not in document["paths"]


def test_what_a_gateway_demands_is_described(visitor: Visitor) -> None:
    tokens = TokenAuthentication({"a token that is long enough": Identity("ann")})
    visitor.settings = replace(visitor.settings, gateway_key=b"key", tokens=tokens)

    answer = visitor.ask("/openapi.json", x_pyro_gateway_key="key")
    document = json.loads(answer.body)

    assert document["security"] == [{"gatewayKey": []}, {"bearer": []}]
    assert document["components"]["securitySchemes"] == {
        "gatewayKey": {"type": "apiKey", "in": "header", "name": "X-Pyro-Gateway-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    assert document["paths"]["/healthz"]["get"]["security"] == []


def test_the_document_is_not_for_strangers(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"key")

    assert visitor.ask("/openapi.json").status == 401


def test_without_a_name_server_there_is_no_document(
    site: Site, visitor: Visitor
) -> None:
    site.name_server.stop()

    assert visitor.ask("/openapi.json").status in (502, 503)
