"""What web clients accept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_httpgw.answers.negotiation import ANYTHING, LONGEST_FIELD, accepted

OFFERS = ("application/json", "image/png", "application/octet-stream")


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("image/*, application/json", "application/json"),
        ("image/*;q=0.9, application/json;q=0.8", "image/png"),
        ("image/*;q=0.8, */*;q=0.9", "application/json"),
        ("application/json;q=0, */*", "image/png"),
        ("application/json;q=0,image/*;q=0.000,*/*;q=0.1", "application/octet-stream"),
        # What Chromium sends for an image of a page.
        (
            "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
            "image/png",
        ),
        # What it sends for a page.
        (
            "text/html,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
            "application/json",
        ),
        ("text/html", None),
        ("*/*;q=0", None),
        ("application/json;q=0", None),
    ],
)
def test_what_is_wanted_most_is_chosen(field: str, chosen: str | None) -> None:
    assert accepted(field).best(OFFERS) == chosen


@pytest.mark.parametrize(
    ("field", "quality"),
    [
        ("text/plain;q=0.5", 0.5),
        ("text/plain; q=0.5", 0.5),
        ("text/plain ; Q=0.5 ", 0.5),
        ("text/plain;charset=utf-8;q=0.5", 0.5),
        ("text/plain;q=1.000", 1.0),
        ("text/plain;q=.5", 1.0),
        ("text/plain;q=nan", 1.0),
        ("text/plain;q=-1", 1.0),
        ("text/plain;q=2", 1.0),
        ("text/plain;q=", 1.0),
        ("text/plain;q=0.1, text/plain;level=1", 1.0),
        ('text/plain;note="a, b;q=0.1";q=0.5', 0.5),
        (r'text/plain;note="a\", b";q=0.5', 0.5),
        ('text/plain;note="a;q=0.5', 0.5),
        (", ,text/plain;q=0.5,,", 0.5),
    ],
)
def test_qualities_are_read_as_the_standard_says(field: str, quality: float) -> None:
    assert accepted(field).quality("text/plain") == quality


@pytest.mark.parametrize("field", ["", ",", "nonsense", ";q=0.5", "*"])
def test_who_says_nothing_takes_anything(field: str) -> None:
    assert accepted(field) == ANYTHING


def test_asking_for_anything_names_nothing() -> None:
    assert not accepted("*/*").names("image/png")
    assert not accepted("image/png;q=0, */*").names("image/png")
    assert accepted("image/*").names("image/png")
    assert accepted("*/*, image/png;q=0.1").names("image/png")


def test_only_the_beginning_of_a_long_field_is_read() -> None:
    field = "text/plain;q=0.5," + "," * LONGEST_FIELD + "text/html"
    assert accepted(field).ranges == {"text/plain": 0.5}


@pytest.mark.parametrize("part", ['"', r'"\"', ';"', ",;", "a/b;"])
def test_no_field_takes_long_to_read(part: str) -> None:
    # With a reader that tries again and again this would not end.
    accepted(part * LONGEST_FIELD)


@given(st.text(alphabet='ab/*;,q=0.1" \\', max_size=40))
def test_whatever_a_client_sends_can_be_read(field: str) -> None:
    wanted = accepted(field)
    assert all(0 <= quality <= 1 for quality in wanted.ranges.values())
    assert wanted.best(OFFERS) in {None, *OFFERS}
