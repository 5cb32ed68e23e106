"""The arguments of a call as a request has them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

import pytest

from pyro_httpgw.arguments.reading import (
    Arguments,
    arguments_of,
    check_size,
    parse_query,
    refuse_body,
)
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
OCTETS = "application/octet-stream"


def post(body: bytes, content_type: str = JSON, method: str = "POST") -> Request:
    return Request(method, "/pyro/a/b", "", {"content-type": content_type}, body)


def arguments(request: Request, query: str = "") -> Arguments:
    return arguments_of(request, parse_query(query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("room=hall", {"room": ["hall"]}),
        ("room=hall&hours=3", {"room": ["hall"], "hours": ["3"]}),
        ("day=mon&day=tue", {"day": ["mon", "tue"]}),
        ("empty=&room=hall", {"room": ["hall"]}),
        ("text=a%20b+c%C3%A9%E2%82%AC", {"text": ["a b cé€"]}),
        ("a=1;b=2", {"a": ["1;b=2"]}),
    ],
)
def test_a_query_string_gives_texts(query: str, expected: dict[str, Any]) -> None:
    request = Request("GET", "/pyro/a/b")
    assert arguments(request, query) == Arguments(expected)


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "=a", "a=b=c", "a=1&&b=2&", "a;b=1", "é=ü", "a= b", "&"]
)
def test_a_query_without_codes_means_what_it_means_with_them(text: str) -> None:
    assert parse_query(text) == parse_qs(text, errors="strict")
    coded = parse_query(f"{text}&%7A=1")
    assert coded.pop("z") == ["1"]
    assert parse_query(text) == coded


@pytest.mark.parametrize("query", ["a=%ff", "%c3=1", "&".join(["a=1"] * 1001)])
def test_a_query_string_that_is_not_utf8_or_endless_is_refused(query: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        parse_query(query)
    assert caught.value.status == 400


def test_a_form_is_like_a_query_string() -> None:
    request = post(b"room=hall&day=mon&day=tue", f"{FORM}; charset=utf-8")
    found = arguments(request, "hours=3")
    assert found.texts == {"hours": ["3"]}
    assert found.form == {"room": ["hall"], "day": ["mon", "tue"]}


@pytest.mark.parametrize("content_type", [JSON, "application/problem+json; a=b"])
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
    body: bytes,
    positional: list[Any],
    keywords: dict[str, Any] | None,
    content_type: str,
) -> None:
    if keywords is None:
        keywords = {"room": "hall", "hours": [1, 2.5, None]}
    found = arguments(post(body, content_type))
    assert (found.positional, found.keywords) == (positional, keywords)


@pytest.mark.parametrize(
    ("content_type", "whole"),
    [
        ("text/plain", "é"),
        ("text/plain; charset=utf-8", "é"),
        (OCTETS, b"\xc3\xa9"),
        ("image/png", b"\xc3\xa9"),
        ("text/csv", b"\xc3\xa9"),
    ],
)
def test_a_body_of_another_type_is_one_argument(
    content_type: str, whole: str | bytes
) -> None:
    found = arguments(post(b"\xc3\xa9", content_type), "name=a")
    assert found.whole == whole
    assert found.texts == {"name": ["a"]}


@pytest.mark.parametrize(("content_type", "whole"), [("text/plain", ""), (OCTETS, b"")])
def test_a_body_of_no_bytes_is_one_argument_if_its_type_is_told(
    content_type: str, whole: str | bytes
) -> None:
    assert arguments(post(b"", content_type)).whole == whole
    assert arguments(post(b"", content_type, "GET")).whole is None


@pytest.mark.parametrize("content_type", ["", JSON, FORM])
def test_a_request_without_a_body_has_no_arguments(content_type: str) -> None:
    assert not arguments(post(b"", content_type))


def test_it_is_told_whether_a_class_is_named() -> None:
    assert arguments(post(b'{"a": [{"\\u005f_class__": "X"}]}')).names_class
    assert not arguments(post(b'{"a": ["__class__"]}')).names_class


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (post(b"[1]"), 400, "must be an object"),
        (post(b"{"), 400, "not usable JSON"),
        (post(b"\xff"), 400, "UTF-8"),
        (post(b"[" * 100_000), 400, "not usable JSON"),
        (post(b'{"a": NaN}'), 400, "NaN is not JSON"),
        (post(b'{"a": 1, "a": 2}'), 400, "same key twice"),
        (post(b'{"a": ' + b"9" * 5000 + b"}"), 400, "not usable JSON"),
        (post(b"a=%ff", FORM), 400, "UTF-8"),
        (post(b"\xff", "text/plain"), 400, "UTF-8"),
        (post(b"a", ""), 415, "without a type"),
        (post(b"a", "multipart/form-data; boundary=x"), 415, "multipart/form-data"),
        (post(b'{"a": 1}', method="GET"), 400, "GET takes no body; use POST"),
    ],
)
def test_a_body_that_would_be_misunderstood_is_refused(
    request_: Request, status: int, said: str
) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        arguments(request_)
    assert caught.value.status == status
    assert said in str(caught.value)


def test_who_sends_a_body_of_a_useless_type_is_told_which_types_there_are() -> None:
    with pytest.raises(RequestRefusedError) as caught:
        arguments(post(b"a", "multipart/form-data; boundary=x"))
    (accepted,) = caught.value.headers
    assert accepted[0] == "Accept-Post"
    assert JSON in accepted[1]
    assert caught.value.hint is not None
    assert OCTETS in caught.value.hint


def test_a_body_larger_than_the_settings_allow_is_refused() -> None:
    settings = Settings(re.compile(""), max_body=10)
    check_size(post(bytes(10)), settings)
    with pytest.raises(RequestRefusedError, match="10 bytes") as caught:
        check_size(post(bytes(11)), settings)
    assert caught.value.status == 413


def test_where_no_body_is_expected_one_is_refused_instead_of_ignored() -> None:
    refuse_body(post(b""), "none")
    with pytest.raises(RequestRefusedError, match=r"^none$"):
        refuse_body(post(b"x"), "none")


def test_arguments_are_true_if_there_are_any() -> None:
    assert not Arguments()
    assert Arguments(positional=[None])
    assert Arguments(keywords={"a": 1})
    assert Arguments({"a": ["1"]})
    assert Arguments(form={"a": ["1"]})
    assert Arguments(whole=b"a")
    assert not Arguments(whole=b"")
