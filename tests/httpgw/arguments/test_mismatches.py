"""What is wrong with the arguments of a call."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments.mismatches import (
    MismatchError,
    Misspelled,
    brief,
    did_you_mean,
    refuse,
    shown,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (5, "5"),
        ("a", "'a'"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
        ("x" * 1000, f"{'x' * 60!r}…"),
        (10**1000, f"1{'0' * 199}…"),
    ],
)
def test_what_was_received_is_shown_as_the_client_knows_it(
    value: Any, expected: str
) -> None:
    assert shown(value) == expected


def test_what_is_long_is_cut_off() -> None:
    assert brief("short") == "short"
    assert len(brief("x" * 1000)) < 250


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rom", "; did you mean 'room'?"),
        ("ROOM", "; did you mean 'room'?"),
        ("hours_", "; did you mean 'Hours'?"),
        ("temperature", ""),
        ("room" * 100_000, ""),
    ],
)
def test_a_similar_name_is_proposed(name: str, said: str) -> None:
    assert did_you_mean(name, ["room", "Hours"]) == said


def test_problems_know_where_they_are_in_what_is_around_them() -> None:
    error = MismatchError([(("x",), "no"), ((), "never")])
    assert error.within("a", 1) == [(("a", 1, "x"), "no"), (("a", 1), "never")]
    assert MismatchError.of("no", "a").problems == [(("a",), "no")]


def test_all_problems_are_told_in_one_refusal() -> None:
    refused = refuse("heat", [(("query", "a"), "is missing"), (("body", 1), "no")])
    assert refused.status == 422
    assert str(refused) == (
        "the arguments do not fit heat: query.a: is missing (and 1 more)"
    )
    assert refused.members["errors"] == [
        {"loc": ["query", "a"], "msg": "is missing"},
        {"loc": ["body", 1], "msg": "no"},
    ]


def test_of_very_many_problems_a_hundred_are_told() -> None:
    refused = refuse("heat", [((n,), "no") for n in range(1000)])
    assert len(refused.members["errors"]) == 100
    assert "and many more" in str(refused)


def test_which_name_is_meant_is_found_out_when_it_is_told() -> None:
    known: list[str] = []
    problem = Misspelled("is no field", "nam", known)
    known.append("name")
    assert str(problem) == "is no field; did you mean 'name'?"
