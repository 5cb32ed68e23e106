"""The arguments of a call."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments import Arguments, arguments_of, parse_query, refuse_body
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import LARGEST_BODY, Request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def post(body: bytes, content_type: str = JSON, method: str = "POST") -> Request:
    return Request(method, "/pyro/a/b", "", {"content-type": content_type}, body)


def arguments(request: Request, query: str = "") -> Arguments:
    return arguments_of(request, parse_query(query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("room=hall", {"room": "hall"}),
        ("room=hall&hours=3", {"room": "hall", "hours": "3"}),
        ("day=mon&day=tue", {"day": ["mon", "tue"]}),
        ("empty=&room=hall", {"room": "hall"}),
        ("text=a%20b+c%C3%A9%E2%82%AC", {"text": "a b cé€"}),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_a_query_string_gives_texts_and_lists_of_texts(
    query: str, expected: dict[str, Any]
) -> None:
    request = Request("GET", "/pyro/a/b")
    assert arguments(request, query) == Arguments([], expected)


@pytest.mark.parametrize("query", ["a=%ff", "%c3=1", "&".join(["a=1"] * 1001)])
def test_a_query_string_that_is_not_utf8_or_endless_is_refused(query: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        parse_query(query)
    assert caught.value.status == 400


def test_a_form_is_like_a_query_string() -> None:
    request = post(b"room=hall&day=mon&day=tue", f"{FORM}; charset=utf-8")
    expected = {"room": "hall", "day": ["mon", "tue"], "hours": "3"}
    assert arguments(request, "hours=3").keywords == expected


@pytest.mark.parametrize(
    ("body", "positional", "keywords"),
    [
        (b"{}", [], {}),
        (b'{"room": "hall", "hours": [1, 2.5, null]}', [], None),
        (b'{"args": [1], "kwargs": {"b": 2}}', [1], {"b": 2}),
        (b'{"args": [1]}', [1], {}),
        (b'{"kwargs": {"b": 2}}', [], {"b": 2}),
        (b'{"args": "not a list"}', [], {"args": "not a list"}),
        (b'{"args": [1], "other": 2}', [], {"args": [1], "other": 2}),
    ],
)
def test_a_json_body_gives_keywords_or_both_kinds_of_arguments(
    body: bytes, positional: list[Any], keywords: dict[str, Any] | None
) -> None:
    if keywords is None:
        keywords = {"room": "hall", "hours": [1, 2.5, None]}
    assert arguments(post(body)) == Arguments(positional, keywords)


@pytest.mark.parametrize(
    ("request_", "query", "status", "said"),
    [
        (post(b"[1]"), "", 400, "must be an object"),
        (post(b"{"), "", 400, "not usable JSON"),
        (post(b"\xff"), "", 400, "UTF-8"),
        (post(b"[" * 100_000), "", 400, "not usable JSON"),
        (post(b'{"a": NaN}'), "", 400, "NaN is not JSON"),
        (post(b'{"a": 1, "a": 2}'), "", 400, "same key twice"),
        (post(b'{"a": {"__class__": "X"}}'), "", 400, "__class__ is not allowed"),
        (post(b'{"a": {"\\u005f_class__": "X"}}'), "", 400, "is not allowed"),
        (post(b'{"a": ' + b"9" * 5000 + b"}"), "", 400, "not usable JSON"),
        (post(b'{"a": 1}'), "a=2", 400, "in the query string and in the body: a"),
        (post(b"a=%ff", FORM), "", 400, "UTF-8"),
        (post(b"a", "text/plain"), "", 415, "application/json"),
        (post(b"a", ""), "", 415, "application/json"),
        (post(b"a", "multipart/form-data; boundary=x"), "", 415, "application/json"),
        (post(b'{"a": 1}', method="GET"), "", 400, "GET takes no body; use POST"),
        (post(bytes(LARGEST_BODY + 1)), "", 413, str(LARGEST_BODY)),
    ],
)
def test_a_body_that_would_be_misunderstood_is_refused(
    request_: Request, query: str, status: int, said: str
) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        arguments(request_, query)
    assert caught.value.status == status
    assert said in str(caught.value)


def test_where_no_body_is_expected_one_is_refused_instead_of_ignored() -> None:
    refuse_body(post(b""), "none")
    with pytest.raises(RequestRefusedError, match="400 Bad Request - none"):
        refuse_body(post(b"x"), "none")


def test_arguments_are_true_if_there_are_any() -> None:
    assert not Arguments()
    assert Arguments([None])
    assert Arguments(keywords={"a": 1})
